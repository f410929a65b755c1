"""Which cameras are attached to this machine."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.cameras import gstreamer, picamera, v4l2
from edgeface.cameras.gstreamer import GstreamerCamera
from edgeface.cameras.opencv import OpencvCamera
from edgeface.cameras.picamera import PicameraCamera
from edgeface.core import board
from edgeface.core.errors import CameraError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from edgeface.core.types import Camera, Image

SETTLE = 5
"""Pictures until a camera has set its exposure."""

PATIENCE = 20.0
"""Seconds after which a camera hangs: the longest timeout that drivers keep by themselves is 10 s."""


@dataclass(frozen=True, slots=True)
class Found:
    """A camera that the machine has."""

    name: str
    """Of its snapshot."""
    where: str
    what: str
    camera: Camera | None
    """None when it cannot be asked for a picture."""
    hint: str
    """What to write into the configuration, or to do first."""


def attached() -> Iterator[Found]:
    """The cameras that are plugged in: USB first, then those of libcamera."""
    for node in v4l2.nodes():
        camera = OpencvCamera(source=node.path) if node.trouble is None and node.type == "opencv" else None
        plain = f"type: {node.type}" + (f", source: {node.path}" if node.type == "opencv" else "")
        yield Found(Path(node.path).name, node.path, node.card, camera, node.trouble or plain)
    try:
        models = picamera.attached()
    except CameraError:
        return
    for number, model in enumerate(models):
        hint = f"type: picamera, number: {number}"
        yield Found(f"pi-camera-{number}", f"Pi camera {number}", model, PicameraCamera(number=number), hint)


def missing(machine: str | None = None) -> Iterator[str]:
    """What is not installed, with the apt packages that bring it; `machine` is board.model() unless told."""
    looks = [("gstreamer", gstreamer.require)]
    if "Raspberry Pi" in (board.model() if machine is None else machine):
        looks.append(("picamera", picamera.require))
    for kind, look in looks:
        try:
            look()
        except CameraError as error:
            yield f"type: {kind} is out of reach: {error}"


def sources(configured: Mapping[str, Camera] | None) -> list[Camera]:
    """The same cameras as `attached` makes them, of those that are configured: they are looked at only once."""
    plain: list[Camera] = []
    for camera in (configured or {}).values():
        if isinstance(camera, OpencvCamera):
            source = camera.source
            plain.append(OpencvCamera(source=f"/dev/video{source}" if isinstance(source, int) else source))
        elif isinstance(camera, GstreamerCamera) and camera.preset == "v4l2":
            plain.append(OpencvCamera(source=camera.device))
        elif isinstance(camera, PicameraCamera):
            plain.append(PicameraCamera(number=camera.number))
    return plain


def picture(camera: Camera) -> Image:
    """The camera's picture, once its exposure has settled; CameraError when there is none, or the driver hangs."""
    seen: list[Image] = []
    failed: list[CameraError] = []

    def look() -> None:
        try:
            with closing(camera.images()) as pictures:
                seen.extend(one.image for one in islice(pictures, SETTLE))
        except CameraError as error:
            failed.append(error)

    # A read that hangs in its driver cannot be interrupted; a daemon thread does not hold up the end.
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if seen:
        return seen[-1]
    if failed:
        raise failed[0]
    raise CameraError(f"hangs in its driver for {PATIENCE:.0f} s" if thread.is_alive() else "gives no picture")
