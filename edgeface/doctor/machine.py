"""Checks the machine itself: board, temperature, power, versions, clock, models."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from functools import partial
from typing import TYPE_CHECKING

from edgeface import __version__
from edgeface.core import board
from edgeface.core.clock import synchronised
from edgeface.core.errors import EdgefaceError
from edgeface.core.installed.container import engine
from edgeface.core.installed.owner import outside
from edgeface.core.installed.place import repair
from edgeface.core.text import counted
from edgeface.doctor.finding import Finding
from edgeface.faces import covered
from edgeface.faces.tflite import SHIPPED, open_shipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgeface.core.board import Power

THROTTLING_DEGREES = 80.0
"""Degrees Celsius at which a Raspberry Pi starts to slow down (raspberrypi.com, frequency management)."""

_PACKAGES = (
    "numpy",
    "opencv-python-headless",
    "opencv-contrib-python",
    "ai-edge-litert",
    "tflite-runtime",
    "paho-mqtt",
    "pydantic",
    "cryptography",
    "picamera2",
    "mediapipe",
)


def findings() -> Iterator[Finding]:
    """The machine, from its board to its models."""
    yield Finding("edgeface", __version__)
    if (found := engine()) is not None:
        yield _container(found)
    yield Finding("system", f"{board.system()}, Python {platform.python_version()}")
    features = ", ".join(board.cpu_features()) or "CPU features unknown"
    yield Finding("board", f"{board.model()}, {counted(board.cores(), 'core')}; {features}")
    yield from _heat()
    yield from _packages()
    yield _clock()
    yield from _models()


def _container(found: str) -> Finding:
    """Whether the container is as narrow as edgeface allows."""
    user, there = os.geteuid(), outside(os.geteuid(), "uid_map")
    says = f"of {found}; user {user}" + (f", outside {there}" if there != user else "")
    if user == 0 and there == 0:
        return Finding("container", f"{says}: root of the host as well", "note", "run it as the image's user 900")
    if os.access("/", os.W_OK):
        return Finding("container", f"{says}; its root can be written", "note", "run it with --read-only")
    return Finding("container", says)


def _heat() -> Iterator[Finding]:
    degrees, power = board.temperature(), board.power()
    if degrees is not None:
        hot = degrees >= THROTTLING_DEGREES
        remedy = "add a heat sink or a fan, or move it out of the sun" if hot else ""
        yield Finding("heat", f"{degrees:.0f} degrees", "bad" if hot else "ok", remedy, {"degrees": degrees})
    if power is not None:
        yield supply(power)


def supply(power: Power) -> Finding:
    """What the firmware reports about the power supply."""
    weak = "under-voltage" in (*power.now, *power.before)
    remedy = "use the power supply for this board, and a short cable" if weak else "add a heat sink or a fan"
    if power.now:
        return Finding("power", f"now: {', '.join(power.now)}", "bad", remedy)
    if power.before:
        return Finding("power", f"OK now; since the start: {', '.join(power.before)}", "note", remedy)
    return Finding("power", "no under-voltage and no throttling since the start")


def _packages() -> Iterator[Finding]:
    versions = {name: version for name in _PACKAGES if (version := _version(name)) is not None}
    yield Finding("packages", ", ".join(f"{name} {version}" for name, version in versions.items()))
    if {"opencv-python-headless", "opencv-contrib-python"} <= versions.keys() and not _is_headless():
        remedy = repair("--force-reinstall", "--no-deps", "opencv-python-headless")
        text = "two OpenCV packages share one folder, and the one that needs display libraries is used"
        yield Finding("packages", text, "note", remedy)
    if "picamera2" in versions and versions.get("numpy", "").startswith("2.") and platform.python_version() < "3.12":
        remedy = repair("numpy<2")
        yield Finding("packages", "Bookworm's picamera2 is built for numpy 1 and fails with numpy 2", "bad", remedy)


def _is_headless() -> bool:
    """Whether the OpenCV that is used needs no display libraries, as after `make setup-dev`."""
    from edgeface.imaging.opencv import cv2

    return bool(getattr(getattr(cv2, "version", None), "headless", False))


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _clock() -> Finding:
    chip = board.rtc()
    source = (
        f"{chip} keeps it without power" if chip else "no clock chip: after a power cut the time comes from the network"
    )
    if synchronised():
        return Finding("clock", f"synchronised; {source}")
    remedy = "timedatectl set-ntp true; until then door schedules do not open, and times in events may be wrong"
    return Finding("clock", f"not known to be synchronised; {source}", "note", remedy)


def _models() -> Iterator[Finding]:
    good = []
    models: list[tuple[str, str, Callable[[], object]]] = [
        *((shipped.file, shipped.sha256, partial(open_shipped, shipped)) for shipped in SHIPPED),
        (covered.FILE, covered.SHA256, covered.load),
    ]
    for file, sha256, load in models:
        try:
            load()
        except EdgefaceError as error:
            yield Finding("model", str(error), "bad", "install edgeface again")
        else:
            good.append(f"{file} {sha256[:8]}")
    if good:
        yield Finding("models", ", ".join(good))
