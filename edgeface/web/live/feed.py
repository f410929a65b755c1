"""One camera for everybody who looks at it: at most RATE pictures a second, each encoded once, and none for nobody."""

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
    from collections.abc import Iterable

    from edgeface.core.types import Face, FrameResult
    from edgeface.web.site import WebContext

RATE = 5
"""Pictures a second, for all lookers together."""

LEASE = 3.0
"""Seconds after the last request until the camera is no longer looked at."""

STALE = 3.0
"""A picture that was captured more seconds ago is not the camera any more."""

PATIENCE = 1.0
"""Seconds in which a camera that gives pictures has given one."""

WIDTHS = (320, 480, 640, 960, 1280)
"""A picture is made smaller to one of these, so that lookers share it."""

_POLL = 0.02


class Feed:
    """Belongs to the event loop of the web's thread."""

    def __init__(self, site: WebContext, camera: str) -> None:
        self._site, self._camera = site, camera
        # The one before is kept for who has been told of its faces and now asks for its picture.
        self._shots: deque[FrameResult] = deque(maxlen=2)
        self._taken = 0.0
        self._pictures: dict[tuple[int, bool, int | None], asyncio.Task[bytes]] = {}
        self._turn = asyncio.Lock()
        self._looking = ExitStack()
        self._end: asyncio.TimerHandle | None = None

    @property
    def looks(self) -> bool:
        """Whether the camera is looked at."""
        return self._end is not None

    async def shot(self, seq: int | None = None) -> FrameResult:
        """Give the newest outcome, or that of frame `seq` while it is one of the last two; 503 when there is none."""
        self._stay()
        known = next((shot for shot in self._shots if shot.frame.seq == seq), None)
        if known is not None:
            return known
        async with self._turn:
            now = self._site.clock.monotonic()
            if not self._shots or now - self._taken >= 1 / RATE:
                self._keep(await self._newest())
            return self._shots[-1]

    async def picture(self, shot: FrameResult, *, boxes: bool, width: int | None) -> bytes:
        """Give the outcome's frame as JPEG, with its faces drawn or not, no wider than `width`."""
        width = _shared_width(width, shot.frame.image.shape[1])
        key = (shot.frame.seq, boxes, width)
        if key not in self._pictures:
            work = run_in_threadpool(_rendered, shot, boxes=boxes, width=width)
            self._pictures[key] = asyncio.ensure_future(work)
        # Who goes away while it is made does not take it from the others.
        return await asyncio.shield(self._pictures[key])

    def _stay(self) -> None:
        loop = asyncio.get_running_loop()
        if self._end is None:
            self._looking.enter_context(self._site.hub.look(self._camera))
        else:
            self._end.cancel()
        self._end = loop.call_later(LEASE, self.leave)

    def leave(self) -> None:
        """Look no longer, and let go of every picture."""
        if self._end is not None:
            self._end.cancel()
        self._end = None
        self._looking.close()
        self._shots.clear()
        self._pictures.clear()

    async def _newest(self) -> FrameResult:
        for _ in range(round(PATIENCE / _POLL)):
            shot = self._site.hub.latest(self._camera)
            if shot is not None and self._site.clock.monotonic() - shot.frame.monotonic <= STALE:
                return shot
            await asyncio.sleep(_POLL)
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail=self._why(), headers={"Retry-After": "2"})

    def _keep(self, shot: FrameResult) -> None:
        self._taken = self._site.clock.monotonic()
        if not self._shots or self._shots[-1] is not shot:
            self._shots.append(shot)
            kept = {one.frame.seq for one in self._shots}
            self._pictures = {key: task for key, task in self._pictures.items() if key[0] in kept}

    def _why(self) -> str:
        """Why there is no picture, as far as the state knows."""
        said = self._site.hub.state.get("cameras", {}).get(self._camera, {})
        status, problem = said.get("status"), said.get("problem")
        why = f"it is {status}" if status and status != "online" else "nothing has come from it"
        return f"camera {self._camera} gives no picture now: {why}" + (f" ({problem})" if problem else "")


def _shared_width(wanted: int | None, width: int) -> int | None:
    """The narrowest of WIDTHS that is enough; None for the picture as it is."""
    fits = next((one for one in WIDTHS if wanted is not None and one >= wanted), None)
    return fits if fits is not None and fits < width else None


def _rendered(shot: FrameResult, *, boxes: bool, width: int | None) -> bytes:
    """A thread's work; the frame is read-only and stays as it is."""
    image, faces, scale = shot.frame.image, shot.faces, 1.0
    if width is not None:
        scale = width / image.shape[1]
        image = scaled(image, scale)
    return drawing.jpeg(drawing.draw(image, _scaled_boxes(faces, scale)) if boxes else image)


def _scaled_boxes(faces: Iterable[Face], scale: float) -> list[Face]:
    return [replace(face, box=Box(*(side * scale for side in face.box))) for face in faces]
