"""Finds the cameras that are plugged into this machine, and tests whether a camera delivers an image."""

from __future__ import annotations

import threading
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

from edgeface.cameras import CAMERA_TYPES
from edgeface.core import board
from edgeface.core.errors import CameraError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.cameras.base import AttachedCamera, Camera
    from edgeface.core.types import Image

EXPOSURE_FRAMES = 5
"""Frames until a camera has set its exposure."""

IMAGE_TIMEOUT = 20.0
"""Seconds after which a camera counts as hanging; the longest timeout of the drivers themselves is 10 s."""


def attached() -> Iterator[AttachedCamera]:
    """Find what is plugged in, type by type."""
    for camera_type in CAMERA_TYPES:
        yield from camera_type.attached()


def missing(model: str | None = None) -> Iterator[str]:
    """The types that lack software, with the packages to install; `model` of the board defaults to this one's."""
    model = board.model() if model is None else model
    for camera_type in CAMERA_TYPES:
        try:
            camera_type.require_software(model)
        except CameraError as error:
            yield f"type: {camera_type.model_fields['type'].default} cannot be used: {error}"


def take_image(camera: Camera) -> Image:
    """An image of the camera once its exposure has settled; raises CameraError if there is none or the driver hangs."""
    images: list[Image] = []
    errors: list[CameraError] = []

    def read() -> None:
        try:
            with closing(camera.images()) as source:
                images.extend(one.image for one in islice(source, EXPOSURE_FRAMES))
        except CameraError as error:
            errors.append(error)

    # A read that hangs in its driver cannot be interrupted; a daemon thread does not delay the exit.
    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(IMAGE_TIMEOUT)
    if images:
        return images[-1]
    if errors:
        raise errors[0]
    raise CameraError(f"hangs in its driver for {IMAGE_TIMEOUT:.0f} s" if thread.is_alive() else "delivers no image")
