"""Checks the cameras: those configured and those plugged in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.cameras import discovery
from edgeface.core.errors import CameraError
from edgeface.doctor.broker import service_runs
from edgeface.doctor.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.config.configuration import Configuration
    from edgeface.core.types import Camera

_DARK_BRIGHTNESS = 0.06
"""Mean brightness below which an image shows nothing."""


def findings(configuration: Configuration) -> Iterator[Finding]:
    """Take an image with each camera that is switched on."""
    runs = service_runs()
    for name, camera in configuration.cameras.items():
        if not camera.enabled:
            yield Finding("camera", f"{name}: switched off", "note")
        elif runs and camera.exclusive:
            yield Finding("camera", f"{name}: in use by the service; systemctl status edgeface shows its state", "note")
        else:
            yield _test(name, camera)


def plugged_in() -> Iterator[Finding]:
    """The cameras of this machine, configured or not."""
    found = [f"{one.where} {one.what}" for one in discovery.attached()]
    yield Finding("plugged in", ", ".join(found) or "no camera")
    for line in discovery.missing():
        yield Finding("missing", line, "note")


def _test(name: str, camera: Camera) -> Finding:
    try:
        image = discovery.take_image(camera)
    except CameraError as error:
        remedy = "edgeface cameras lists what is plugged in; docs/cameras.md"
        return Finding("camera", f"{name}: {error}", "bad", remedy)
    height, width = image.shape[:2]
    brightness = float(image.mean()) / 255
    text = f"{name}: {width} x {height}, brightness {brightness:.0%}"
    figures = {"width": float(width), "height": float(height), "brightness": brightness}
    if brightness < _DARK_BRIGHTNESS:
        return Finding("camera", text, "note", "in daylight: check the lens", figures)
    return Finding("camera", text, figures=figures)
