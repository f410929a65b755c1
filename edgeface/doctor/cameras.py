"""Checks the cameras: those configured and those plugged in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.cameras import discovery
from edgeface.cameras.advice import LITERAL, LITERAL_DO, advice
from edgeface.config.parts import lacking
from edgeface.core.errors import CameraError, ModelError
from edgeface.doctor.broker import service_runs
from edgeface.doctor.finding import Finding
from edgeface.faces.orientation import turn_needed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.cameras.base import CameraBase
    from edgeface.config.configuration import Configuration
    from edgeface.core.types import Image
    from edgeface.faces.analyzer import FaceAnalyzer

_DARK_BRIGHTNESS = 0.06
"""Mean brightness below which an image shows nothing."""

_TURNED = {
    90: "people lie with their heads to the left",
    180: "people are upside down",
    270: "people lie with their heads to the right",
}
"""How people are seen in an image, by the degrees clockwise that make them upright."""


def findings(configuration: Configuration) -> Iterator[Finding]:
    """Take an image with each camera that is switched on."""
    runs, analyzer = service_runs(configuration), open_analyzer(configuration)
    lacks = lacking(configuration, "cameras")
    for name, camera in configuration.cameras.items():
        if not camera.enabled:
            yield Finding("camera", f"{name}: switched off", "note")
        elif runs and camera.exclusive:
            yield Finding("camera", f"{name}: in use by the service; systemctl status edgeface shows its state", "note")
        elif (reason := camera.why_no_password()) is not None:
            yield Finding("camera", f"{name}: not tested: {reason}; systemctl status edgeface shows its state", "note")
        elif name not in lacks:  # those that lack software are reported with the missing parts
            yield _test(name, camera, analyzer)
        if camera.keys_with_passwords():
            yield Finding("camera", f"{name}: {LITERAL}", "note", LITERAL_DO)
    for door, name in configuration.recorded_doors.items():
        text = f"{name}: plays a recording, which opens door {door}"
        yield Finding("camera", text, "note", "for a demo or a test only; docs/cameras.md")


def plugged_in() -> Iterator[Finding]:
    """The cameras of this machine, configured or not."""
    found = [f"{one.where} {one.what}" for one in discovery.attached()]
    yield Finding("plugged in", ", ".join(found) or "no camera")
    for line in discovery.missing():
        yield Finding("missing", line, "note")


def open_analyzer(configuration: Configuration) -> FaceAnalyzer | None:
    """The models that find faces; None if they cannot be used, which the check of their speed reports."""
    try:
        return configuration.open_analyzer()
    except ModelError:
        return None


def wrong_way_up(camera: CameraBase, image: Image, analyzer: FaceAnalyzer) -> tuple[str, str] | None:
    """How the people in an image of the camera are turned, and the setting that makes them upright.

    None if they are upright, or no face is visible.
    """
    turn = turn_needed(analyzer, image)
    return (_TURNED[turn], f"rotation: {camera.turned(turn)}") if turn else None


def _test(name: str, camera: CameraBase, analyzer: FaceAnalyzer | None) -> Finding:
    try:
        image = discovery.take_image(camera)
    except CameraError as error:
        return Finding("camera", f"{name}: {error}", "bad", advice(str(error)))
    height, width = image.shape[:2]
    brightness = float(image.mean()) / 255
    text = f"{name}: {width} x {height}, brightness {brightness:.0%}"
    figures = {"width": float(width), "height": float(height), "brightness": brightness}
    if brightness < _DARK_BRIGHTNESS:
        return Finding("camera", text, "note", "in daylight: check the lens", figures)
    turned = None if analyzer is None else wrong_way_up(camera, image, analyzer)
    if turned is not None:
        return Finding("camera", f"{text}; {turned[0]}", "bad", f"set {turned[1]} for {name} in config.yaml", figures)
    return Finding("camera", text, figures=figures)
