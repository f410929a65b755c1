"""One camera, shared by all its viewers: at most RATE pictures per second, each encoded once; no viewer, no work."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import ExitStack
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

from edgeface.core.types import Box
from edgeface.imaging import drawing
from edgeface.imaging.resize import scaled
from edgeface.web.http.problems import Problem

if TYPE_CHECKING:
    from edgeface.core.types import FrameResult
    from edgeface.web.context import WebContext

RATE = 5
"""Pictures per second, for all viewers together."""

LEASE = 3.0
"""Seconds after the last request until the feed stops."""

MAX_AGE = 3.0
"""Seconds since its capture after which a picture is no longer current."""

PICTURE_TIMEOUT = 1.0
"""Seconds within which a working camera gives a picture."""

WIDTHS = (320, 480, 640, 960, 1280)
"""Pictures are scaled down to one of these widths, so that viewers share them."""

_POLL = 0.02


class Feed:
    """The newest results of one camera; used by the web's event loop only."""

    def __init__(
        self, context: WebContext, camera: str, *, lease: float = LEASE, timeout: float = PICTURE_TIMEOUT
    ) -> None:
        self._context, self._camera = context, camera
        self._lease, self._timeout = lease, timeout
        # The one before is kept for clients that have its faces and now request its picture.
        self._results: deque[FrameResult] = deque(maxlen=2)
        self._taken = 0.0
        self._pictures: dict[tuple[int, bool, int | None], asyncio.Task[bytes]] = {}
        self._taking = asyncio.Lock()
        self._watching = ExitStack()
        self._end: asyncio.TimerHandle | None = None

    @property
    def active(self) -> bool:
        """Whether the hub keeps the camera's results for this feed."""
        return self._end is not None

    async def newest(self, seq: int | None = None) -> FrameResult:
        """The newest result, or that of frame `seq` if it is one of the last two. Raises Problem 503 without one."""
        self._extend_lease()
        known = next((result for result in self._results if result.frame.seq == seq), None)
        if known is not None:
            return known
        async with self._taking:
            now = self._context.clock.monotonic()
            if not self._results or now - self._taken >= 1 / RATE:
                self._keep(await self._take())
            return self._results[-1]

    async def picture(self, result: FrameResult, *, boxes: bool, width: int | None) -> bytes:
        """The result's frame as JPEG, with boxes around the faces or without, close to `width` if it is wider."""
        width = _shared_width(width, result.frame.image.shape[1])
        key = (result.frame.seq, boxes, width)
        if key not in self._pictures:
            work = run_in_threadpool(_rendered, result, boxes=boxes, width=width)
            self._pictures[key] = asyncio.ensure_future(work)
        # A client that disconnects must not cancel the encoding for the others.
        return await asyncio.shield(self._pictures[key])

    def _extend_lease(self) -> None:
        loop = asyncio.get_running_loop()
        if self._end is None:
            self._watching.enter_context(self._context.hub.watch(self._camera))
        else:
            self._end.cancel()
        self._end = loop.call_later(self._lease, self.close)

    def close(self) -> None:
        """Stop the feed and drop every picture."""
        if self._end is not None:
            self._end.cancel()
        self._end = None
        self._watching.close()
        self._results.clear()
        self._pictures.clear()

    async def _take(self) -> FrameResult:
        for _ in range(round(self._timeout / _POLL)):
            result = self._context.hub.latest(self._camera)
            if result is not None and self._context.clock.monotonic() - result.frame.monotonic <= MAX_AGE:
                return result
            await asyncio.sleep(_POLL)
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail=self._why(), headers={"Retry-After": "2"})

    def _keep(self, result: FrameResult) -> None:
        self._taken = self._context.clock.monotonic()
        if not self._results or self._results[-1] is not result:
            self._results.append(result)
            kept = {one.frame.seq for one in self._results}
            self._pictures = {key: task for key, task in self._pictures.items() if key[0] in kept}

    def _why(self) -> str:
        """Why there is no picture, as far as the state knows."""
        report = self._context.hub.state.get("cameras", {}).get(self._camera, {})
        status, problem = report.get("status"), report.get("problem")
        why = f"it is {status}" if status and status != "online" else "no frame has arrived"
        return f"camera {self._camera} delivers no image now: {why}" + (f" ({problem})" if problem else "")


def _shared_width(wanted: int | None, width: int) -> int | None:
    """The smallest of WIDTHS that is at least `wanted`; None for the full size."""
    fits = next((one for one in WIDTHS if wanted is not None and one >= wanted), None)
    return fits if fits is not None and fits < width else None


def _rendered(result: FrameResult, *, boxes: bool, width: int | None) -> bytes:
    """The JPEG; runs in a worker thread, and leaves the frame as it is."""
    image, scale = result.frame.image, 1.0
    if width is not None:
        scale = width / image.shape[1]
        image = scaled(image, scale)
    if boxes:
        faces = [replace(face, box=Box(*(side * scale for side in face.box))) for face in result.faces]
        image = drawing.draw(image, faces)
    return drawing.jpeg(image)
