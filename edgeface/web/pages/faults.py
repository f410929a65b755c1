"""The device's problems in words, and how to fix them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeface.cameras import advice as camera_advice
from edgeface.core.board import FREE_MB
from edgeface.core.text import counted
from edgeface.mqtt import advice as broker_advice
from edgeface.web.texts import remedies, strings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from edgeface.web.context import WebContext

_QUIET = {"online", "disabled", "starting", "ended", None}
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
    found = [*_cameras(state), *_lines(state), *_broker(context), *_journal(state), *_losses(state), *_board(state)]
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


def camera_remedy(problem: str | None) -> str:
    """How to fix what a camera reports, in the language of the request; None is a camera that delivers no image.

    As the doctor does, unless the problem can only be seen while the camera runs.
    """
    if problem is None:
        return _translated(camera_advice.SILENT, camera_advice.TEXTS, remedies.CAMERA_ADVICE)
    known = camera_advice.advice(problem)
    shown = _translated(known, camera_advice.TEXTS, remedies.CAMERA_ADVICE)
    return remedy(problem, shown) if known == camera_advice.ELSE else shown


def _translated(text: str, english: Mapping[str, str], own: Mapping[str, str]) -> str:
    """A text of `english` in the language of the request: `own` has the same keys."""
    return next((own[key] for key, known in english.items() if known == text), text)


def _cameras(state: Mapping[str, Any]) -> Iterator[DeviceFault]:
    for name, camera in state.get("cameras", {}).items():
        status, problem = camera.get("status"), camera.get("problem")
        if problem:
            yield DeviceFault(remedies.CAMERA.format(camera=name, problem=problem), camera_remedy(problem))
        elif status not in _QUIET:
            shown = strings.STATUSES.get(status, status)
            yield DeviceFault(remedies.STATUS.format(camera=name, status=shown), camera_remedy(None))


def _lines(state: Mapping[str, Any]) -> Iterator[DeviceFault]:
    yield from (DeviceFault(line, remedy(line)) for line in state.get("problems", ()))
    for name, door in state.get("doors", {}).items():
        line = f"door {name}: {door.get('problem')}"
        if door.get("problem") and line not in state.get("problems", ()):
            yield DeviceFault(line, remedy(line))


def _broker(context: WebContext) -> Iterator[DeviceFault]:
    problem, mqtt = (context.hub.state.get("mqtt") or {}).get("problem"), context.configuration().mqtt
    if problem and mqtt is not None:
        advice = broker_advice.advice(problem, mqtt)
        shown = _translated(advice, broker_advice.TEXTS, remedies.BROKER_ADVICE)
        yield DeviceFault(remedies.BROKER.format(problem=problem), shown)


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
