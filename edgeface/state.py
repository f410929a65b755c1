"""The state topic's content: what an operator wants to know of the daemon, and of each camera."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeface import __version__, board
from edgeface.clock import synchronised
from edgeface.freshness import DARK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgeface.capture import CaptureState
    from edgeface.vision import Tally


def report(
    *,
    uptime: float,
    cameras: Mapping[str, Mapping[str, Any]],
    models: Mapping[str, str],
    problems: tuple[str, ...],
    key: str,
) -> dict[str, Any]:
    """The daemon as a whole, to which the publisher adds mqtt, journal and doors; docs/events.md names the keys.

    `key` is the custody of the vault's key.
    """
    heat = board.temperature()
    return {
        "version": __version__,
        "uptime": round(uptime),
        "cameras": {name: dict(camera) for name, camera in cameras.items()},
        "temperature": None if heat is None else round(heat, 1),
        "throttled": board.throttled(),
        "clock": "synced" if synchronised() else "unsynced",
        "models": dict(models),
        "key": key,
        "problems": list(problems),
    }


def camera_report(state: CaptureState, tally: Tally, age: float | None, drops: int) -> dict[str, Any]:
    """One camera: what it gives, what was made of it, and what was lost on the way."""
    return {
        "status": state.status,
        "fps": round(state.fps, 1),
        "age": None if age is None else round(age, 2),
        "frames": state.frames,
        "processed": tally.processed,
        "drops": drops,
        "reopens": state.reopens,
        "not_judged": dict(tally.silent),
        "unknown_held_back": tally.held_back,
        "problem": state.error or (DARK if state.dark else None),
    }
