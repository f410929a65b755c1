"""`edgeface cameras`: what this machine has, what is configured, and a snapshot of each."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface import board, config
from edgeface.annotate import jpeg
from edgeface.cameras import gstreamer, picamera, v4l2
from edgeface.cameras.gstreamer import GstreamerCamera
from edgeface.cameras.opencv import OpencvCamera
from edgeface.cameras.picamera import PicameraCamera
from edgeface.errors import CameraError, UsageError
from edgeface.files import put_whole
from edgeface.listing import say
from edgeface.names import cleaned

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from edgeface.types import Camera, Image

AWAY = 69
"""EX_UNAVAILABLE of sysexits.h, as cli.py has it."""

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


def run_cameras(arguments: argparse.Namespace) -> int:
    """`edgeface cameras`: 0, or 69 when a configured camera gives no picture."""
    folder = _folder(arguments.out)
    configured = _configured(arguments.config)
    found = list(attached())
    say("this machine has:")
    for one in found:
        say(f"  {one.where:<14}{cleaned(one.what)}; {one.hint}")
        if one.camera is not None and one.camera not in _sources(configured):
            say(f"  {'':<14}{_look(one.name, one.camera, folder)[1]}")
    if not found:
        say("  no camera that is plugged in; RTSP and HTTP cameras have to be configured")
    for hint in missing():
        say(f"  {hint}")
    if configured is None:
        return 0
    say(f"{arguments.config} has:")
    good = True
    for name, camera in configured.items():
        well, told = _look(name, camera, folder)
        say(f"  {name:<14}{told}")
        good = good and well
    return 0 if good else AWAY


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


def _sources(configured: Mapping[str, Camera] | None) -> list[Camera]:
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


def _configured(path: Path) -> Mapping[str, Camera] | None:
    """The cameras of the configuration; None when there is no file."""
    return config.load(path).cameras if path.exists() else None


def _folder(out: Path | None) -> Path | None:
    if out is not None:
        try:
            out.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--out: {out} cannot be a folder ({error.strerror})") from error
    return out


def _look(name: str, camera: Camera, folder: Path | None) -> tuple[bool, str]:
    """Whether the camera gives a picture, and a line about it; the picture is written into the folder."""
    try:
        image = picture(camera)
    except CameraError as error:
        return False, str(error)
    height, width = image.shape[:2]
    line = f"{width} x {height}, brightness {image.mean() / 255:.0%}"
    if folder is None:
        return True, line
    file = folder / f"{name}.jpg"
    try:
        put_whole(file, jpeg(image))
    except OSError as error:
        return True, f"{line}, but {file} cannot be written ({error.strerror})"
    return True, f"{line}, in {file}"


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
