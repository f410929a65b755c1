"""Limits on request bodies, and on how many are processed at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager, suppress
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import FormData, Headers, MutableHeaders
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser

from edgeface.web.http.clients import source
from edgeface.web.http.problems import Problem, respond

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_UPLOAD_BYTES = 10_000_000
"""Of an image, or of a form with images."""
MAX_BODY_BYTES = 64 * 1024
"""Of any other body."""
MAX_HELD_BYTES = 4 * MAX_UPLOAD_BYTES
"""Of all uploads that are processed at a time."""
MAX_HELD_OF_ADDRESS = 2 * MAX_UPLOAD_BYTES
"""Of the uploads of one address."""
BODY_SECONDS = 60.0
"""Seconds within which an upload must arrive."""
SMALL_BODY_SECONDS = 10.0
"""Seconds within which any other body must arrive."""
DRAIN_SECONDS = 5.0
"""Seconds for which the rest of a body that is too large is read and discarded."""
MAX_FILES = 10
"""Images in one form."""
MAX_FIELDS = 40
MAX_FIELD_BYTES = 10_000

MULTIPART = "multipart/form-data"
FORM = "application/x-www-form-urlencoded"
_LARGE = (MULTIPART, "image/", "application/octet-stream")


class Limits:
    """Stops a body that is too large or too slow while it arrives, whatever its Content-Length."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        held: int = MAX_HELD_BYTES,
        held_of_address: int = MAX_HELD_OF_ADDRESS,
        seconds: float = SMALL_BODY_SECONDS,
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        """`held` are the bytes of all uploads at a time, and `seconds` are those of a body that is no upload."""
        self._app = app
        self._most, self._most_of_address = held, held_of_address
        self._seconds, self._drain_seconds = seconds, drain_seconds
        self._held: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if "content-length" in headers and "transfer-encoding" in headers:
            # A proxy before this server may read the other one, and take a part of the body for a request.
            detail = "Content-Length and Transfer-Encoding exclude each other"
            problem = Problem(HTTPStatus.BAD_REQUEST, detail=detail, headers={"Connection": "close"})
            await respond(scope["path"], problem)(scope, receive, send)
            return
        address = source(scope.get("client"))
        body = _Body(headers, receive, partial(self._hold, address), self._seconds, self._drain_seconds)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and not body.whole:
                # Otherwise the server would read the rest of the body.
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        try:
            await self._app(scope, body.receive, answer)
        finally:
            if body.held:
                self._held[address] -= body.held
                self._held += Counter()
            form: FormData | None = scope.get("state", {}).get("form")
            if form is not None:
                await form.close()

    def _hold(self, address: str, size: int) -> None:
        self._held[address] += size
        if self._held[address] > self._most_of_address or self._held.total() > self._most:
            raise too_many("5")


class _Body:
    """The body of one request, counted and timed."""

    def __init__(
        self, headers: Headers, receive: Receive, hold: Callable[[int], None], seconds: float, drain_seconds: float
    ) -> None:
        self.whole = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
        """All of it has arrived."""
        large = headers.get("content-type", "").lower().startswith(_LARGE)
        self._max = MAX_UPLOAD_BYTES if large else MAX_BODY_BYTES
        self._received = 0
        self.held = 0
        """Bytes of an upload that have arrived and are kept; other bodies are bounded by the number of connections."""
        self._hold = hold if large else None
        self._receive = receive
        self._until = asyncio.get_running_loop().time() + (BODY_SECONDS if large else seconds)
        self._drain_seconds = drain_seconds

    async def receive(self) -> Message:
        """The next part, as ASGI's receive."""
        if self.whole:
            return await self._receive()
        message = await self._next(self._until)
        size = len(message.get("body", b""))
        self._received += size
        if self._hold is not None:
            self.held += size
            self._hold(size)
        if self._received > self._max:
            # Most browsers show an answer only after the whole body was read.
            until = asyncio.get_running_loop().time() + self._drain_seconds
            with suppress(Problem):
                while not self.whole and message["type"] != "http.disconnect":
                    message = await self._next(until)
            raise too_large(self._max)
        return message

    async def _next(self, until: float) -> Message:
        try:
            message = await asyncio.wait_for(self._receive(), until - asyncio.get_running_loop().time())
        except asyncio.TimeoutError:
            raise Problem(HTTPStatus.REQUEST_TIMEOUT, detail="the upload is too slow") from None
        self.whole = message["type"] == "http.request" and not message.get("more_body", False)
        return message


def too_large(limit: int) -> Problem:
    """The problem of a body of more than `limit` bytes."""
    detail = f"at most {limit // 1024} kB are accepted"
    if limit >= MAX_UPLOAD_BYTES:
        detail = f"at most {limit // 1_000_000} MB are accepted at a time: send fewer photos, or smaller ones"
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Content Too Large", detail)


def too_many(seconds: str) -> Problem:
    """The problem of a request beyond a limit, which may be sent again after so many seconds."""
    headers = {"Retry-After": seconds}
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail=f"too many requests: retry in {seconds} s", headers=headers)


async def form(request: Request) -> FormData:
    """Read the request's form, once; files stay in memory. Raises Problem if it is not a form, or too large."""
    known: FormData | None = getattr(request.state, "form", None)
    if known is None:
        try:
            known = request.state.form = await _parse(request)
        except MultiPartException as error:
            raise Problem(HTTPStatus.BAD_REQUEST, detail=error.message) from error
    return known


async def _parse(request: Request) -> FormData:
    kind = media_type(request)
    if kind == FORM:
        return await FormParser(request.headers, request.stream()).parse()
    if kind != MULTIPART:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail=f"send a form: {FORM} or {MULTIPART}")
    parser = MultiPartParser(
        request.headers, request.stream(), max_files=MAX_FILES, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES
    )
    # A photo that is rejected must never reach the disk.
    parser.spool_max_size = 2 * MAX_UPLOAD_BYTES
    return await parser.parse()


def media_type(request: Request) -> str:
    """The body's media type, without parameters, in lower case; empty if the request does not name it."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


class ConcurrencyLimit:
    """Runs a few tasks at a time, lets a few more wait, and rejects the rest; for one event loop."""

    def __init__(self, at_a_time: int, waiting: int) -> None:
        self._free = asyncio.Semaphore(at_a_time)
        self._max = at_a_time + waiting
        self._tasks = 0

    @property
    def tasks(self) -> int:
        """Those that run or wait."""
        return self._tasks

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Hold a slot. Raises Problem 503 if too many tasks wait."""
        if self._tasks >= self._max:
            raise too_many("2")
        self._tasks += 1
        try:
            async with self._free:
                yield
        finally:
            self._tasks -= 1


def decoding(request: Request) -> ConcurrencyLimit:
    """The limit on decoding uploads."""
    limit: ConcurrencyLimit = request.app.state.decoding
    return limit
