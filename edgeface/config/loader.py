"""Loads config.yaml, or lists all its mistakes by line in one ConfigError; merges a new version into a running one."""

from __future__ import annotations

import base64
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from edgeface.access.levels import laxer
from edgeface.access.policy import EVERYONE, RESERVED, factors_of, listed
from edgeface.config.active_model import in_use
from edgeface.config.configuration import Configuration
from edgeface.core import settings_file
from edgeface.core.errors import ModelError
from edgeface.core.settings import Settings
from edgeface.core.text import folded, printable, printable_path
from edgeface.faces.calibration import table_of
from edgeface.mqtt.settings import is_loopback

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from edgeface.access.policy import AllowRule, Door
    from edgeface.core.mistakes.schema import KeyPath

    Check: TypeAlias = Callable[[Configuration], Iterator[tuple[KeyPath, str]]]

_Part = TypeVar("_Part", bound=Settings)

_OPTIONAL_SECTIONS = Configuration.model_fields.keys() - {"device", "data", "cameras", "detector"}


def load(path: Path, *, files: bool = False, machine: bool = False) -> Configuration:
    """Read the file; raises ConfigError with one line per mistake: FILE:LINE: KEY: problem.

    The embedder is the one that a fleet has changed this device over to, if it has. With `files`, the model files that
    it names are checked as well. Not otherwise: `edgeface models add` must run while they are missing. With `machine`,
    so is what it asks of this machine.
    """
    data, checks = settings_file.read(path), [_broken_references, *([_broken_files] if files else [])]
    if machine:
        from edgeface.config.machine import broken

        checks.append(broken)
    return in_use(_parse(data, printable_path(path), checks))


def parse(data: bytes, name: str) -> Configuration:
    """Check a file's content; `name` begins each line of a ConfigError.

    It may come over the network: no file that it names is opened.
    """
    return _parse(data, name, [_broken_references])


def _parse(data: bytes, name: str, checks: Sequence[Check]) -> Configuration:
    def cross_check(configuration: Configuration) -> Iterator[tuple[KeyPath, str]]:
        return chain.from_iterable(check(configuration) for check in checks)

    return settings_file.parse(Configuration, data, name, optional=_OPTIONAL_SECTIONS, cross_check=cross_check)


def schema() -> dict[str, Any]:
    """The JSON schema of config.yaml, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Configuration.model_json_schema()}


def data_folder(arguments: argparse.Namespace) -> Path:
    """The folder that a command works in: --data, or the configuration's."""
    folder: Path | None = arguments.data
    return load(arguments.config).data if folder is None else folder


def _broken_references(configuration: Configuration) -> Iterator[tuple[KeyPath, str]]:
    """What the configuration refers to but does not contain: where, and what is wrong."""
    if not configuration.cameras and configuration.serve is None:
        yield ("cameras",), "missing; for edgeface serve, which has no cameras, add the section serve"
    if configuration.device == RESERVED:
        yield ("device",), f"{RESERVED} is taken by the topics of doors; choose another"
    if configuration.doors and configuration.mqtt is None:
        yield ("doors",), "doors are opened over MQTT: add the section mqtt"
    yield from _broken_names(configuration)
    yield from _broken_people(configuration)
    yield from _broken_readers(configuration)
    yield from _broken_liveness(configuration)
    yield from _broken_companions(configuration)
    yield from _plaintext_cameras(configuration)
    yield from _broken_notify(configuration)
    yield from _broken_fleet(configuration)
    for name, door in configuration.doors.items():
        if door.camera not in configuration.cameras:
            yield ("doors", name, "camera"), f"no such camera; there are {listed(configuration.cameras)}"
        if door.result_key is not None and (problem := _broken_key(door.result_key)) is not None:
            yield ("doors", name, "result_key"), problem
        for number, rule in enumerate(door.allow):
            for key, problem in _broken_rule(configuration, door, rule):
                yield ("doors", name, "allow", number, key), problem


def _broken_names(configuration: Configuration) -> Iterator[tuple[KeyPath, str]]:
    """The display names that people could not tell from another camera's, or from its id."""
    for name in configuration.camera_names:
        own = folded(configuration.camera_name(name))
        same = [
            one for one in configuration.cameras if one != name and own in {one, folded(configuration.camera_name(one))}
        ]
        if same:
            yield ("cameras", name, "name"), f"camera {same[0]} has this name too; choose another"


def _broken_people(configuration: Configuration) -> Iterator[tuple[KeyPath, str]]:
    """Where a group is named that there is not."""
    groups: dict[str, object] = {**configuration.groups, EVERYONE: ()}
    people = None if configuration.mqtt is None else configuration.mqtt.people
    if people is not None and people not in groups:
        yield ("mqtt", "people"), f"no such group; there are {listed(groups)}"
    for name, camera in configuration.cameras.items():
        # With a fleet, the centre may have the group.
        if camera.people is not None and camera.people not in configuration.groups and configuration.fleet is None:
            yield ("cameras", name, "people"), f"no such group; there are {listed(configuration.groups)}"


def _broken_key(text: str) -> str | None:
    """What is wrong with a door's public key; None if it is one."""
    from edgeface.door.verifier import require_key

    try:
        require_key(base64.b64decode(text))
    except ValueError as error:
        return str(error)
    return None


