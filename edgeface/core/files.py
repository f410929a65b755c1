"""Reads hostile files up to a limit and only regular ones, parses JSON strictly, and writes files atomically."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


LOCK = "lock"
"""Name of the file in the data folder that the running daemon holds."""


def read_at_most(path: Path, most: int) -> bytes:
    """Read a file up to `most` + 1 bytes, so that the caller sees when it is too large.

    Raises OSError if it cannot be read, or is a folder, a device or a pipe.
    """
    with regular(path) as file:
        return file.read(most + 1)


def regular(path: Path) -> BinaryIO:
    """Open a file for reading; raises OSError if it cannot be read, or is a folder, a device or a pipe."""
    # O_NONBLOCK: opening a named pipe would wait for a writer forever.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        raise IsADirectoryError(0, "a folder", str(path)) if stat.S_ISDIR(mode) else OSError(0, "not a file", str(path))
    return os.fdopen(handle, "rb")


def loads_strict(data: bytes) -> object:
    """Parse UTF-8 JSON without repeated keys or NaN; raises ValueError (or a subclass) or RecursionError."""
    return json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_refused)


def loads_object(data: bytes) -> dict[str, Any] | None:
    """Parse a JSON object of a stranger, as `loads_strict`; None for anything else."""
    try:
        found = loads_strict(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def put_whole(path: Path, data: bytes | Iterable[bytes], *, replace: bool = True) -> None:
    """Write a file of mode 0600 completely or not at all, even through a power cut; the folder's owner owns it.

    Of data in parts, only one is in memory at a time.

    Without `replace`, an existing file stays unchanged. Raises OSError if the file cannot be written.
    """
    with _part(path) as (temporary, file):
        own_as_folder(file.fileno(), path.parent)
        _write(file, [data] if isinstance(data, bytes) else data)
        if replace:
            temporary.replace(path)
        else:
            with suppress(FileExistsError):
                path.hardlink_to(temporary)


def stamp(path: Path) -> object:
    """What changes with each write and each replacement of a file; None if there is none."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_ino, seen.st_mtime_ns, seen.st_size


def swap(path: Path, data: bytes, like: Path | None = None) -> None:
    """Replace the content of an existing file completely or not at all, keeping its mode and owner.

    With `like`, the file gets mode and owner of that one, and need not exist. Raises OSError if that is not possible.
    """
    facts = (path if like is None else like).lstat()
    with _part(path) as (temporary, file):
        if (facts.st_uid, facts.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(file.fileno(), facts.st_uid, facts.st_gid)
        os.fchmod(file.fileno(), stat.S_IMODE(facts.st_mode))
        _write(file, [data])
        temporary.replace(path)


@contextmanager
def alone(folder: Path) -> Iterator[int]:
    """Hold an exclusive lock on a folder until the block ends (flock(2)); raises OSError.

    Yields the file descriptor: a process that inherits it holds the lock too, until it ends.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold a lock file until the block ends; raises BlockingIOError if another process holds it, OSError otherwise."""
    # Not through a link: root would give away the file at its end.
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        own_as_folder(handle, path.parent)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def is_held(path: Path) -> bool:
    """Whether a process holds this lock file as `only_one` does (proc_locks(5)); False if there is none."""
    # Trying to take it could make a daemon fail that starts at this moment. The device is left out: some file systems
    # give another one here than to stat.
    try:
        inode = path.stat().st_ino
        locks = [line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
    except OSError:
        return False
    return any("FLOCK" in words and f":{inode} " in f"{' '.join(words)} " for words in locks)


def own_as_folder(handle: int, folder: Path) -> None:
    """Give an open file to its folder's owner, so that root at the command line cannot lock out the daemon's user."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(handle, owner.st_uid, owner.st_gid)


@contextmanager
def _part(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file of mode 0600 in the same folder, which is deleted unless the block renames it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            yield temporary, file
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def _write(file: BinaryIO, parts: Iterable[bytes]) -> None:
    file.writelines(parts)
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk; raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key appears twice")
    return found


def _refused(name: str) -> object:
    raise ValueError(f"{name} is not a number")
