"""The device's problems in words, and how to fix them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeface.core.board import FREE_MB
from edgeface.core.text import counted
from edgeface.web import remedies, strings

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
    found = [*_cameras(state), *_lines(state), *_losses(state), *_board(state)]
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


def remedy(problem: str) -> str:
    """How to fix a problem."""
    lower = problem.lower()
    return next((advice for word, advice in remedies.REMEDIES if word in lower), remedies.REMEDY_ELSE)


def _cameras(state: Mapping[str, Any]) -> Iterator[DeviceFault]:
    for name, camera in state.get("cameras", {}).items():
        status, problem = camera.get("status"), camera.get("problem")
        if problem:
            yield DeviceFault(remedies.CAMERA.format(camera=name, problem=problem), remedy(problem))
        elif status not in _QUIET:
            shown = strings.STATUSES.get(status, status)
            yield DeviceFault(remedies.STATUS.format(camera=name, status=shown), remedy("delivers no image"))


def _lines(state: Mapping[str, Any]) -> Iterator[DeviceFault]:
    yield from (DeviceFault(line, remedy(line)) for line in state.get("problems", ()))
    for key, name, text in (
        ("mqtt", "broker", remedies.BROKER),
        ("journal", "journal", remedies.JOURNAL),
    ):
        problem = (state.get(key) or {}).get("problem")
        if problem:
            yield DeviceFault(text.format(problem=problem), remedy(f"{name} {problem}"))
    for name, door in state.get("doors", {}).items():
        line = f"door {name}: {door.get('problem')}"
        if door.get("problem") and line not in state.get("problems", ()):
            yield DeviceFault(line, remedy(line))


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
