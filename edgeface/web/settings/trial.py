"""Tries a camera: one picture or the reason why there is none, within a bounded time, and one camera at a time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from edgeface.cameras.discovery import take_image
from edgeface.core.errors import CameraError
from edgeface.imaging import drawing
from edgeface.imaging.resize import scaled
from edgeface.web.texts import settings_strings

if TYPE_CHECKING:
    from edgeface.cameras.base import CameraBase
    from edgeface.core.types import Image
    from edgeface.web.context import WebContext

WIDTH = 960
"""Pictures are scaled down to this width."""
RUNNING_SECONDS = 3.0
"""Seconds within which a camera that the daemon reads gives a picture."""
_POLL = 0.05

_TRYING = threading.Lock()


def picture(context: WebContext, camera: CameraBase) -> bytes:
    """A picture as JPEG; takes cameras.discovery.IMAGE_TIMEOUT seconds at most.

    A device that the daemon has open can only be read by it: then the picture is the daemon's. Raises CameraError.
    """
    if not _TRYING.acquire(blocking=False):
        raise CameraError(settings_strings.TRY_BUSY)
    try:
        image = _running(context, camera)
        if image is None:
            image = take_image(camera)
    finally:
        _TRYING.release()
    return drawing.jpeg(scaled(image, WIDTH / image.shape[1]) if image.shape[1] > WIDTH else image)


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
