"""The audit trail and the outbox: SQLite, WAL, synchronous=FULL."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from edgeface import store
from edgeface.clock import rfc3339
from edgeface.events import event_id, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

VERSION = 1
"""PRAGMA user_version of the file."""

CAP = 100_000
"""Rows kept by default: what door terminals keep; about 60 MB."""

_DAY = 86_400.0
_TRAFFIC_DAYS = 30

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS rows (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    at REAL NOT NULL,
    payload TEXT NOT NULL,
    said INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS unsaid ON rows (seq) WHERE said = 0;
PRAGMA user_version = {VERSION};
"""


@dataclass(frozen=True, slots=True)
class Row:
    """Something that happened."""

    id: str
    kind: str
    """An event type, or enrolled, renamed, deleted."""
    at: float
    """Wall seconds."""
    payload: str
    """A JSON object in one line."""


def audit(row: Row, device: str, wall: float) -> str:
    """The row as the audit topic has it: an event with `late` true, or what a person did to the gallery."""
    facts = json.loads(row.payload)
    if "event_type" not in facts:
        facts = {"v": 1, "event_type": row.kind, "id": row.id, "device": device, "at": rfc3339(row.at), **facts}
        return to_json({**facts, "sent_at": rfc3339(wall), "late": False})
    return to_json({**facts, "sent_at": rfc3339(wall), "late": True})