def _broken_readers(configuration: Configuration) -> Iterator[tuple[KeyPath, str]]:
    for number, name in enumerate(configuration.readers):
        if name not in configuration.doors:
            yield ("readers", number), f"no such door; there are {listed(configuration.doors)}"
    for name, door in configuration.doors.items():
        if "reader" in factors_of(door, *door.allow) and name not in configuration.readers:
            yield ("doors", name, "factor"), "a reader may name a person only at a door that readers lists"


def _broken_notify(configuration: Configuration) -> Iterator[tuple[KeyPath, str]]:
    """What the rules for notifications refer to but the configuration does not contain."""
    notify = configuration.notify
    if notify is None:
        return
    for number, rule in enumerate(notify.rules):
        missing: list[tuple[str, str, Mapping[str, object]]]
        missing = [("cameras", one, configuration.cameras) for one in rule.cameras if one not in configuration.cameras]
        missing += [("doors", one, configuration.doors) for one in rule.doors if one not in configuration.doors]
        for key, name, there in missing:
            yield ("notify", "rules", number, key), f"no {key[:-1]} {name}; there are {listed(there)}"
        if rule.schedule is not None and rule.schedule not in configuration.schedules:
            schedules = listed(configuration.schedules)
            yield ("notify", "rules", number, "schedule"), f"no such schedule; there are {schedules}"
    for name, target in notify.targets.items():
        if target.pictures and configuration.privacy.snapshots == "none":
            yield ("notify", "targets", name, "pictures"), "privacy.snapshots must allow pictures: unknown, or all"


def _broken_fleet(configuration: Configuration) -> Iterator[tuple[KeyPath, str]]:
    """Where a device that has changed over to another model could not go back."""
    models = () if configuration.fleet is None else configuration.fleet.models
    if models and configuration.embedder.model not in (None, *models):
        yield ("fleet", "models"), "must name embedder.model too, so that this device can go back to it"


def _broken_files(configuration: Configuration) -> Iterator[tuple[KeyPath, str]]:
    if configuration.liveness is not None:
        for key, problem in configuration.liveness.problems():
            yield ("liveness", key), problem
    for number, file in enumerate(() if configuration.fleet is None else configuration.fleet.models):
        try:
            table_of(file)
        except ModelError as error:
            yield ("fleet", "models", number), str(error)


def _broken_liveness(configuration: Configuration) -> Iterator[tuple[KeyPath, str]]:
    for name, door in configuration.doors.items():
        if door.liveness == "passive" and configuration.liveness is None:
            yield ("doors", name, "liveness"), "passive needs the section liveness, which names the models"


def _broken_companions(configuration: Configuration) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with the cameras that another sensor serves, and with the doors at them."""
    if configuration.liveness is None:
        return
    for name, companion in configuration.companions.items():
        if name not in configuration.cameras:
            yield ("liveness", "cameras", name), f"no such camera; there are {listed(configuration.cameras)}"
        problem = _broken_companion(configuration, name, companion, configuration.liveness.unit)
        if problem is not None:
            yield ("liveness", "cameras", name, "camera"), problem
    for name, door in configuration.doors.items():
        if door.camera in configuration.companions.values():
            yield ("doors", name, "camera"), f"{door.camera} only serves liveness; no one is recognised there"
        elif door.liveness != "off" and not configuration.liveness.judges(door.camera):
            yield ("doors", name, "liveness"), f"liveness.cameras has no companion for {door.camera}"


def _plaintext_cameras(configuration: Configuration) -> Iterator[tuple[KeyPath, str]]:
    """The cameras that open doors although anyone on their network could replace their pictures."""
    for name, door in configuration.door_cameras.items():
        camera = configuration.cameras.get(name)
        for key, host in () if camera is None else camera.plaintext():
            if not is_loopback(host.strip("[]")):
                problem = (
                    f"plaintext from {printable(host)}, which is another machine, and the camera opens door {door}:"
                    " use rtsps:// or https://, or set insecure: true at this camera"
                )
                yield ("cameras", name, key), problem


def _broken_companion(configuration: Configuration, name: str, companion: str, unit: str | None) -> str | None:
    """Why a camera cannot be the companion of another one."""
    if companion not in configuration.cameras:
        return f"no such camera; there are {listed(configuration.cameras)}"
    if companion == name:
        return "a camera cannot be its own companion"
    if companion in configuration.companions:
        return f"{companion} has a companion itself"
    if configuration.cameras[companion].measures != unit:
        return f"must be a camera of type gray16 with unit: {unit}" if unit else "gray16 takes no infrared pictures"
    return None


def _broken_rule(configuration: Configuration, door: Door, rule: AllowRule) -> Iterator[tuple[str, str]]:
    """What is wrong with a rule of a door: the key, and the problem."""
    if rule.level is not None and laxer(rule.level, door.level):
        yield "level", f"laxer than the door's level, {door.level}"
    if rule.challenge == "factor" and not factors_of(door, rule):
        yield "challenge", "no second factor is required that could replace the head turns: add factor"
    known: dict[str, Mapping[str, object]] = {
        "group": {**configuration.groups, EVERYONE: ()},
        "schedule": configuration.schedules,
    }
    for key, defined in known.items():
        wanted = getattr(rule, key)
        if wanted is not None and wanted not in defined and not (key == "group" and configuration.fleet):
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
