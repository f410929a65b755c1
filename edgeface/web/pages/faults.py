"""The device's problems in words, and how to fix them."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeface.cameras import advice as camera_advice
from edgeface.core.board import FREE_MB
from edgeface.core.settings import ID_PATTERN
from edgeface.core.text import counted
from edgeface.mqtt import advice as broker_advice
from edgeface.web.texts import remedies, strings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import ModuleType

    from edgeface.config.configuration import Configuration
    from edgeface.web.context import WebContext

_QUIET = {"online", "disabled", "starting", "ended", None}
_CAMERA = re.compile(rf"\bcamera ({ID_PATTERN})(?=:|$)")
_BYTES = 1_000_000_000


class DeviceFault(NamedTuple):
    """A problem of the device."""

    text: str
    remedy: str
    tone: str = "bad"
    """bad, or warn if faces are still recognised and published."""


class Disk(NamedTuple):
    """Gigabytes of the disk that has the data folder."""

    free: float
    total: float


def faults(context: WebContext) -> list[DeviceFault]:
    """The current problems, worst first: those that stop recognition, then those that stop publishing."""
    state = context.hub.state
    found = [
        *_cameras(context),
        *_lines(context),
        *broker_faults(context),
        *_journal(state),
        *_losses(state),
        *_board(state),
    ]
    disk = disk_of(context.configuration().data)
    if disk is not None and disk.free * 1000 < FREE_MB:
        found.append(DeviceFault(remedies.DISK.format(free=f"{disk.free:.2f}"), remedies.DISK_DO))
    return list(dict.fromkeys(found))


def disk_of(folder: Path) -> Disk | None:
    """The disk that has a folder; None if it cannot be read."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return Disk(usage.free / _BYTES, usage.total / _BYTES)


def remedy(problem: str, otherwise: str | None = None) -> str:
    """How to fix a problem; `otherwise`, or a general advice, if nothing better is known."""
    lower = problem.lower()
    found = next((text for word, text in remedies.REMEDIES.items() if word in lower), otherwise)
    return remedies.REMEDY_ELSE if found is None else found


def _cameras(context: WebContext) -> Iterator[DeviceFault]:
    shown, cameras = context.configuration().camera_name, context.hub.state.get("cameras", {})
    found = (camera_fault(shown(name), camera) for name, camera in cameras.items())
    yield from (one for one in found if one is not None)


def camera_fault(name: str, camera: Mapping[str, Any]) -> DeviceFault | None:
    """The problem of a camera, named as people call it, by its part of the state; None without one."""
    status, problem = camera.get("status"), camera.get("problem")
    if problem:
        return DeviceFault(remedies.CAMERA.format(camera=name, problem=problem), camera_remedy(problem))
    if status in _QUIET:
        return None
    text = remedies.STATUS.format(camera=name, status=strings.STATUSES.get(str(status), status))
    return DeviceFault(text, camera_remedy(None))


def camera_remedy(problem: str | None) -> str:
    """How to fix what a camera reports, in the language of the request; None is a camera that delivers no image.

    As the doctor does, unless the problem can only be seen while the camera runs.
    """
    known = camera_advice.SILENT if problem is None else camera_advice.advice(problem)
    found = _translated(known, camera_advice, remedies.CAMERA_ADVICE)
    return remedy(problem, found) if problem is not None and known == camera_advice.ELSE else found


def _translated(text: str, advice: ModuleType, texts: Mapping[str, str]) -> str:
    """An advice of a module in the language of the request: the texts have it by the name of its constant."""
    return next((texts[name] for name, own in vars(advice).items() if name in texts and own == text), text)


def with_names(line: str, configuration: Configuration) -> str:
    """A line about a camera, such as camera porch: ..., with the display name in place of the id."""
    return _CAMERA.sub(lambda found: f"camera {configuration.camera_name(found[1])}", line)


def _lines(context: WebContext) -> Iterator[DeviceFault]:
    state, configuration = context.hub.state, context.configuration()
    yield from (DeviceFault(with_names(line, configuration), remedy(line)) for line in state.get("problems", ()))
    for name, door in state.get("doors", {}).items():
        line = f"door {name}: {door.get('problem')}"
        if door.get("problem") and line not in state.get("problems", ()):
            yield DeviceFault(line, remedy(line))


def broker_faults(context: WebContext) -> Iterator[DeviceFault]:
    """The problem of the broker, if there is one."""
    problem, mqtt = (context.hub.state.get("mqtt") or {}).get("problem"), context.configuration().mqtt
    if problem and mqtt is not None:
        found = _translated(broker_advice.advice(problem, mqtt), broker_advice, remedies.BROKER_ADVICE)
        yield DeviceFault(remedies.BROKER.format(problem=problem), found)


def _journal(state: Mapping[str, Any]) -> Iterator[DeviceFault]:
    problem = (state.get("journal") or {}).get("problem")
    if problem:
        yield DeviceFault(remedies.JOURNAL.format(problem=problem), remedy(f"journal {problem}"))


def _losses(state: Mapping[str, Any]) -> Iterator[DeviceFault]:
    lost = (state.get("mqtt") or {}).get("lost", 0)
    if lost:
        yield DeviceFault(remedies.LOST.format(rows=counted(lost, *strings.ROW)), remedy("journal"))
    aside = (state.get("journal") or {}).get("set_aside")
    if aside:
        yield DeviceFault(remedies.ASIDE.format(name=aside), remedies.ASIDE_DO, "warn")


def _board(state: Mapping[str, Any]) -> Iterator[DeviceFault]:
    if state.get("throttled"):
        yield DeviceFault(remedies.THROTTLED, remedies.THROTTLED_DO, "warn")
    if state.get("clock") == "unsynced":
        yield DeviceFault(remedies.CLOCK, remedies.CLOCK_DO, "warn")
