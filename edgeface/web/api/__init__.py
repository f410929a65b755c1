"""The REST interface: its operations as routes, and their OpenAPI document."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse
from starlette.routing import Route

from edgeface.web.api import cameras, check, corrections, events, factors, openapi, people, recognise, unknowns, visits
from edgeface.web.http.base_path import base_path
from edgeface.web.http.operation import PREFIX, Call, Media, Operation

if TYPE_CHECKING:
    from starlette.responses import Response


def openapi_document(_: Call) -> Response:
    """The OpenAPI document."""
    servers = [{"url": base_path.get() or "/"}]
    return JSONResponse({**document(), "servers": servers}, media_type="application/json")


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document of all operations."""
    return openapi.document(OPERATIONS)


OPERATIONS: tuple[Operation, ...] = (
    *recognise.OPERATIONS,
    *people.OPERATIONS,
    *factors.OPERATIONS,
    *unknowns.OPERATIONS,
    *events.OPERATIONS,
    *visits.OPERATIONS,
    *corrections.OPERATIONS,
    *cameras.OPERATIONS,
    *check.OPERATIONS,
    Operation("GET", "/openapi.json", "viewer", "config", "Get the OpenAPI document", openapi_document,
              {200: Media("application/json", {"type": "object"})}),
)  # fmt: skip
"""All operations below PREFIX."""

ROUTES = [Route(f"{PREFIX}{one.path}", one.endpoint(), methods=[one.method]) for one in OPERATIONS]
