"""Events as they happen: server-sent events (WHATWG HTML, 9.2)."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import Response, StreamingResponse

from edgeface.core.events import plain
from edgeface.web.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from edgeface.web.auth.guard import AuthService
    from edgeface.web.http.operation import Call
    from edgeface.web.hub import LiveHub, Message

MAX_CLIENTS = 20

HEARTBEAT = 15.0
"""Seconds between two heartbeats while no events come."""
CHECK_SECONDS = 1.0
"""Seconds within which a stream ends after its session or token has; before each event it is checked, too."""


async def stream(call: Call) -> Response:
    """Stream all events from now on, after those that were missed since Last-Event-ID, if they are still kept."""
    headers = {"X-Accel-Buffering": "no"}
    lines = _stream(call.request, call.context.hub)
    return _LimitedStream(lines, media_type="text/event-stream", headers=headers)


class _LimitedStream(StreamingResponse):
    """A stream that is refused if MAX_CLIENTS others are open; check and count are one step of the event loop."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream. Raises Problem 503 if there are too many."""
        streams: set[_LimitedStream] = scope["app"].state.streams
        if len(streams) >= MAX_CLIENTS:
            detail = f"too many clients: {MAX_CLIENTS} receive events already"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail=detail, headers={"Retry-After": "30"})
        streams.add(self)
        try:
            await super().__call__(scope, receive, send)
        finally:
            streams.discard(self)


async def _stream(request: Request, hub: LiveHub) -> AsyncIterator[bytes]:
    yield b"retry: 3000\n\n"
    async with aclosing(hub.events()) as events:
        coming = asyncio.ensure_future(anext(events))
        try:
            # The listener is registered once its first wait has begun; only then is it certain what came before.
            await asyncio.sleep(0)
            missed = _missed(hub.recent(), request.headers.get("last-event-id"))
            for message in missed:
                yield _encoded(message)
            sent = {id(message) for message in missed}
            while await _next(request, coming):
                if not coming.done():
                    yield b": still here\n\n"
                    continue
                if id(coming.result()) not in sent:
                    yield _encoded(coming.result())
                coming = asyncio.ensure_future(anext(events))
        finally:
            coming.cancel()
            await asyncio.wait([coming])


async def _next(request: Request, coming: asyncio.Future[Message]) -> bool:
    """Wait for the next message or until a heartbeat is due; False if the stream must end."""
    left = HEARTBEAT
    while left > 0 and not coming.done() and _signed_in(request):
        await asyncio.wait([coming], timeout=min(CHECK_SECONDS, left))
        left -= CHECK_SECONDS
    ended = coming.done() and isinstance(coming.exception(), StopAsyncIteration)
    return not ended and _signed_in(request)


def _signed_in(request: Request) -> bool:
    """Whether the client is still signed in."""
    auth: AuthService = request.app.state.auth
    if "authorization" in request.headers:
        return auth.bearer(request) is not None
    return auth.session(request) is not None


def _missed(recent: list[Message], last: str | None) -> list[Message]:
    """The messages after the one with the id `last`; all of them, after a `dropped`, if that one is no longer kept."""
    if last is None:
        return []
    at = next((n for n, message in enumerate(recent) if message.get("id") == last), None)
    return [{"kind": "dropped", "count": None}, *recent] if at is None else recent[at + 1 :]


def _encoded(message: Message) -> bytes:
    """One event: a line for each field; JSON has no line ends."""
    lines = [f"id: {message['id']}"] if _fits(message.get("id")) else []
    kind = message.get("kind")
    lines += [f"event: {kind}"] if _fits(kind) else []
    data = json.dumps(plain(dict(message)), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return "\n".join([*lines, f"data: {data}", "\n"]).encode()


def _fits(text: object) -> bool:
    return isinstance(text, str) and text.isprintable() and bool(text)
