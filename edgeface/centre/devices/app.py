"""The application of the listener for devices: msgpack bodies, each checked, and one answer for each mistake."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response

from edgeface.centre.devices.limits import DeviceLimits, too_many
from edgeface.centre.devices.routes import ROUTES
from edgeface.centre.devices.timed_answers import TimedAnswers
from edgeface.centre.devices.waiting import Waiting
from edgeface.centre.tables.proposals import TooManyError
from edgeface.core.errors import ChangedError, FleetError, GoneError, UnknownError
from edgeface.core.text import printable
from edgeface.fleet.messages import MEDIA_TYPE, Refused
from edgeface.recognition.timings import Histogram
from edgeface.web.http.limits import ConcurrencyLimit, Limits
from edgeface.web.http.problems import HANDLERS, ErrorMiddleware, Problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from edgeface.centre.context import CentreContext

log = logging.getLogger(__name__)

JOINS, WAITING_JOINS = 2, 8
"""Devices that may join at a time, and how many may wait for that: a flood of wrong codes keeps no other device out."""


def application(context: CentreContext) -> Starlette:
    """The application; its `state` has all that its handlers share."""
    answers = Histogram()
    app = Starlette(
        routes=ROUTES,
        middleware=[
            Middleware(TimedAnswers, answers=answers, monotonic=context.clock.monotonic),
            Middleware(ErrorMiddleware),
            Middleware(Limits),
        ],
        exception_handlers={**HANDLERS, FleetError: _on_fleet_error},
        lifespan=_lifespan,
    )
    app.state.context = context
    app.state.answers = answers
    app.state.joining = ConcurrencyLimit(JOINS, WAITING_JOINS)
    app.state.limits = DeviceLimits(context.clock)
    app.state.waiting = Waiting(context.store)
    app.state.problem_page = lambda _, problem: refused(problem)
    return app


def refused(problem: Problem) -> Response:
    """A problem as devices read it."""
    body = Refused(detail=printable(problem.detail or problem.title, 900)).packed()
    return Response(body, problem.status, problem.headers, MEDIA_TYPE)


async def _on_fleet_error(_: Request, error: Exception) -> Response:
    kinds = {ChangedError: HTTPStatus.CONFLICT, GoneError: HTTPStatus.GONE, UnknownError: HTTPStatus.NOT_FOUND}
    if isinstance(error, TooManyError):
        return refused(too_many(str(error)))
    status = next((one for kind, one in kinds.items() if isinstance(error, kind)), None)
    if status is not None:
        return refused(Problem(status, detail=str(error)))
    # Paths and the words of the database are for whoever runs the centre, not for anyone who can connect.
    log.error("a request of a device failed: %s", error)
    return refused(Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail="the centre cannot do this now; its log says why"))


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    async with app.state.waiting.running():
        yield
