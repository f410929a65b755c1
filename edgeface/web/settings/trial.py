"""Tries a camera: one picture or the reason why there is none, within a bounded time, and one camera at a time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from edgeface.cameras.discovery import take_image
from edgeface.imaging import drawing
from edgeface.imaging.resize import scaled
from edgeface.web.http.problems import Problem
from edgeface.web.texts import settings_strings

if TYPE_CHECKING:
    from collections.abc import Generator

    from edgeface.cameras.base import CameraBase
    from edgeface.core.types import CameraImage, Image
    from edgeface.web.context import WebContext

WIDTH = 960
"""Pictures are scaled down to this width."""
RUNNING_SECONDS = 3.0
"""Seconds within which a camera that the daemon reads gives a picture."""
_POLL = 0.05

MAX_HANGING = 4
"""Cameras that may hang in their drivers at a time: each keeps a thread, which cannot be interrupted."""

_TRYING = threading.Lock()
_hanging: list[threading.Event] = []
"""Set once the thread of a try that was given up has ended; only who holds the lock uses it."""


class _Watched:
    """A camera, and whether it has been closed again."""

    def __init__(self, camera: CameraBase) -> None:
        self._camera = camera
        self.closed = threading.Event()

    def images(self) -> Generator[CameraImage, None, None]:
        try:
            yield from self._camera.images()
        finally:
            self.closed.set()


def picture(context: WebContext, camera: CameraBase) -> bytes:
    """A picture as JPEG; takes cameras.discovery.IMAGE_TIMEOUT seconds at most.

    A device that the daemon has open can only be read by it: then the picture is the daemon's. Raises CameraError,
    and Problem 409 while another camera is being tried.
    """
    if not _TRYING.acquire(blocking=False):
        raise Problem(409, detail=settings_strings.TRY_BUSY)
    try:
        image = _running(context, camera)
        if image is None:
            image = _opened(camera)
    finally:
        _TRYING.release()
    return drawing.jpeg(scaled(image, WIDTH / image.shape[1]) if image.shape[1] > WIDTH else image)


def _opened(camera: CameraBase) -> Image:
    _hanging[:] = [one for one in _hanging if not one.is_set()]
    if len(_hanging) >= MAX_HANGING:
        raise Problem(409, detail=settings_strings.TRY_HANGING)
    watched = _Watched(camera)
    _hanging.append(watched.closed)
    return take_image(watched)


def _running(context: WebContext, camera: CameraBase) -> Image | None:
    """The newest picture of the daemon from the same device; None if it has none open that only it can read."""
    running = context.configuration().face_cameras
    name = next((name for name, one in running.items() if camera.exclusive and camera.same_device(one)), None)
    if name is None:
        return None
    until = context.clock.monotonic() + RUNNING_SECONDS
    with context.hub.watch(name):
        while context.clock.monotonic() < until:
            found = context.hub.latest(name)
            if found is not None:
                return found.frame.image
            context.clock.sleep(_POLL)
    return None
