"""What is said, as it is said: server-sent events (WHATWG HTML, 9.2)."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import Response, StreamingResponse

from edgeface.core.events import plain
from edgeface.web.auth.guard import viewer
from edgeface.web.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from typing import Any

    from starlette.requests import Request

    from edgeface.web.auth.guard import AuthService
    from edgeface.web.hub import LiveHub
    from edgeface.web.site import WebContext


if TYPE_CHECKING:
    Wire = Mapping[str, Any]

MOST = 20
"""Clients at a time."""

HEARTBEAT = 15.0
"""Seconds between two signs of life when nothing is said, at which the session is looked at, too."""

_RETRY = 3000


@viewer
async def stream(request: Request) -> Response:
    """Everything that is said from now on, and what has been missed since Last-Event-ID as far as it is kept."""
    site: WebContext = request.app.state.site
    if site.hub.listeners >= MOST:
        detail = f"{MOST} clients listen already"
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail=detail, headers={"Retry-After": "30"})
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(_told(request, site.hub), media_type="text/event-stream", headers=headers)


async def _told(request: Request, hub: LiveHub) -> AsyncIterator[bytes]:
    yield f"retry: {_RETRY}\n\n".encode()
    async with aclosing(hub.events()) as events:
        coming = asyncio.ensure_future(anext(events))
        try:
            # The listener is there once its first wait has begun; only then is what came before it known.
            await asyncio.sleep(0)
            # Many may have asked at the same moment.
            if hub.listeners > MOST:
                return
            again = _missed(hub.recent(), request.headers.get("last-event-id"))
            for wire in again:
                yield _spelled(wire)
            told = {id(wire) for wire in again}
            while await _next(request, coming):
                if not coming.done():
                    yield b": still here\n\n"
                    continue
                if id(coming.result()) not in told:
                    yield _spelled(coming.result())
                coming = asyncio.ensure_future(anext(events))
        finally:
            coming.cancel()
            await asyncio.wait([coming])


async def _next(request: Request, coming: asyncio.Future[Wire]) -> bool:
    """Wait for the next one, or for a heartbeat's time; False when this client is to be told no more."""
    await asyncio.wait([coming], timeout=HEARTBEAT)
    ended = coming.done() and isinstance(coming.exception(), StopAsyncIteration)
    return not ended and _may_listen(request)


def _may_listen(request: Request) -> bool:
    """Whether the client that was let in is still signed in."""
    gate: AuthService = request.app.state.gate
    if "authorization" in request.headers:
        return gate.bearer(request) is not None
    session = gate.sessions.holds(request.cookies.get(gate.cookie, ""))
    return session is not None and gate.accounts.holds(session.account)


def _missed(recent: list[Wire], last: str | None) -> list[Wire]:
    """What came after the one that the client has heard last.

    When that is not kept any more: all that is, after a word that there is a gap.
    """
    if last is None:
        return []
    at = next((n for n, wire in enumerate(recent) if wire.get("id") == last), None)
    return [{"kind": "dropped", "count": None}, *recent] if at is None else recent[at + 1 :]


def _spelled(wire: Wire) -> bytes:
    """One event: a line a field, and JSON has no line ends."""
    lines = [f"id: {wire['id']}"] if _fits(wire.get("id")) else []
    kind = wire.get("kind")
    lines += [f"event: {kind}"] if _fits(kind) else []
    data = json.dumps(plain(dict(wire)), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return "\n".join([*lines, f"data: {data}", "\n"]).encode()


def _fits(text: object) -> bool:
    return isinstance(text, str) and text.isprintable() and bool(text)
