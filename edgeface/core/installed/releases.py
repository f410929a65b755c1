"""The way back to an older version: what each version can read, the copies from before an update, and the switch.

`make install` keeps the release before the running one (tools/install/install). A database that a newer version has
changed cannot be read by an older one; a copy from before the change is in the data folder for DAYS, or until the first
erasure, because nothing can be erased from it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from edgeface.core.clock import DAY, rfc3339
from edgeface.core.errors import EdgefaceError
from edgeface.core.files import sync_folder
from edgeface.core.sqlite import BEFORE_UPDATE, reading_only, translated

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DAYS = 30
"""Days that the copies from before an update are kept."""

READS: tuple[tuple[tuple[int, int], Mapping[str, int]], ...] = (
    ((0, 1), {"gallery.db": 2, "journal.db": 2}),
    ((0, 2), {"gallery.db": 7, "journal.db": 3}),
)
"""The newest schema of each database that a version, and each later one, can read; a row for each change."""

_SECONDS = 60
"""How long a release may take to answer."""
_VERSION = re.compile(r"(\d+)\.(\d+)")


class Release(NamedTuple):
    """A release in /opt/edgeface/releases."""

    folder: Path
    version: str


class Obstacle(NamedTuple):
    """A database that the older version cannot read."""

    path: Path
    schema: int
    readable: int
    """The newest schema that the older version reads."""
    copied: float | None
    """When a copy that it can read was made, in wall seconds; None without one."""

    def __str__(self) -> str:
        """What is wrong, without what to do."""
        return f"{self.path.name} has schema {self.schema}, and it reads {self.readable} at most"


def previous(service: Path) -> Release:
    """The release that `make install` kept; raises EdgefaceError if there is none, or it does not start."""
    current = (service / "current").resolve()
    others = sorted(one for one in (service / "releases").glob("*") if one != current and one.is_dir())
    if not others:
        raise EdgefaceError(f"{service}/releases: there is no previous release to go back to")
    folder = others[-1]
    said = ask(folder, "--version")
    if said.returncode or not _VERSION.search(said.stdout):
        raise EdgefaceError(f"{folder}: does not start, so there is no way back to it ({_line(said)})")
    return Release(folder, said.stdout.split()[-1])


def ask(release: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the `edgeface` of a release; if it cannot start or hangs, exit status 1 and the reason as output."""
    command = [str(release / "bin" / "edgeface"), *arguments]
    try:
        return subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, str(error))


def readable(version: str) -> Mapping[str, int]:
    """The newest schemas that a version can read, by file; raises EdgefaceError if it is no version of edgeface."""
    found = _VERSION.match(version)
    number = (int(found.group(1)), int(found.group(2))) if found else (0, 0)
    rows = [schemas for since, schemas in READS if since <= number]
    if not rows:
        raise EdgefaceError(f"{version}: not a version of edgeface; 0.1.0 is the first")
    return rows[-1]


def obstacles(data: Path, version: str) -> list[Obstacle]:
    """The databases that the version cannot read; raises GalleryError if one cannot be read at all."""
    found = []
    for name, newest in readable(version).items():
        path = data / name
        if (schema := _schema(path)) > newest:
            copy = data / BEFORE_UPDATE / name
            usable = 0 < _schema(copy) <= newest
            found.append(Obstacle(path, schema, newest, copy.stat().st_mtime if usable else None))
    return found


def put_back(data: Path, found: list[Obstacle]) -> None:
    """Put the copies from before the update in the place of the databases; no other process may use them."""
    for one in found:
        with translated(one.path):
            for suffix in ("-wal", "-shm"):
                one.path.with_name(one.path.name + suffix).unlink(missing_ok=True)
            (data / BEFORE_UPDATE / one.path.name).replace(one.path)
            sync_folder(data)
    discard(data)


def discard(data: Path) -> None:
    """Delete the copies from before an update; raises GalleryError if they cannot be deleted."""
    folder = data / BEFORE_UPDATE
    if folder.exists():
        with translated(folder):
            shutil.rmtree(folder)


def expire(data: Path, wall: float) -> None:
    """Delete the copies when they are DAYS old; raises GalleryError if they cannot be deleted."""
    with translated(data / BEFORE_UPDATE):
        copies = [path.lstat().st_mtime for path in (data / BEFORE_UPDATE).glob("*")]
    if copies and wall - max(copies) > DAYS * DAY:
        discard(data)


def switch(service: Path, release: Release) -> None:
    """Make a release the running one, by one rename; raises EdgefaceError."""
    link = service / "current.new"
    try:
        link.unlink(missing_ok=True)
        link.symlink_to(release.folder.relative_to(service))
        link.replace(service / "current")
    except OSError as error:
        raise EdgefaceError(
            f"{service}: cannot be changed ({error.strerror}); root can: sudo edgeface rollback"
        ) from error


def day_of(found: list[Obstacle]) -> str | None:
    """The day of the oldest copy, if there is one of every database; None otherwise."""
    days = [one.copied for one in found if one.copied is not None]
    return rfc3339(min(days))[:10] if days and len(days) == len(found) else None


def _schema(path: Path) -> int:
    if not path.exists():
        return 0
    with translated(path), closing(reading_only(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _line(said: subprocess.CompletedProcess[str]) -> str:
    lines = said.stdout.strip().splitlines()
    return lines[-1] if lines else f"exit status {said.returncode}"
