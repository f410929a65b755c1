"""How much a request may bring, and how much of that is worked on at a time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import FormData, Headers, MutableHeaders, UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from edgeface.web.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

UPLOAD = 10_000_000
"""Bytes of an upload: an image, or a form with images."""
PLAIN = 64 * 1024
"""Bytes of any other body."""
BODY_SECONDS = 60.0
"""Seconds within which a body must have come."""
HELD = 4 * UPLOAD
"""Bytes of all bodies that are worked on at a time."""
DRAIN_SECONDS = 5.0
"""Seconds for which the rest of a body that is too large is read and thrown away."""
FILES = 10
"""Images of one form."""
FIELDS = 40
FIELD_BYTES = 10_000
DECODING = 2
"""Uploads that are decoded at a time."""
WAITING = 4
"""Uploads that may wait for that."""

_MULTIPART = "multipart/form-data"
_FORM = "application/x-www-form-urlencoded"
_LARGE = (_MULTIPART, "image/", "application/octet-stream")


class Limits:
    """Stops a body that is too large or too slow while it comes, whatever Content-Length says."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(scope, receive, self._hold)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and not body.whole:
                # The server would go on reading what nobody wants.
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        try:
            await self._app(scope, body.receive, answer)
        finally:
            self._held -= body.came
            held: FormData | None = scope.get("state", {}).get("form")
            if held is not None:
                await held.close()

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > HELD:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail="too much at once", headers={"Retry-After": "5"})


class _Body:
    """The body of one request, counted and timed."""

    def __init__(self, scope: Scope, receive: Receive, hold: Callable[[int], None]) -> None:
        headers = Headers(scope=scope)
        self.whole = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
        """All of it has come."""
        self._most = UPLOAD if headers.get("content-type", "").lower().startswith(_LARGE) else PLAIN
        self.came = 0
        """Bytes so far that are kept."""
        self._hold = hold
        self._receive = receive
        self._until = asyncio.get_running_loop().time() + BODY_SECONDS

    async def receive(self) -> Message:
        """Give the next part, as ASGI's receive."""
        if self.whole:
            return await self._receive()
        message = await self._next(self._until)
        size = len(message.get("body", b""))
        self.came += size
        self._hold(size)
        if self.came > self._most:
            # Most browsers show an answer only to those who were heard out.
            until = asyncio.get_running_loop().time() + DRAIN_SECONDS
            with suppress(Problem):
                while not self.whole and message["type"] != "http.disconnect":
                    message = await self._next(until)
            raise too_large(self._most)
        return message

    async def _next(self, until: float) -> Message:
        try:
            message = await asyncio.wait_for(self._receive(), until - asyncio.get_running_loop().time())
        except asyncio.TimeoutError:
            raise Problem(HTTPStatus.REQUEST_TIMEOUT, detail="the upload is too slow") from None
        self.whole = message["type"] == "http.request" and not message.get("more_body", False)
        return message


def too_large(most: int) -> Problem:
    """The problem of a body of more than `most` bytes."""
    size = f"{most // 1_000_000} MB" if most >= UPLOAD else f"{most // 1024} kB"
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Content Too Large", f"at most {size} are taken")


async def form(request: Request) -> FormData:
    """Read the request's form, once; files stay in memory. Problem when it is none, or too much."""
    known: FormData | None = getattr(request.state, "form", None)
    if known is None:
        try:
            known = request.state.form = await _parse(request)
        except MultiPartException as error:
            raise Problem(HTTPStatus.BAD_REQUEST, detail=error.message) from error
        except ClientDisconnect:
            raise Problem(HTTPStatus.BAD_REQUEST, detail="the upload broke off") from None
    return known


async def _parse(request: Request) -> FormData:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == _FORM:
        return await FormParser(request.headers, request.stream()).parse()
    if kind != _MULTIPART:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail=f"send a form: {_FORM} or {_MULTIPART}")
    parser = MultiPartParser(
        request.headers, request.stream(), max_files=FILES, max_fields=FIELDS, max_part_size=FIELD_BYTES
    )
    # A photo that is refused must not have been on a disk.
    parser.spool_max_size = 2 * UPLOAD
    return await parser.parse()


async def files(request: Request, field: str) -> list[bytes]:
    """Give the files of a form's field, each as it came; empty ones, which browsers send for no file, are left out."""
    given = [one for one in (await form(request)).getlist(field) if isinstance(one, UploadFile)]
    return [data for data in [await one.read() for one in given] if data]


async def body(request: Request) -> bytes:
    """Read the whole body, which `Limits` bounds."""
    try:
        return await request.body()
    except ClientDisconnect:
        raise Problem(HTTPStatus.BAD_REQUEST, detail="the upload broke off") from None


class ConcurrencyLimit:
    """Lets a few uploads be decoded at a time, a few more wait, and sends the rest away; one event loop's."""

    def __init__(self, at_a_time: int = DECODING, waiting: int = WAITING) -> None:
        self._free = asyncio.Semaphore(at_a_time)
        self._most = at_a_time + waiting
        self._there = 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Have a slot; Problem 503 when too many wait."""
        if self._there >= self._most:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail="too much at once", headers={"Retry-After": "2"})
        self._there += 1
        try:
            async with self._free:
                yield
        finally:
            self._there -= 1


def decoding(request: Request) -> ConcurrencyLimit:
    """The slots of which one is held while an upload is decoded."""
    slots: ConcurrencyLimit = request.app.state.decoding
    return slots
