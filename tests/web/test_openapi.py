"""The OpenAPI document matches the routes, and every answer to a valid or invalid request matches the document.

EDGEFACE_HEAVY=1 sends 5,000 requests instead of a few hundred.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from edgeface.web import api
from edgeface.web.http.operation import PREFIX
from edgeface.web.live.feed import Feed
from tests.support.web import CAMERA, EVENT, UNKNOWN, make_token

schemathesis = pytest.importorskip("schemathesis", reason="pip install -e .[dev]")

from schemathesis.checks import not_a_server_error  # noqa: E402 - it may not be installed
from schemathesis.generation import GenerationMode  # noqa: E402 - as above
from schemathesis.specs.openapi.checks import (  # noqa: E402 - as above
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.testclient import TestClient

    from tests.support.web import Stage

ENDLESS = "get_events_stream"
HOST = "http://localhost"
PHOTO = (Path(__file__).parents[1] / "data" / "biden.jpg").read_bytes()
OPERATIONS = [one for one in api.OPERATIONS if one.id != ENDLESS]
RUNS = [
    (one, mode)
    for one in OPERATIONS
    for mode in ("positive", "negative")
    if mode == "positive" or one.query or one.body
]
# The others get one request each, or two.
VARIED = sum(bool(one.parameters or one.query or one.body) for one, _ in RUNS)
CASES = 5_000 if os.environ.get("EDGEFACE_HEAVY") else 350
KNOWN = {
    "person": ("barack", "eileen"),
    "unknown": (UNKNOWN,),
    "camera": (CAMERA,),
    "number": ("0", "1"),
    "event": (EVENT,),
    "template": ("0123456789ab",),
    "factor": ("0123456789ab",),
}
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def test_the_document_is_openapi_and_has_every_operation_once(client: Callable[..., TestClient]) -> None:
    answer = client("viewer").get(f"{PREFIX}/openapi.json")
    document = answer.json()
    assert document == api.document()
    assert document["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(document).validate()
    ids = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(set(ids)) == len(ids) == len(api.OPERATIONS)


def test_the_document_has_every_route_and_no_other(stage: Stage) -> None:
    from starlette.routing import Route

    routes = {
        (method, route.path, getattr(route.endpoint, "role", None))
        for route in stage.app.routes
        if isinstance(route, Route) and route.path.startswith(PREFIX)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert routes == {(one.method, f"{PREFIX}{one.path}", one.role) for one in api.OPERATIONS}


def test_the_manual_has_every_operation_with_its_role_and_summary() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    rows = re.findall(r"^\| `([A-Z]+) (/\S+)` \| (viewer|admin|recognise) \| (.+) \|$", manual, re.MULTILINE)
    assert rows == [(one.method, one.path, one.role, one.summary) for one in api.OPERATIONS]


def test_a_wrong_method_is_told_the_right_ones(client: Callable[..., TestClient]) -> None:
    for path, methods in (("people", "DELETE, GET, HEAD, POST"), ("people/barack", "DELETE, GET, HEAD, PATCH")):
        answer = client("admin").put(f"{PREFIX}/{path}", json={})
        assert (answer.status_code, answer.headers["allow"]) == (405, methods)


@pytest.mark.parametrize(("operation", "mode"), RUNS, ids=lambda part: getattr(part, "id", part))
def test_answers_are_as_described(stage: Stage, operation: Any, mode: str) -> None:
    stage.app.state.context = replace(stage.context, switch=lambda _camera, _on: None)
    cameras = stage.context.configuration().cameras
    stage.app.state.feeds = {name: Feed(stage.context, name, timeout=0) for name in cameras}
    # With it schemathesis would leave out the token at random, and the operation itself would not be reached.
    document = {key: value for key, value in api.document().items() if key != "security"}
    schema = schemathesis.openapi.from_dict(document)
    schema.app = stage.app
    described = schema[f"{PREFIX}{operation.path}"][operation.method]
    strategy = described.as_strategy(generation_mode=GenerationMode(mode))
    tokens = {role: {"Authorization": f"Bearer {make_token(stage, role)}"} for role in ("admin", "viewer")}
    # A camera without a picture answers 503.
    checks = CHECKS if operation.tag == "live" else [not_a_server_error, *CHECKS]

    @settings(
        max_examples=-(-CASES // VARIED),
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy, st.data())
    def answered(case: Any, data: Any) -> None:
        _sometimes_known(case, data, operation)
        case.call_and_validate(base_url=HOST, headers=dict(tokens["admin"]), checks=checks)
        assert case.call(base_url=HOST).status_code == 401
        if operation.role != "viewer":
            assert case.call(base_url=HOST, headers=dict(tokens["viewer"])).status_code == 403

    answered()


def _sometimes_known(case: Any, data: Any, operation: Any) -> None:
    """Use existing ids and real photos in most of the cases."""
    for name in operation.parameters:
        if data.draw(st.integers(0, 3)):
            case.path_parameters[name] = data.draw(st.sampled_from(KNOWN[name]))
    if isinstance(case.body, dict) and "into" in case.body and data.draw(st.booleans()):
        case.body = {**case.body, "into": "eileen"}
    if operation.heavy and data.draw(st.booleans()):
        if isinstance(case.body, dict):
            name = "photos" if "people" in operation.path else "image"
            case.body = {**case.body, name: [PHOTO] if name == "photos" else PHOTO}
        else:
            case.body = PHOTO
