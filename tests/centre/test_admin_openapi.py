"""The OpenAPI document matches the routes, and every answer to a valid or invalid request matches the document.

EDGEFACE_HEAVY=1 sends 2,000 requests instead of a few.
"""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from edgeface.centre import pages
from edgeface.centre.admins import rights
from edgeface.centre.admins.app import OPERATIONS, application, document
from edgeface.web.http.operation import PREFIX
from tests.support.centre import MODEL, embedding
from tests.support.centre_server import SITE

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
    from starlette.applications import Starlette

    from edgeface.centre.context import CentreContext
    from tests.support.centre_server import Running

CASES = 2_000 if os.environ.get("EDGEFACE_HEAVY") else 60
RUNS = [
    (one, mode)
    for one in OPERATIONS
    for mode in ("positive", "negative")
    if mode == "positive" or one.query or one.body
]
KNOWN = {"site": (SITE,), "person": ("alice", "bob"), "device": ("front",), "number": ("1",)}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def app(shared: Running) -> Starlette:
    context: CentreContext = shared.context
    made = application(context)
    made.state.token = rights.make_token(context.settings.data, "program", "admin", None, 0.0, None)
    return made


def test_the_document_is_openapi_and_has_every_route_once(app: Starlette) -> None:
    from starlette.routing import Route

    schemathesis.openapi.from_dict(document()).validate()
    ids = [one["operationId"] for path in document()["paths"].values() for one in path.values()]
    assert len(set(ids)) == len(ids) == len(OPERATIONS)
    routes = {
        (method, route.path)
        for route in app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    others = {("POST", f"{PREFIX}/sign-in"), ("POST", f"{PREFIX}/sign-out"), ("GET", "/metrics")}
    for route in pages.ROUTES:
        if isinstance(route, Route):
            others |= {(method, route.path) for method in (route.methods or set()) - {"HEAD"}}
    assert not any(path.startswith(PREFIX) for _, path in others if "/sign-" not in path)
    assert routes == {(one.method, f"{PREFIX}{one.path}") for one in OPERATIONS} | others


@pytest.mark.parametrize(("operation", "mode"), RUNS, ids=lambda part: getattr(part, "id", part))
def test_answers_are_as_described(app: Starlette, operation: Any, mode: str) -> None:
    # With it schemathesis would leave out the token at random, and the operation itself would not be reached.
    schema = schemathesis.openapi.from_dict({key: value for key, value in document().items() if key != "security"})
    schema.app = app
    strategy = schema[f"{PREFIX}{operation.path}"][operation.method].as_strategy(generation_mode=GenerationMode(mode))
    token = {"Authorization": f"Bearer {app.state.token}"}

    @settings(
        max_examples=-(-CASES // len(RUNS)),
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy, st.data())
    def answered(case: Any, data: Any) -> None:
        for name in operation.parameters:
            if data.draw(st.integers(0, 3)):
                case.path_parameters[name] = data.draw(st.sampled_from(KNOWN[name]))
        if isinstance(case.body, dict) and "templates" in case.body and data.draw(st.booleans()):
            case.body = {"templates": {MODEL: base64.b64encode(embedding(1).tobytes()).decode()}}
        case.call_and_validate(base_url="http://localhost", headers=token, checks=CHECKS)
        assert case.call(base_url="http://localhost").status_code == 401

    answered()
