"""Enrolls the people whose photos wait in a shared folder, and moves the photos out of it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from edgeface.core.errors import system_reason
from edgeface.core.text import printable, printable_path
from edgeface.imaging import photo_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgeface.cli.home_assistant_app.user import User

_log = logging.getLogger(__name__)

DONE = "-enrolled"
"""The suffix of the folder to which the photos of enrolled people are moved."""


def enroll_waiting(folder: Path, config: Sequence[str], user: User | None) -> None:
    """Enroll everyone in FOLDER/PERSON/PHOTO; `config` names the configuration on the command line.

    Someone whose photos stayed would be enrolled again at the next start, even after they were forgotten: so the
    folder of each enrolled person is moved into FOLDER-enrolled. What is refused stays, with the reason in the log.
    """
    try:
        people = [path for path in photo_files.entries(folder) if path.is_dir()]
    except OSError as error:
        _log.warning("option photos: %s: %s", printable_path(folder), system_reason(error))
        return
    for person in people:
        try:
            _enroll(person, config, user)
        except OSError as error:
            _log.warning("option photos: %s: %s", printable_path(person), system_reason(error))


def _enroll(person: Path, config: Sequence[str], user: User | None) -> None:
    photos = [str(photo) for photo in photo_files.photos_in(person)]
    if not photos:
        return
    name = person.name.replace("_", " ")
    command = [sys.executable, "-m", "edgeface.cli", "enroll", "--skip-bad", *config, "--", name, *photos]
    # Photos are hostile: root does not read them.
    uid, gid, groups = (None, None, None) if user is None else (user.uid, user.gid, ())
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, user=uid, group=gid, extra_groups=groups)
    if done.returncode:
        _log.warning("option photos: %s: no one was enrolled; the photos stay", printable(name))
        return
    _move(person, person.parent.with_name(f"{person.parent.name}{DONE}"))


def _move(person: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    target, number = folder / person.name, 1
    while os.path.lexists(target):
        number += 1
        target = folder / f"{person.name}-{number}"
    person.rename(target)
    _log.info("option photos: %s: enrolled; the photos are now in %s", printable(person.name), printable_path(folder))
