"""Error answers: RFC 9457 for programs, a plain page for people; never a traceback."""

from __future__ import annotations

import json
import logging
import secrets
import traceback
from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Match

from edgeface.core.errors import CameraError, EdgefaceError, GalleryError, ModelError, VaultError
from edgeface.web.http.base_path import base_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 20
"""Lines in a problem's `errors`."""


class Problem(Exception):  # noqa: N818 - the term of RFC 9457
    """The error that a request fails with; raised anywhere below an endpoint."""

    def __init__(
        self,
        status: int,
        title: str = "",
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """`title` defaults to the status's own; `detail` is one line that a user can act on; `more` adds members."""
        super().__init__(detail or title)
        self.status = status
        self.title = title or HTTPStatus(status).phrase
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = dict(more or {})

    def members(self) -> dict[str, Any]:
        """The problem as a JSON object."""
        fixed: dict[str, Any] = {"type": "about:blank", "title": self.title, "status": self.status}
        return {**self.more, **fixed, **({"detail": self.detail} if self.detail else {})}


def _of(error: EdgefaceError) -> Problem:
    if isinstance(error, (CameraError, ModelError, VaultError)):
        return Problem(503, detail=str(error))
    if isinstance(error, GalleryError):
        return Problem(409, detail=str(error))
    return Problem(422, "Unprocessable Content", str(error))


def for_programs(path: str) -> bool:
    """Whether requests for this path get errors as JSON."""
    return path.startswith(("/api/", "/metrics")) or path == "/api"


def respond(path: str, problem: Problem) -> Response:
    """The answer to a request for `path`, where no session is known; `answer` is for all others."""
    if for_programs(path):
        body = json.dumps(problem.members(), ensure_ascii=False, allow_nan=False).encode()
        return Response(body, problem.status, problem.headers, MEDIA_TYPE)
    return HTMLResponse(_page(problem), problem.status, problem.headers)


def answer(request: Request, problem: Problem) -> Response:
    """The answer to a request: for a page, with the application's own page of errors if it can be made."""
    page = None if for_programs(request.url.path) else getattr(request.app.state, "problem_page", None)
    if page is not None:
        try:
            made: Response = page(request, problem)
        except Exception as error:  # noqa: BLE001 - what failed may be what the page needs, too
            log.error("the page of an error failed: %s", where(error))
        else:
            return made
    return respond(request.url.path, problem)


def _page(problem: Problem) -> str:
    title, detail, base = escape(problem.title), escape(problem.detail), base_path.get()
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title}</title><link rel="stylesheet" href="{base}/static/edgeface.css"></head>'
        f'<body><main><h1>{title}</h1><p>{detail}</p><p><a href="{base}/">Back to the start page</a></p></main></body>'
        "</html>"
    )


async def on_problem(request: Request, error: Exception) -> Response:
    """The answer to any expected error; Starlette calls it."""
    if isinstance(error, EdgefaceError):
        problem = _of(error)
    elif isinstance(error, HTTPException):
        # Starlette's default is the phrase, which is the title already.
        detail = error.detail if error.detail != HTTPStatus(error.status_code).phrase else ""
        problem = Problem(error.status_code, detail=detail, headers=error.headers)
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            problem.headers["Allow"] = ", ".join(sorted(_methods(request)))
    else:
        assert isinstance(error, Problem)  # noqa: S101 - HANDLERS names no other
        problem = error
    return answer(request, problem)


def _methods(request: Request) -> set[str]:
    """The methods of all routes with this path: Starlette gives only those of the first."""
    found = [route for route in request.app.routes if route.matches(request.scope)[0] != Match.NONE]
    return {method for route in found for method in getattr(route, "methods", None) or ()}


HANDLERS: dict[Any, Any] = {Problem: on_problem, HTTPException: on_problem, EdgefaceError: on_problem}


class ErrorMiddleware:
    """Turns an unexpected error into a problem with a number that is also in the log; neither has personal data."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            # There is no client left to answer.
            return
        except Exception as error:  # noqa: BLE001 - this is the last resort
            number = secrets.token_hex(4)
            log.error("request %s %s failed, number %s: %s", scope["method"], _route(scope), number, where(error))
            if started:
                # Half of the answer has been sent: the server can only close the connection.
                return
            detail = f"see the log for number {number}"
            problem = Problem(500, detail=detail, more={"instance": f"urn:edgeface:{number}"})
            made = answer(Request(scope), problem) if "app" in scope else respond(scope["path"], problem)
            await made(scope, receive, send)


def where(error: BaseException) -> str:
    """The class of an error and the lines that raised it, without its text, which may be personal."""
    steps = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-6:]]
    return f"{type(error).__name__} at {' > '.join(steps)}"


def _route(scope: Scope) -> str:
    """The path of the route, without the values of its parameters: they may be personal."""
    route = scope.get("route")
    return str(getattr(route, "path", "?"))
