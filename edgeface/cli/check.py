"""`edgeface check`: reports every mistake in config.yaml with its line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from edgeface.access.policy import face_alone, unproven
from edgeface.cameras.advice import LITERAL, LITERAL_DO
from edgeface.config import levels
from edgeface.config.loader import load, schema
from edgeface.core.clock import SystemClock
from edgeface.core.errors import EdgefaceError, ModelError
from edgeface.door import key_list_file
from edgeface.gallery.snapshot import day

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from edgeface.config.configuration import Configuration


def run_check(arguments: argparse.Namespace) -> int:
    """`edgeface check`: returns 0 if the file has no mistakes and all that it needs is installed.

    Raises ConfigError or ModelError otherwise, as for an embedder without a calibration table.
    """
    if arguments.schema:
        print(json.dumps(schema(), indent=2))
        return 0
    configuration = load(arguments.config, files=True, machine=not arguments.file_only)
    if configuration.web is not None:
        from edgeface.web.auth.accounts import require_account

        require_account(configuration)
    in_force = _levels(configuration)
    cameras = ", ".join(configuration.cameras)
    print(f"{arguments.config}: OK ({f'cameras: {cameras}' if cameras else 'recognition service, no cameras'})")
    for line in _camera_hints(configuration):
        print(f"{arguments.config}: camera {line}")
    for door, reason in face_alone(configuration.access_policy).items():
        print(f"{arguments.config}: door {door}: {reason}")
    if (note := unproven(configuration.access_policy)) is not None:
        print(f"{arguments.config}: doors {note}")
    for door, played in configuration.recorded_doors.items():
        print(f"{arguments.config}: door {door}: camera {played} plays a recording, which opens it")
    for name in pictures_leave(configuration):
        print(f"{arguments.config}: notify target {name}: pictures of faces leave this machine")
    for line in (*in_force, *_device_keys(configuration)):
        print(f"{arguments.config}: {line}")
    return 0


def _camera_hints(configuration: Configuration) -> Iterator[str]:
    """What is allowed at the cameras, but not good."""
    for name, camera in configuration.cameras.items():
        yield from (f"{name}: {key}: {LITERAL}; {LITERAL_DO}" for key in camera.keys_with_passwords())


def pictures_leave(configuration: Configuration) -> list[str]:
    """The targets of notifications that get pictures."""
    notify = configuration.notify
    return [] if notify is None else [name for name, one in notify.targets.items() if one.pictures]


def _device_keys(configuration: Configuration) -> list[str]:
    """The list of device keys in the data folder, if there is one."""
    try:
        envelope = key_list_file.read_envelope(configuration.data)
        if envelope is None:
            return []
        return [f"device keys: {key_list_file.summary(key_list_file.claimed(envelope), SystemClock().wall())}"]
    except EdgefaceError as error:
        return [f"device keys: {error}"]


def _levels(configuration: Configuration) -> list[str]:
    """The level in force at each camera and door with the people who are enrolled now."""
    try:
        people = levels.read_people(configuration)
        today = day(SystemClock().wall())
        return [one.line for one in levels.levels_in_force(configuration, levels.enrolled(people, today))]
    except ModelError:
        # The daemon would not start.
        raise
    except (EdgefaceError, OSError) as error:
        return [f"the levels cannot be checked: {error}"]
