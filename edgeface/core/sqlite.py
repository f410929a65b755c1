"""Opens a SQLite file so that it is durable, private, of a known schema, and never overwritten when it is not ours."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

from edgeface.core.errors import GalleryError
from edgeface.core.files import own_as_folder

if TYPE_CHECKING:
    from pathlib import Path

Step = str | Callable[[sqlite3.Connection], None]
"""Statements apart by semicolons, or what does the work inside the transaction that it is given."""
Schema = tuple[Step, ...]
"""What leads from each version to the next; PRAGMA user_version counts the steps."""

BUSY_MS = 5000
"""How long a connection waits for another one's lock."""
_PRAGMAS = (
    f"PRAGMA busy_timeout = {BUSY_MS}",
    # A power cut loses no commit with WAL and FULL, and thousands with NORMAL (docs/decisions).
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    # What is deleted is overwritten with zeros (sqlite.org/pragma.html#pragma_secure_delete).
    "PRAGMA secure_delete = ON",
    # Nothing personal goes to a temporary file.
    "PRAGMA temp_store = MEMORY",
)


def open_database(path: Path, schema: Schema, noun: str) -> sqlite3.Connection:
    """Open or create the file with mode 0600 in a folder of mode 0700, and bring it to the newest schema.

    GalleryError when the folder cannot be written, or the file is corrupt, not SQLite, not a `noun` of edgeface's,
    or from a newer edgeface; the file is then left as it is.
    """
    with translated(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        create(path)
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            _inspect(connection, path, schema, noun)
            for pragma in _PRAGMAS:
                connection.execute(pragma).fetchall()
            _migrate(connection, schema)
        except BaseException:
            connection.close()
            raise
    return connection


def open_copy(path: Path, schema: Schema, noun: str, why: GalleryError) -> sqlite3.Connection:
    """Read a file that cannot be opened for writing into memory, and bring the copy to the newest schema.

    Where there is no file, or an empty one, the copy is empty. `why` is raised when the file cannot be read either,
    and a GalleryError when it is damaged or not ours.
    """
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        with translated(path):
            if path.exists() and path.stat().st_size:
                _read_into(connection, path, why)
            _inspect(connection, path, schema, noun)
            connection.execute("PRAGMA foreign_keys = ON")
            _migrate(connection, schema)
    except BaseException:
        connection.close()
        raise
    return connection


def _read_into(connection: sqlite3.Connection, path: Path, why: GalleryError) -> None:
    log = path.with_name(f"{path.name}-wal")
    # Without its shared memory, which is a file too, SQLite reads only what it may take for unchanging; with a log
    # beside it the file alone is not whole.
    ways = ["mode=ro"] if log.exists() and log.stat().st_size else ["mode=ro", "mode=ro&immutable=1"]
    for way in ways:
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(_uri(path, way), uri=True)) as source:
            source.backup(connection)
            return
    raise why


def _uri(path: Path, way: str) -> str:
    return f"file:{quote(str(path.absolute()))}?{way}"


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system raise into a GalleryError of one line."""
    try:
        yield
    except sqlite3.Error as error:
        raise GalleryError(f"{path}: {_explained(error)}") from error
    except OSError as error:
        raise GalleryError(f"{error.filename or path}: {error.strerror or error}") from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what is written inside, or none of it; joins a transaction that is open."""
    joined = connection.in_transaction
    if joined:
        yield
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        # SQLite may have rolled back by itself, on a full disk for one.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def erase(connection: sqlite3.Connection, path: Path) -> None:
    """Leave no byte of deleted rows in the file or its log; GalleryError when another process holds the log open."""
    with translated(path):
        connection.execute("VACUUM")
        busy = int(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
    if busy:
        raise GalleryError(f"{path}: deleted rows: traces stay in the log while another program reads it; try again")


def create(path: Path) -> None:
    """Make an empty file with mode 0600, owned like its folder, unless it is there; OSError when it cannot be."""
    with suppress(FileExistsError):
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            own_as_folder(handle, path.parent)
        finally:
            os.close(handle)
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)


def _inspect(connection: sqlite3.Connection, path: Path, schema: Schema, noun: str) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    if version == 0 and tables:
        raise GalleryError(f"{path}: a database, but not edgeface's {noun}")
    if version > len(schema):
        raise GalleryError(f"{path}: written by a newer edgeface (schema {version}, this one knows {len(schema)})")
    if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise GalleryError(f"{path}: the {noun} is damaged; put a backup in its place")


def _migrate(connection: sqlite3.Connection, schema: Schema) -> None:
    with transaction(connection):
        # Read again under the lock: another process may have done the work meanwhile.
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        for step in schema[version:]:
            for work in [step] if callable(step) else step.split(";"):
                work(connection) if callable(work) else connection.execute(work)
        if version < len(schema):
            connection.execute(f"PRAGMA user_version = {len(schema)}")


def _explained(error: sqlite3.Error) -> str:
    text = str(error)
    if "readonly" in text or "unable to open" in text:
        return f"cannot be written ({text})"
    if "not a database" in text or "malformed" in text:
        return f"not a database, or damaged ({text}); put a backup in its place"
    if "disk I/O" in text or "is full" in text:
        # Without room for the shared memory of its log SQLite speaks of input and output.
        return f"cannot be written ({text}): is the disk full?"
    return text
