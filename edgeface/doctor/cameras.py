"""What the doctor finds of the cameras: those configured, and those plugged in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.cameras import discovery
from edgeface.cameras.opencv import OpencvCamera
from edgeface.cameras.picamera import PicameraCamera
from edgeface.core.errors import CameraError
from edgeface.doctor.broker import service_runs
from edgeface.doctor.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.config.configuration import Configuration
    from edgeface.core.types import Camera

_DARK = 0.06
"""Mean brightness below which a picture shows nothing."""


def findings(configuration: Configuration) -> Iterator[Finding]:
    """A picture of each camera that is switched on."""
    runs = service_runs()
    for name, camera in configuration.cameras.items():
        if not camera.enabled:
            yield Finding("camera", f"{name}: switched off", "note")
        elif runs and _is_held(camera):
            yield Finding("camera", f"{name}: the service has it; systemctl status edgeface says how it does", "note")
        else:
            yield _look(name, camera)


def plugged_in() -> Iterator[Finding]:
    """What the machine has, whether it is configured or not."""
    found = [f"{one.where} {one.what}" for one in discovery.attached()]
    yield Finding("plugged in", ", ".join(found) or "no camera")
    for line in discovery.missing():
        yield Finding("missing", line, "note")


def _look(name: str, camera: Camera) -> Finding:
    try:
        image = discovery.picture(camera)
    except CameraError as error:
        return Finding("camera", f"{name}: {error}", "bad", "edgeface cameras lists what there is; docs/cameras.md")
    height, width = image.shape[:2]
    brightness = float(image.mean()) / 255
    says = f"{name}: {width} x {height}, brightness {brightness:.0%}"
    figures = {"width": float(width), "height": float(height), "brightness": brightness}
    if brightness < _DARK:
        return Finding("camera", says, "note", "by day: look at the lens", figures)
    return Finding("camera", says, figures=figures)


def _is_held(camera: Camera) -> bool:
    """Whether only one program can have it at a time."""
    if isinstance(camera, OpencvCamera):
        return isinstance(camera.source, int) or camera.source.startswith("/dev/")
    return isinstance(camera, PicameraCamera) or getattr(camera, "preset", None) in {"v4l2", "jetson_csi"}
