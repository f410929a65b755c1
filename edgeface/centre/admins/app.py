"""The application of the listener for admins and their programs."""

from __future__ import annotations

import logging
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from edgeface.centre import pages
from edgeface.centre.admins import candidates, events, guard, journal, people, policies, rings, sites
from edgeface.centre.admins.metrics import metrics
from edgeface.centre.admins.rights import RightsFile
from edgeface.centre.pages.render import problem_page
from edgeface.centre.tables.faces import ObjectionError
from edgeface.config.configuration import Ingress
from edgeface.core.errors import ChangedError, FleetError, GoneError, UnknownError
from edgeface.web.api import openapi
from edgeface.web.auth.accounts import Accounts
from edgeface.web.auth.guard import AuthService
from edgeface.web.http.forwarded import Forwarded
from edgeface.web.http.headers import KnownHosts, SafeHeaders
from edgeface.web.http.limits import ConcurrencyLimit, Limits
from edgeface.web.http.operation import PREFIX, Call, Media, Operation
from edgeface.web.http.problems import HANDLERS, ErrorMiddleware, Problem, answer

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from edgeface.centre.context import CentreContext

log = logging.getLogger(__name__)

DECODING, WAITING = 2, 4
"""Enrollments with photos that run at a time, and how many may wait."""
_ABOUT = (
    "People, devices and sites of a fleet. Every request carries `Authorization: Bearer TOKEN`; people sign in with "
    "POST /api/v1/sign-in (name, password, code), and send X-CSRF-Token from GET /api/v1/session with each change."
)


def application(context: CentreContext) -> Starlette:
    """The application; its `state` has all that its handlers share."""
    settings = context.settings
    names = (settings.admins.host, *settings.admins.hosts, *settings.names)
    app = Starlette(
        routes=[
            *(Route(f"{PREFIX}{one.path}", one.endpoint(), methods=[one.method]) for one in OPERATIONS),
            *guard.ROUTES,
            Route("/metrics", metrics, methods=["GET"]),
            *pages.ROUTES,
        ],
        middleware=[
            Middleware(SafeHeaders, secure=True),
            Middleware(Forwarded, proxies=settings.admins.trusted_proxies),
            Middleware(ErrorMiddleware),
            Middleware(KnownHosts, names=names),
            Middleware(Limits),
        ],
        exception_handlers={**HANDLERS, FleetError: _on_fleet_error},
    )
    app.state.context = context
    # The server of the centre replaces these by its own.
    app.state.broker = app.state.housekeeping = app.state.answers = None
    app.state.auth = AuthService(Accounts(settings.data, context.clock), context.clock, Ingress())
    app.state.rights = RightsFile(settings.data, context.clock)
    app.state.failures = guard.FailedSignIns(context.clock)
    app.state.searches = candidates.Rate(settings.search.per_minute, context.clock)
    app.state.decoding = ConcurrencyLimit(DECODING, WAITING)
    app.state.problem_page = problem_page
    return app


async def _on_fleet_error(request: Request, error: Exception) -> Response:
    status = 404 if isinstance(error, UnknownError) else 409 if isinstance(error, (ChangedError, GoneError)) else 503
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        log.error("a request of an admin failed: %s", error)
    options = error.options if isinstance(error, ObjectionError) else ()
    remedy = f" (to do it all the same: {', '.join(f'{one}: true' for one in options)})" if options else ""
    return answer(request, Problem(status, detail=f"{error}{remedy}"))


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document of all operations."""
    return openapi.document(OPERATIONS, "edgeface centre", _ABOUT)


def openapi_document(_: Call) -> Response:
    """Get the OpenAPI document."""
    return JSONResponse(document())


OPERATIONS = (
    *people.OPERATIONS,
    *sites.OPERATIONS,
    *events.OPERATIONS,
    *journal.OPERATIONS,
    *candidates.OPERATIONS,
    *policies.OPERATIONS,
    *rings.OPERATIONS,
    Operation("GET", "/openapi.json", "viewer", "session", "Get the OpenAPI document", openapi_document,
              {200: Media("application/json", {"type": "object"})}),
)  # fmt: skip
"""All operations below PREFIX."""
