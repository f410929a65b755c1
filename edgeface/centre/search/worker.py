"""A worker of the search: edgeface/workers/worker.py on a Unix socket, whose folder decides who may ask.

It has templates with random numbers of people, in memory that is in no file: no name, no key and no connection to the
database.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import sys
import threading
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edgeface.centre.search.index import Index
from edgeface.centre.search.messages import PATH, STATE_PATH, Answer, Nearest, Question, State
from edgeface.core.clock import SystemClock
from edgeface.core.console import complain
from edgeface.core.errors import EdgefaceError
from edgeface.core.log import Log, set_up
from edgeface.core.settings import Settings
from edgeface.gallery.snapshot import day
from edgeface.security.process import leave_no_core
from edgeface.web.auth.guard import public
from edgeface.web.http.bodies import json_body
from edgeface.web.http.limits import ConcurrencyLimit, Limits, decoding
from edgeface.web.http.problems import HANDLERS, ErrorMiddleware, Problem, respond
from edgeface.workers.channel import CONFIGURATION
from edgeface.workers.shared_counts import SharedCounts
from edgeface.workers.worker import Serving, Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from edgeface.centre.search.index import Found
    from edgeface.core.clock import Clock
    from edgeface.core.types import Embedding

STALE_SECONDS = 10.0
"""Seconds since the last confirmation after which no one is found: someone may have been forgotten."""
STOP_SECONDS = 5.0
"""Seconds to finish the searches in progress."""
WAITING = 32
"""Searches that may wait in a worker for the one that runs."""
_TRIES, _PAUSE = 40, 0.05
"""How often a search is repeated while the rows change, and the seconds between."""


class Handover(Settings):
    """One JSON object on the worker's standard input."""

    replacement: bool
    """Others are serving: listen only when ready."""
    model: str
    """The embedder whose templates are searched."""
    log: Log


class SearchContext:
    """The context of every request; any thread may use it."""

    def __init__(self, model: str, clock: Clock, counts: SharedCounts) -> None:
        self.model, self.clock, self.counts = model, clock, counts
        self.stopping = False
        self._lock = threading.Lock()
        self._index: Index | None = None
        self._confirmed = 0.0

    @property
    def problem(self) -> str | None:
        """Why no one can be found now, in one line."""
        if self.stopping:
            return "the search is stopping"
        if self._index is None:
            return "the templates are being read"
        if self.clock.monotonic() - self._confirmed > STALE_SECONDS:
            return "the people cannot be followed: see the log of edgeface centre search"
        return None

    def use(self, handle: int) -> None:
        """Search in this memory from now on."""
        found = Index.mapped(handle)
        with self._lock:
            self._index = found

    def confirm(self) -> None:
        """The templates are still those of the database."""
        self._confirmed = self.clock.monotonic()

    def warm(self) -> None:
        """Nothing takes long here."""

    def search(self, probe: Embedding, most: int, sites: Sequence[str] | None) -> list[Found]:
        """The nearest people of these sites. Raises Problem 503 unless they are known to be current, 409 for a size."""
        for _ in range(_TRIES):
            with self._lock:
                index = self._index
                if index is None or self.problem is not None:
                    break
                if probe.size != index.size:
                    raise Problem(409, detail=f"an embedding has {index.size} numbers here, not {probe.size}")
                found = index.best(probe, most, sites, self._today())
            # Who was forgotten while we searched is not in it: then the rows have changed.
            if found is not None and self.problem is None:
                return found
            self.clock.sleep(_PAUSE)
        raise Problem(503, detail=self.problem or "the people change too fast", headers={"Retry-After": "1"})

    def _today(self) -> int:
        return dt.date.fromisoformat(day(self.clock.wall())).toordinal()


def application(context: SearchContext) -> Starlette:
    """The application of a worker."""
    app = Starlette(
        routes=[Route(PATH, search, methods=["POST"]), Route(STATE_PATH, state, methods=["GET"])],
        middleware=[Middleware(ErrorMiddleware), Middleware(Limits)],
        exception_handlers=HANDLERS,
    )
    app.state.context = context
    # One worker is one core: searches that run at the same time would only share its memory bandwidth.
    app.state.decoding = ConcurrencyLimit(1, WAITING)
    app.state.problem_page = lambda _, problem: respond("/api/v1", problem)
    return app


@public
async def search(request: Request) -> Response:
    """Name the candidates for a face."""
    context: SearchContext = request.app.state.context
    question: Question = await json_body(Question).read(request)
    if question.model != context.model:
        raise Problem(409, detail=f"templates of {context.model} are searched, not those of another model")
    try:
        probe = question.vector()
    except ValueError as error:
        raise Problem(422, detail=str(error)) from None
    began = context.clock.monotonic()
    async with decoding(request).one():
        found = await run_in_threadpool(context.search, probe, question.most, question.sites)
    context.counts.answered(200, context.clock.monotonic() - began)
    answer = Answer(candidates=[Nearest(site=one.site, person=one.person.hex(), score=one.score) for one in found])
    return Response(answer.model_dump_json(), media_type="application/json")


@public
async def state(request: Request) -> Response:
    """What the workers do; 503 with the reason if this one cannot answer."""
    context: SearchContext = request.app.state.context
    if context.problem is not None:
        raise Problem(503, detail=context.problem)
    counts = context.counts
    names = {"people": "people", "ready": "workers_ready", "restarts": "restarts", "answers": "status 200"}
    found = State(**{key: int(counts.get(name)) for key, name in names.items()}, seconds=counts.get("seconds"))
    return JSONResponse(found.model_dump())


def main(arguments: Sequence[str]) -> int:
    """Serve; returns the exit status."""
    number, channel, counts, *listeners = map(int, arguments)
    leave_no_core()
    given = Handover.model_validate_json(sys.stdin.buffer.read())
    set_up(given.log)
    try:
        asyncio.run(_serve(given, SharedCounts(counts, number), channel, listeners))
    except EdgefaceError as error:
        complain(f"worker {number}: {error}")
        return CONFIGURATION
    return 0


async def _serve(given: Handover, counts: SharedCounts, channel: int, listeners: Sequence[int]) -> None:
    context = SearchContext(given.model, SystemClock(), counts)
    serving = Serving(
        application=lambda: application(context),
        tls=lambda: None,
        proxies=(),
        stop_seconds=STOP_SECONDS,
        replacement=given.replacement,
    )
    await Worker(context, serving, socket.socket(fileno=channel)).serve([socket.socket(fileno=n) for n in listeners])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
