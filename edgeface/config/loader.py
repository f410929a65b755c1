"""config.yaml to frozen objects, or one ConfigError that lists every mistake with its line and path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeface.access.policy import RESERVED, listed
from edgeface.config.configuration import Configuration
from edgeface.core.settings_file import checked, content
from edgeface.core.text import printable_path
from edgeface.faces.detectors.tiled_blazeface import Blazeface

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from edgeface.access.policy import FieldPath
    from edgeface.cameras import CameraSettings
    from edgeface.faces.detectors import DetectorSettings


def mistakes(configuration: Configuration) -> Iterator[tuple[FieldPath, str]]:
    """What the configuration refers to and does not have: where, and in words."""
    if configuration.device == RESERVED:
        yield ("device",), f"{RESERVED} is taken by the topics of doors; choose another"
    if configuration.doors and configuration.mqtt is None:
        yield ("doors",), "a door is opened by MQTT: give mqtt, too"
    known: dict[str, Mapping[str, object]] = {"group": configuration.groups, "schedule": configuration.schedules}
    for name, door in configuration.doors.items():
        if door.camera not in configuration.cameras:
            yield ("doors", name, "camera"), f"no such camera; there are {listed(configuration.cameras)}"
        for number, allow in enumerate(door.allow):
            for key, there in known.items():
                wanted = getattr(allow, key)
                if wanted is not None and wanted not in there:
                    yield ("doors", name, "allow", number, key), f"no such {key}; there are {listed(there)}"


_SECTIONS = (
    "embedder",
    "recognition",
    "quality",
    "unknown",
    "mqtt",
    "groups",
    "schedules",
    "doors",
    "privacy",
    "web",
    "log",
)


def load(path: Path) -> Configuration:
    """Read the file; ConfigError has one line a mistake: FILE:LINE: KEY: what is wrong."""
    return parse(content(path), printable_path(path))


def parse(data: bytes, name: str) -> Configuration:
    """Check a file's content; `name` stands before each line of a ConfigError."""
    return checked(Configuration, data, name, sections=_SECTIONS, further=mistakes)


def schema() -> dict[str, Any]:
    """The JSON schema of config.yaml, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Configuration.model_json_schema()}


def data_folder(arguments: argparse.Namespace) -> Path:
    """The folder that a verb works in: --data, else the config's."""
    folder: Path | None = arguments.data
    return load(arguments.config).data if folder is None else folder


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
