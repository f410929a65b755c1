"""The audit trail and the outbox: SQLite, WAL, synchronous=FULL, sealed and chained."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from edgeface.core.clock import SystemClock, rfc3339, synchronised
from edgeface.core.errors import EdgefaceError
from edgeface.core.event_kinds import kinds
from edgeface.core.events import to_json
from edgeface.core.sqlite import transaction
from edgeface.journal import removal, verification
from edgeface.journal import rows as journal_rows
from edgeface.journal.database import JournalFile, noted
from edgeface.journal.rows import Entry, JournalRow
from edgeface.journal.verification import ChainReport

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from edgeface.core.clock import Clock
    from edgeface.core.types import Event
    from edgeface.security.vault import Vault

__all__ = ["CAP", "ChainReport", "Entry", "Journal", "JournalRow", "audit", "noted"]

CAP = 100_000
"""Rows kept by default: what door terminals keep; about 90 MB."""

_TRAFFIC_DAYS = 30
_EXPIRE_SECONDS = 3600.0


def audit(row: JournalRow, device: str, wall: float) -> str:
    """The row as the audit topic has it: an event with `late` true, or what else was decided or done.

    `wall` is the time of saying it, in seconds. What `facts` a row has cannot pass for the keys that say what it is.
    """
    facts = json.loads(row.payload)
    if row.kind in kinds("pipeline") and "event_type" in facts:
        return to_json({**facts, "sent_at": rfc3339(wall), "late": True})
    fixed = {"v": 1, "event_type": row.kind, "id": row.id, "device": device, "at": rfc3339(row.at)}
    return to_json({**fixed, **facts, **fixed, "sent_at": rfc3339(wall), "late": False})


def _unheard(_: Event | JournalRow) -> None:
    """Nobody listens."""


class Journal:
    """Rows that survive a power cut once the call that wrote them has returned True.

    Any thread may call it: one lock stands before one connection; other processes may have the same file open. Only
    `redact`, and the constructor for a key that is wrong or missing, raise: what else goes wrong is in `problem` and
    counted in `failures`, and the next call tries again. `cap` bounds the rows: the oldest said ones go first. Rows
    older than `days`, which may be changed at any time, go too while the wall clock is known to be right; 0 keeps them.
    """

    def __init__(
        self,
        path: Path,
        *,
        cap: int = CAP,
        days: int = 0,
        clock: Clock | None = None,
        right: Callable[[], bool] = synchronised,
    ) -> None:
        """Open the file by the vault of its folder; `right` tells whether the wall clock is.

        VaultError when the key is missing or another one. A disk that cannot be used is no error here.
        """
        self._cap = cap
        self.days = days
        self._clock = clock or SystemClock()
        self._right = right
        self._file = JournalFile(path, self._clock)
        self._head: tuple[int, bytes] | None = None
        self._unsure: tuple[int, float] | None = None
        self._expire_at = self._clock.monotonic()
        self.heard: Callable[[Event | JournalRow], None] = _unheard
        """Told of each event and note on its way here, by the thread that has it and before it is written."""
        self.dropped = 0
        """Unsaid rows given up for the cap's sake, or for their age."""
        self.unsaid_count()

    @property
    def problem(self) -> str | None:
        """What is wrong with the disk or the file, in one line; None when all is well."""
        return self._file.problem

    @property
    def failures(self) -> int:
        """Calls that failed."""
        return self._file.failures

    @property
    def set_aside(self) -> str | None:
        """Name of the corrupt file that was put aside by this journal."""
        return self._file.set_aside

    def append(self, row: JournalRow, *, said: bool = False) -> bool:
        """Write one row; True when it is on the disk. A row whose id is there already changes nothing."""
        return self.write([row], said=[row.id] if said else [])

    def record(self, kind: str, at: float, facts: Mapping[str, Any]) -> bool:
        """Write what was done or decided, `kind` of EVENT_KINDS: a running daemon publishes it on the audit topic."""
        return self.append(noted(kind, at, facts))

    def write(self, rows: Iterable[JournalRow], said: Iterable[str]) -> bool:
        """Write `rows` as unsaid, then mark the ids `said`, in one durable step; True when it is on the disk."""
        values, marks = list(rows), [(id_,) for id_ in said]

        def work(connection: sqlite3.Connection, vault: Vault) -> bool:
            with transaction(connection):
                before = journal_rows.head(connection)[0]
                journal_rows.append(connection, vault, values)
                connection.executemany("UPDATE rows SET said = 1 WHERE id = ?", marks)
                dropped = removal.prune(connection, vault, self._cap)
                head = journal_rows.head(connection)
            self.dropped += dropped
            self._head = head
            if values and self._unsure is None and not self._right():
                self._unsure = before + 1, self._clock.monotonic()
            return True

        return self._file.attempt(work, otherwise=False)

    def expire(self) -> None:
        """Remove the rows that are too old, once an hour; until then it returns at once."""
        now, span = self._clock.monotonic(), self.days * removal.DAY
        if not self.days or now < self._expire_at or not self._right():
            return
        self._expire_at = now + _EXPIRE_SECONDS
        if self._unsure is not None and now - self._unsure[1] > span:
            self._unsure = None
        # Written by a clock that was not set yet: their age is not known, and less than the span.
        keep = None if self._unsure is None else self._unsure[0]

        def work(connection: sqlite3.Connection, vault: Vault) -> int:
            with transaction(connection):
                return removal.expire(connection, vault, self._clock.wall(), self.days, keep)

        self.dropped += self._file.attempt(work, otherwise=0)

    def unsaid(self, limit: int) -> list[JournalRow]:
        """Give the oldest rows that nobody has acknowledged, in the order in which they were written."""

        def work(connection: sqlite3.Connection, vault: Vault) -> list[JournalRow]:
            found = journal_rows.entries(connection, vault, unsaid=True, first=limit)
            return [
                JournalRow(e.row.id, e.row.kind, e.row.at, journal_rows.ALTERED) if e.altered else e.row for e in found
            ]

        return self._file.attempt(work, otherwise=[])

    def unsaid_count(self) -> int:
        """How many rows nobody has acknowledged; 0 when the file cannot be read."""

        def work(connection: sqlite3.Connection, _: Vault) -> int:
            self._head = journal_rows.head(connection)
            return int(connection.execute("SELECT count(*) FROM rows WHERE said = 0").fetchone()[0])

        return self._file.attempt(work, otherwise=0)

    def counts(self) -> tuple[int, int]:
        """Rows, and those of them that are unsaid; zeros when the file cannot be read. It reads the whole file."""

        def work(connection: sqlite3.Connection, _: Vault) -> tuple[int, int]:
            rows = connection.execute("SELECT count(*), (SELECT count(*) FROM rows WHERE said = 0) FROM rows")
            total, unsaid = rows.fetchone()
            return int(total), int(unsaid)

        return self._file.attempt(work, otherwise=(0, 0))

    def facts(self) -> dict[str, Any]:
        """What the state topic says of it; docs/events.md names the keys. It waits for nothing."""
        seq, link = self._head or (None, None)
        head = None if link is None else link.hex()[:16]
        facts = {"problem": self.problem, "failures": self.failures, "set_aside": self.set_aside}
        return {**facts, "seq": seq, "head": head}

    def strangers_a_day(self, wall: float) -> float | None:
        """Unknown and uncertain events a day, over the last 30 days or since the first row; None within a day of it."""

        def work(connection: sqlite3.Connection, _: Vault) -> float | None:
            (first,) = connection.execute("SELECT min(at) FROM rows").fetchone()
            since = max(first if first is not None else wall, wall - _TRAFFIC_DAYS * removal.DAY)
            query = "SELECT count(*) FROM rows WHERE kind IN ('unknown', 'uncertain') AND at >= ?"
            (count,) = connection.execute(query, (since,)).fetchone()
            return count * removal.DAY / (wall - since) if wall - since >= removal.DAY else None

        return self._file.attempt(work, otherwise=None)

    def rows(
        self,
        *,
        after: int = 0,
        before: int | None = None,
        kinds: Sequence[str] = (),
        who: str | None = None,
        since: float | None = None,
        first: int | None = None,
        last: int | None = None,
    ) -> list[Entry]:
        """Rows as ledger.entries chooses them, oldest first; none when the file cannot be read."""

        def work(connection: sqlite3.Connection, vault: Vault) -> list[Entry]:
            return journal_rows.entries(
                connection, vault, after=after, before=before, kinds=kinds, who=who, since=since, first=first, last=last
            )

        return self._file.attempt(work, otherwise=[])

    def about(self, who: str) -> list[JournalRow]:
        """Every row about a person or an unknown, oldest first."""
        return [entry.row for entry in self.rows(who=who)]

    def redact(self, who: str) -> int:
        """Take the payload out of every row about `who`, to the last byte; gives their number, or GalleryError."""
        return removal.redact(self._file.path, who)

    def head(self) -> tuple[int, str]:
        """Seq and link (64 hex digits) of the last row; 0 and an empty text when the file cannot be read."""
        seq, link = self._file.attempt(lambda connection, _: journal_rows.head(connection), otherwise=(0, b""))
        return seq, link.hex()

    def verify(self, noted: str = "") -> ChainReport:
        """Follow the chain from its start, or from what was pruned, to its end; `noted` begins a link that it had.

        It takes seconds for 100,000 rows, on a connection of its own: writers go on meanwhile.
        """
        try:
            with journal_rows.opened(self._file.path) as (connection, vault):
                return verification.verify(connection, vault, noted)
        except EdgefaceError as error:
            return ChainReport(0, 0, "", known=False, fault=f"the journal cannot be read: {error}")

    def fingerprint(self, text: str) -> str | None:
        """16 hex digits that are the same for the same text under the same key, and tell nothing of it."""
        vault = self._file.vault
        return None if vault is None else vault.tag(text).hex()[:16]

    def close(self) -> None:
        """Close the file; every later call fails."""
        self._file.close()
