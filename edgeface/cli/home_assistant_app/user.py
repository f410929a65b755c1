"""The user that the daemon runs as in the app's container, where the start is root."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import NamedTuple

from edgeface.core.errors import UsageError
from edgeface.core.text import printable


class User(NamedTuple):
    """A user of this system."""

    uid: int
    gid: int
    home: str


def named(name: str | None) -> User | None:
    """The user of this name, None for no name; raises UsageError if there is no such user."""
    if name is None:
        return None
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        raise UsageError(f"--user: there is no user {printable(name)}") from None
    return User(found.pw_uid, found.pw_gid, found.pw_dir)


def own(folder: Path, user: User) -> None:
    """Give a folder and all that is in it to the user; raises OSError.

    A backup that was restored, and a command in the container, may have left files of root.
    """
    for above, _, names in os.walk(folder):
        for path in (Path(above), *(Path(above, name) for name in names)):
            os.chown(path, user.uid, user.gid, follow_symlinks=False)


def become(user: User) -> None:
    """Give up root, and keep the groups that own cameras."""
    os.setgroups(camera_groups())
    os.setgid(user.gid)
    os.setuid(user.uid)
    os.environ["HOME"] = user.home


def camera_groups(devices: Path = Path("/dev")) -> list[int]:
    """The groups that own the /dev/video* of this machine, except root's."""
    return sorted({path.stat().st_gid for path in devices.glob("video*")} - {0})
