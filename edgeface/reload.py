"""Which parts of the configuration a running daemon can change, and which need a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.detectors.blazeface import Blazeface

if TYPE_CHECKING:
    from typing import Any

    from edgeface.cameras import CameraSettings
    from edgeface.detectors import DetectorSettings
    from edgeface.settings import Configuration

AT_ONCE = frozenset({"recognition", "quality", "privacy", "log", "groups", "schedules", "doors"})
"""Taken over as a whole. Of a camera its region is, of blazeface its smallest face; the rest opens devices, files or
connections."""


def merge(running: Configuration, wanted: Configuration) -> tuple[Configuration, tuple[str, ...]]:
    """The configuration to go on with, and the keys that differ and need a restart."""
    fields = type(running).model_fields
    update: dict[str, Any] = {key: getattr(wanted, key) for key in fields.keys() & AT_ONCE}
    update["cameras"] = {name: _camera(now, wanted.cameras.get(name, now)) for name, now in running.cameras.items()}
    update["detector"] = _detector(running.detector, wanted.detector)
    merged = running.model_copy(update=update)
    return merged, tuple(sorted(key for key in fields if getattr(merged, key) != getattr(wanted, key)))


def _camera(running: CameraSettings, wanted: CameraSettings) -> CameraSettings:
    return running.model_copy(update={"region": wanted.region}) if running.region != wanted.region else running


def _detector(running: DetectorSettings, wanted: DetectorSettings) -> DetectorSettings:
    if not (isinstance(running, Blazeface) and isinstance(wanted, Blazeface)):
        return running
    return running.model_copy(update={"smallest_face": wanted.smallest_face})
