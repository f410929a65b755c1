"""The application of a worker: recognise, the OpenAPI document, health and metrics, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from edgeface.config.configuration import Ingress
from edgeface.recognition_service.metrics import metrics
from edgeface.web.api import OPENAPI, openapi, recognise
from edgeface.web.api.recognise import recognised
from edgeface.web.auth.accounts import Accounts
from edgeface.web.auth.guard import AuthService, public
from edgeface.web.http.forwarded import Forwarded
from edgeface.web.http.headers import SafeHeaders
from edgeface.web.http.limits import ConcurrencyLimit, Limits, decoding
from edgeface.web.http.operation import PREFIX, Call, reply
from edgeface.web.http.problems import HANDLERS, ErrorMiddleware, Problem, respond
from edgeface.web.http.throttle import too_soon

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from edgeface.config.configuration import Serve
    from edgeface.recognition_service.context import ServiceContext
    from edgeface.web.auth.accounts import Account

CONCURRENT = 2
"""Requests that a worker handles at once: one picture is decoded, in a separate process, while another is judged."""


def application(context: ServiceContext, settings: Serve) -> Starlette:
    """The application; its `state` has all that its handlers share."""
    app = Starlette(
        routes=[Route(f"{PREFIX}{one.path}", one.endpoint(), methods=[one.method]) for one in OPERATIONS]
        + [
            Route("/metrics", metrics, methods=["GET"]),
            Route("/health/live", live, methods=["GET"]),
            Route("/health/ready", ready, methods=["GET"]),
        ],
        middleware=[
            Middleware(SafeHeaders, secure=settings.tls is not None),
            Middleware(Forwarded, proxies=settings.trusted_proxies),
            Middleware(Counted, context=context),
            Middleware(ErrorMiddleware),
            Middleware(Limits),
            Middleware(Ready, context=context),
        ],
        exception_handlers=HANDLERS,
    )
    data = context.configuration().data
    app.state.context = context
    app.state.auth = AuthService(
        Accounts(data, context.clock),
        context.clock,
        Ingress(),
        on_use=_limit(context, settings.requests_per_minute),
    )
    app.state.decoding = ConcurrencyLimit(CONCURRENT, settings.queue)
    # There are no pages: every error is JSON.
    app.state.problem_page = lambda _, problem: respond(PREFIX, problem)
    return app


async def recognise_here(call: Call) -> Response:
    """Identify the faces in a picture, and count them."""
    context: Any = call.context
    async with decoding(call.request).one():
        found = await run_in_threadpool(recognised, context, call.body)
    for face in found.faces:
        context.counts.saw(face.label)
    return reply(found)


@public
async def live(_: Request) -> Response:
    """Whether the worker answers at all."""
    return JSONResponse({"status": "live"})


@public
async def ready(request: Request) -> Response:
    """Whether the worker can judge a picture now; 503 with the reason if not."""
    problem = request.app.state.context.problem
    return JSONResponse(
        {"status": "ready"} if problem is None else {"status": problem}, 200 if problem is None else 503
    )


def openapi_document(_: Call) -> Response:
    """The OpenAPI document of this service."""
    return JSONResponse(openapi.document(OPERATIONS))


class Ready:
    """Refuses requests to the REST interface while no picture can be judged, before their bodies are read."""

    def __init__(self, app: ASGIApp, context: ServiceContext) -> None:
        self._app, self._context = app, context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if _is_api(scope) and (problem := self._context.problem) is not None:
            headers = {"Retry-After": "1", "Connection": "close"}
            await respond(scope["path"], Problem(503, detail=problem, headers=headers))(scope, receive, send)
            return
        await self._app(scope, receive, send)


class Counted:
    """Counts the answers of the REST interface, and the time of each."""

    def __init__(self, app: ASGIApp, context: ServiceContext) -> None:
        self._app, self._context = app, context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        began = self._context.clock.monotonic()

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._context.counts.answered(message["status"], self._context.clock.monotonic() - began)
            await send(message)

        await self._app(scope, receive, watched if _is_api(scope) else send)


def _is_api(scope: Scope) -> bool:
    return scope["type"] == "http" and str(scope["path"]).startswith(PREFIX)


def _limit(context: ServiceContext, per_minute: int) -> Callable[[Account], None]:
    def limit(account: Account) -> None:
        wait = context.counts.wait(account.hash, context.clock.monotonic(), per_minute)
        if wait > 0:
            raise too_soon(wait, f"more than {per_minute} requests per minute with this token")

    return limit


OPERATIONS = (
    *(replace(one, work=recognise_here, errors=(*one.errors, 429)) for one in recognise.OPERATIONS),
    replace(OPENAPI, work=openapi_document, errors=(*OPENAPI.errors, 429)),
)
"""All operations below PREFIX."""
