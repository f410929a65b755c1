"""`edgeface check`: reports every mistake in config.yaml with its line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from edgeface.access.policy import never_open
from edgeface.config import levels
from edgeface.config.loader import load, schema
from edgeface.core.clock import SystemClock
from edgeface.core.errors import EdgefaceError, ModelError
from edgeface.gallery.snapshot import day
from edgeface.recognition.settings import MIN_FPS

if TYPE_CHECKING:
    import argparse

    from edgeface.config.configuration import Configuration


def run_check(arguments: argparse.Namespace) -> int:
    """`edgeface check`: returns 0 if the file has no mistakes, and its embedder a calibration table.

    Raises ConfigError or ModelError otherwise.
    """
    if arguments.schema:
        print(json.dumps(schema(), indent=2))
        return 0
    configuration = load(arguments.config)
    if configuration.web is not None:
        from edgeface.web.auth.accounts import require_account

        require_account(configuration)
    in_force = _levels(configuration)
    cameras = ", ".join(configuration.cameras)
    print(f"{arguments.config}: OK (cameras: {cameras})")
    for name, camera in configuration.cameras.items():
        if camera.fps is not None and camera.fps < MIN_FPS:
            too_low = f"fps {camera.fps:g} is too low to recognise people; use {MIN_FPS:g} or more"
            print(f"{arguments.config}: camera {name}: {too_low}")
    for door, reason in never_open(configuration.access_policy).items():
        print(f"{arguments.config}: door {door}: {reason}")
    for line in in_force:
        print(f"{arguments.config}: {line}")
    return 0


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
