"""One copy of the keyring: a SQLite file from which a destroyed key leaves no byte, not even in its journal."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeface.core.errors import FleetError, system_reason
from edgeface.core.sqlite import BUSY_MS, create, reading_only, transaction

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_APPLICATION = 0x45464B52  # "EFKR"
_SCHEMA = 1
_PRAGMAS = (
    # Deleted keys are overwritten with zeros, and the rollback journal stays in its place, so that we can overwrite it
    # too: a write-ahead log, or a journal that is deleted, would leave keys in blocks that no file has any more.
    "PRAGMA journal_mode = PERSIST",
    "PRAGMA secure_delete = ON",
    "PRAGMA synchronous = FULL",
    "PRAGMA temp_store = MEMORY",
)
_TABLES = {
    "keys": "subject BLOB PRIMARY KEY, site TEXT NOT NULL, key BLOB NOT NULL",
    "epochs": "site TEXT, epoch INTEGER, key BLOB NOT NULL, PRIMARY KEY (site, epoch)",
    # Random numbers only. They tell a key that was destroyed from one that another keyring has.
    "destroyed": "subject BLOB PRIMARY KEY",
    # The database has either of these change numbers of a site, or it is not the present one.
    "marks": "site TEXT PRIMARY KEY, before INTEGER NOT NULL, after INTEGER NOT NULL",
}
_CHUNK = 1 << 16


class State(NamedTuple):
    """Which keyring a copy is of, and how many changes it has seen."""

    ring: bytes
    counter: int


class KeyringCopy:
    """One file; the keyring serialises its use."""

    FILE = "keyring.db"

    def __init__(self, folder: Path) -> None:
        self.path = folder / KeyringCopy.FILE
        with _translated(self.path):
            if not self.path.stat().st_size:
                raise FleetError(f"{self.path}: damaged (empty)")
            self.connection = _connected(self.path)
            self._inode = self.path.stat().st_ino
            try:
                self._inspect()
                self.wipe_journal()
            except BaseException:
                self.connection.close()
                raise

    @staticmethod
    def make(folder: Path, ring: bytes) -> None:
        """Make an empty copy; raises FleetError if there is one."""
        path = folder / KeyringCopy.FILE
        with _translated(path):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if path.exists():
                raise FleetError(f"{path}: there is a keyring already")
            create(path)
            connection = _connected(path)
            try:
                with transaction(connection):
                    _create(connection)
                    connection.execute("CREATE TABLE state (ring BLOB NOT NULL, counter INTEGER NOT NULL)")
                    connection.execute("INSERT INTO state VALUES (?, 0)", (ring,))
                    connection.execute(f"PRAGMA application_id = {_APPLICATION}")
                    connection.execute(f"PRAGMA user_version = {_SCHEMA}")
            finally:
                connection.close()

    @property
    def state(self) -> State:
        """As it is in the file now."""
        with _translated(self.path):
            return State(*self.connection.execute("SELECT ring, counter FROM state").fetchone())

    def require_in_place(self) -> None:
        """Raise FleetError if the file is gone or another one has its name: SQLite reads on in the one it opened."""
        with _translated(self.path):
            if self.path.stat().st_ino != self._inode:
                raise FleetError(f"{self.path}: was replaced by another file: start again")

    def state_on_disk(self) -> State:
        """As it is in the file that has its path now: another disk may have been mounted there, or none."""
        with _translated(self.path), closing(reading_only(self.path)) as fresh:
            return State(*fresh.execute("SELECT ring, counter FROM state").fetchone())

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """What a query finds."""
        with _translated(self.path):
            return self.connection.execute(sql, values).fetchall()

    @contextmanager
    def changing(self, counter: int) -> Iterator[sqlite3.Connection]:
        """A transaction that leaves the copy at `counter`; what it deletes is gone from the disk after it."""
        with _translated(self.path):
            with transaction(self.connection):
                yield self.connection
                self.connection.execute("UPDATE state SET counter = ?", (counter,))
            # Not after an error: the journal may then still be needed.
            self.wipe_journal()

    def content(self) -> bytes:
        """A hash of everything in it."""
        found = hashlib.sha256()
        for table in _TABLES:
            for row in self.rows(f"SELECT * FROM {table}"):  # noqa: S608 - our own names
                found.update(repr(row).encode())
        return found.digest()

    def become(self, other: KeyringCopy) -> None:
        """Take over all pages of a copy that is further; the free ones among them are zeros."""
        with _translated(self.path):
            other.connection.backup(self.connection)
            self.wipe_journal()

    def wipe_journal(self) -> None:
        """Overwrite the journal, which holds pages as they were; only under the keyring's lock."""
        journal = self.path.with_name(f"{self.FILE}-journal")
        try:
            handle = os.open(journal, os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            size = os.fstat(handle).st_size
            for start in range(0, size, _CHUNK):
                os.pwrite(handle, bytes(min(_CHUNK, size - start)), start)
            os.fsync(handle)
        finally:
            os.close(handle)

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def _inspect(self) -> None:
        # This first read rolls back what a crash has left half written.
        (application,) = self.connection.execute("PRAGMA application_id").fetchone()
        (schema,) = self.connection.execute("PRAGMA user_version").fetchone()
        if application != _APPLICATION:
            raise FleetError(f"{self.path}: not a keyring of edgeface")
        if schema > _SCHEMA:
            raise FleetError(f"{self.path}: written by a newer edgeface")
        if self.connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("malformed")
        _create(self.connection)


def _create(connection: sqlite3.Connection) -> None:
    for table, columns in _TABLES.items():
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns}) WITHOUT ROWID")


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
    try:
        for pragma in _PRAGMAS:
            connection.execute(pragma).fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        # Locks, full disks and the like are operational errors.
        what = "cannot be used" if isinstance(error, sqlite3.OperationalError) else "damaged"
        raise FleetError(f"{path}: {what} ({error})") from error
    except FileNotFoundError:
        raise FleetError(f"{path}: missing") from None
    except FleetError:
        raise
    except OSError as error:
        raise FleetError(f"{error.filename or path}: {system_reason(error)}") from error
