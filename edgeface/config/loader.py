"""Loads config.yaml, or lists all its mistakes by line in one ConfigError; merges a new version into a running one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from edgeface.access.levels import laxer
from edgeface.access.policy import RESERVED, factors_of, listed
from edgeface.config.configuration import Configuration
from edgeface.core import settings_file
from edgeface.core.settings import Settings
from edgeface.core.text import printable_path

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from edgeface.access.policy import AllowRule, Door
    from edgeface.core.settings_file import KeyPath

_Part = TypeVar("_Part", bound=Settings)

_OPTIONAL_SECTIONS = Configuration.model_fields.keys() - {"device", "data", "cameras", "detector"}


def load(path: Path) -> Configuration:
    """Read the file; raises ConfigError with one line per mistake: FILE:LINE: KEY: problem."""
    return parse(settings_file.read(path), printable_path(path))


def parse(data: bytes, name: str) -> Configuration:
    """Check a file's content; `name` begins each line of a ConfigError."""
    return settings_file.parse(Configuration, data, name, optional=_OPTIONAL_SECTIONS, cross_check=_broken_references)


def schema() -> dict[str, Any]:
    """The JSON schema of config.yaml, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Configuration.model_json_schema()}


def data_folder(arguments: argparse.Namespace) -> Path:
    """The folder that a command works in: --data, or the configuration's."""
    folder: Path | None = arguments.data
    return load(arguments.config).data if folder is None else folder


def _broken_references(configuration: Configuration) -> Iterator[tuple[KeyPath, str]]:
    """What the configuration refers to but does not contain: where, and what is wrong."""
    if configuration.device == RESERVED:
        yield ("device",), f"{RESERVED} is taken by the topics of doors; choose another"
    if configuration.doors and configuration.mqtt is None:
        yield ("doors",), "doors are opened over MQTT: add the section mqtt"
    for name, camera in configuration.cameras.items():
        if camera.people is not None and camera.people not in configuration.groups:
            yield ("cameras", name, "people"), f"no such group; there are {listed(configuration.groups)}"
    yield from _broken_readers(configuration)
    for name, door in configuration.doors.items():
        if door.camera not in configuration.cameras:
            yield ("doors", name, "camera"), f"no such camera; there are {listed(configuration.cameras)}"
        for number, rule in enumerate(door.allow):
            for key, problem in _broken_rule(configuration, door, rule):
                yield ("doors", name, "allow", number, key), problem


def _broken_readers(configuration: Configuration) -> Iterator[tuple[KeyPath, str]]:
    for number, name in enumerate(configuration.readers):
        if name not in configuration.doors:
            yield ("readers", number), f"no such door; there are {listed(configuration.doors)}"
    for name, door in configuration.doors.items():
        if "reader" in factors_of(door, *door.allow) and name not in configuration.readers:
            yield ("doors", name, "factor"), "a reader may name a person only at a door that readers lists"


def _broken_rule(configuration: Configuration, door: Door, rule: AllowRule) -> Iterator[tuple[str, str]]:
    """What is wrong with a rule of a door: the key, and the problem."""
    if rule.level is not None and laxer(rule.level, door.level):
        yield "level", f"laxer than the door's level, {door.level}"
    known: dict[str, Mapping[str, object]] = {"group": configuration.groups, "schedule": configuration.schedules}
    for key, defined in known.items():
        wanted = getattr(rule, key)
        if wanted is not None and wanted not in defined:
            yield key, f"no such {key}; there are {listed(defined)}"


def merge(running: Configuration, wanted: Configuration) -> tuple[Configuration, tuple[str, ...]]:
    """The configuration to continue with, and the top-level keys whose other changes need a restart."""
    cameras = {name: _merged(camera, wanted.cameras.get(name, camera)) for name, camera in running.cameras.items()}
    detector = _merged(running.detector, wanted.detector)
    merged = _merged(running, wanted).model_copy(update={"cameras": cameras, "detector": detector})
    return merged, tuple(
        sorted(key for key in type(running).model_fields if getattr(merged, key) != getattr(wanted, key))
    )


def _merged(running: _Part, wanted: Settings) -> _Part:
    """`running` with the keys of `wanted` that need no restart."""
    return running.model_copy(update={key: getattr(wanted, key) for key in running.restartless & wanted.restartless})