class Journal:
    """Rows that survive a power cut once the call that wrote them has returned True.

    Any thread may call it: one lock stands before one connection; other processes may have the same file
    open. No method raises for the disk's sake: what goes wrong is in `problem` and counted in `failures`,
    and the next call tries again. `cap` bounds the rows: the oldest said ones go first.
    """

    def __init__(self, path: Path, *, cap: int = CAP) -> None:
        self._path = path
        self._cap = cap
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self.problem: str | None = None
        """What is wrong with the disk or the file, in one line; None when all is well."""
        self.failures = 0
        """Calls that failed."""
        self.dropped = 0
        """Unsaid rows given up for the cap's sake."""
        self.set_aside: str | None = None
        """Name of the corrupt file that was put aside when this journal was opened."""
        self.unsaid_count()

    def append(self, row: Row, *, said: bool = False) -> bool:
        """Write one row; True when it is on the disk. A row whose id is there already changes nothing."""
        return self.write([row], said=[row.id] if said else [])

    def note(self, kind: str, at: float, facts: Mapping[str, Any]) -> bool:
        """Write what a person did (enrolled, renamed, deleted): a running daemon says it on the audit topic."""
        return self.append(Row(event_id(at, uuid.uuid4().hex, 0), kind, at, to_json(dict(facts))))

    def write(self, rows: Iterable[Row], said: Iterable[str]) -> bool:
        """Write `rows` as unsaid, then mark the ids `said`, in one durable step; True when it is on the disk."""
        values = [(row.id, row.kind, row.at, row.payload) for row in rows]
        marks = [(id_,) for id_ in said]

        def work(connection: sqlite3.Connection) -> bool:
            connection.executemany("INSERT OR IGNORE INTO rows (id, kind, at, payload) VALUES (?, ?, ?, ?)", values)
            connection.executemany("UPDATE rows SET said = 1 WHERE id = ?", marks)
            self._prune(connection)
            return True

        return self._attempt(work, otherwise=False)

    def unsaid(self, limit: int) -> list[Row]:
        """Give the oldest rows that nobody has acknowledged, in the order in which they were written."""

        def work(connection: sqlite3.Connection) -> list[Row]:
            query = "SELECT id, kind, at, payload FROM rows WHERE said = 0 ORDER BY seq LIMIT ?"
            return [Row(*row) for row in connection.execute(query, (limit,))]

        return self._attempt(work, otherwise=[])

    def unsaid_count(self) -> int:
        """How many rows nobody has acknowledged; 0 when the file cannot be read."""

        def work(connection: sqlite3.Connection) -> int:
            return int(connection.execute("SELECT count(*) FROM rows WHERE said = 0").fetchone()[0])

        return self._attempt(work, otherwise=0)

    def counts(self) -> tuple[int, int]:
        """Rows, and those of them that are unsaid; zeros when the file cannot be read. It reads the whole file."""

        def work(connection: sqlite3.Connection) -> tuple[int, int]:
            rows = connection.execute("SELECT count(*), (SELECT count(*) FROM rows WHERE said = 0) FROM rows")
            total, unsaid = rows.fetchone()
            return int(total), int(unsaid)

        return self._attempt(work, otherwise=(0, 0))

    def facts(self) -> dict[str, Any]:
        """What the state topic says of it; docs/events.md names the keys."""
        return {"problem": self.problem, "failures": self.failures, "set_aside": self.set_aside}

    def strangers_a_day(self, wall: float) -> float | None:
        """Unknown and uncertain events a day, over the last 30 days or since the first row; None within a day of it."""

        def work(connection: sqlite3.Connection) -> float | None:
            (first,) = connection.execute("SELECT min(at) FROM rows").fetchone()
            since = max(first if first is not None else wall, wall - _TRAFFIC_DAYS * _DAY)
            query = "SELECT count(*) FROM rows WHERE kind IN ('unknown', 'uncertain') AND at >= ?"
            (count,) = connection.execute(query, (since,)).fetchone()
            return count * _DAY / (wall - since) if wall - since >= _DAY else None

        return self._attempt(work, otherwise=None)

    def close(self) -> None:
        """Close the file; every later call fails."""
        with self._lock:
            self._closed = True
            self._shut()

    def _attempt(self, work: Callable[[sqlite3.Connection], _T], otherwise: _T) -> _T:
        with self._lock:
            try:
                connection = self._open()
                with connection:
                    result = work(connection)
            except (sqlite3.Error, OSError) as error:
                self._failed(error)
                return otherwise
            if self.problem is not None:
                _log.info("the journal works again")
                self.problem = None
            return result

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        self._shut()
        # SQLITE_CORRUPT and SQLITE_NOTADB are the ones that Python raises as plain DatabaseError.
        if type(error) is sqlite3.DatabaseError:
            self._put_aside(error)
        text = f"the journal {self._path} cannot be used: {error}"
        if text != self.problem:
            _log.error("%s; events go on without it", text)
        self.problem = text

    def _open(self) -> sqlite3.Connection:
        if self._closed:
            raise OSError("it is closed")
        if self._connection is None:
            try:
                self._connection = self._connected()
            except sqlite3.DatabaseError as error:
                if type(error) is not sqlite3.DatabaseError:
                    raise
                self._put_aside(error)
                self._connection = self._connected()
        return self._connection

    def _connected(self) -> sqlite3.Connection:
        # SQLite gives the -wal and -shm files the mode of the main file.
        store.create(self._path)
        connection = sqlite3.connect(self._path, timeout=5, check_same_thread=False)
        try:
            _prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _put_aside(self, error: Exception) -> None:
        number = 1
        while (aside := self._path.with_name(f"{self._path.name}.corrupt-{number}")).exists():
            number += 1
        for suffix in ("", "-wal", "-shm"):
            source = self._path.with_name(self._path.name + suffix)
            if source.exists():
                source.rename(aside.with_name(aside.name + suffix))
        self.set_aside = aside.name
        _log.error("the journal %s is corrupt (%s): put aside as %s, a new one is begun", self._path, error, aside.name)

    def _prune(self, connection: sqlite3.Connection) -> None:
        # seq has few gaps, so its span bounds the count without a scan; the count is exact where it matters.
        low, high = connection.execute("SELECT (SELECT min(seq) FROM rows), (SELECT max(seq) FROM rows)").fetchone()
        if low is None or high - low < self._cap:
            return
        excess = connection.execute("SELECT count(*) FROM rows").fetchone()[0] - self._cap
        if excess <= 0:
            return
        query = "DELETE FROM rows WHERE seq IN (SELECT seq FROM rows WHERE said = ? ORDER BY seq LIMIT ?)"
        # One in a hundred more, so that a full journal is not pruned at each write.
        excess -= connection.execute(query, (1, excess + self._cap // 100)).rowcount
        if excess > 0:
            self.dropped += connection.execute(query, (0, excess)).rowcount

    def _shut(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _prepare(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise OSError(f"it was written by a newer edgeface (version {version}, known is {VERSION})")
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL: with NORMAL a power cut takes every commit since the last checkpoint (sqlite.org/pragma.html).
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA journal_size_limit = 1048576")
    fault = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if fault != "ok":
        raise sqlite3.DatabaseError(fault)
    if version == 0:
        connection.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}COMMIT;")
