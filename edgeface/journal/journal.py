"""The audit trail, and the queue of what must still be published: SQLite, WAL, synchronous=FULL, sealed, chained."""

from __future__ import annotations

import json
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from edgeface.core.clock import DAY, SystemClock, rfc3339, synchronised
from edgeface.core.errors import EdgefaceError, VaultError
from edgeface.core.event_kinds import kinds
from edgeface.core.events import to_json
from edgeface.core.sqlite import transaction
from edgeface.journal import removal, verification
from edgeface.journal import rows as journal_rows
from edgeface.journal.database import JournalFile, noted
from edgeface.journal.verification import ChainReport
from edgeface.security.head import FILE, HeadFile

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from edgeface.core.clock import Clock
    from edgeface.core.types import Event
    from edgeface.journal.rows import JournalRow, StoredRow
    from edgeface.security.vault import Vault

CAP = 100_000
"""Rows kept by default, as many as door terminals keep; about 90 MB."""

_TRAFFIC_DAYS = 30
_EXPIRY_INTERVAL = 3600.0
_HEAD_DIGITS = 16
"""Hex digits of a link in the state."""
_MAX_SEQ = 2**63 - 1


def audit(row: JournalRow, device: str, wall: float) -> str:
    """The row as JSON for the audit topic: an event with `late` true, or an action or decision.

    `wall` is the time of publication in seconds. The facts of a row cannot override the fixed keys.
    """
    facts = json.loads(row.payload)
    if row.kind in kinds("pipeline") and "event_type" in facts:
        facts.pop("looks_like", None)  # stays on this device
        return to_json({**facts, "sent_at": rfc3339(wall), "late": True})
    fixed = {"v": 1, "event_type": row.kind, "id": row.id, "device": device, "at": rfc3339(row.at)}
    return to_json({**fixed, **facts, **fixed, "sent_at": rfc3339(wall), "late": False})


class Journal(JournalFile):
    """Rows that survive a power cut once the call that wrote them has returned True.

    Any thread may call it, since one lock guards the one connection; other processes may have the same file open. Only
    `redact`, and the constructor for a wrong or missing key, raise. Other errors are in `problem`, are counted in
    `failures`, and the next call retries. `cap` limits the rows: the oldest published ones are removed first. Rows
    older than `days`, which may change at any time, are removed while the wall clock is known to be right; 0 keeps all.
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
        """Open the file with the vault of its folder; `right` returns whether the wall clock is right.

        Raises VaultError if the key is missing or a different one. A disk that cannot be used is no error here.
        """
        super().__init__(path, clock or SystemClock())
        self._cap = cap
        self.days = days
        self._right = right
        self._head: tuple[int, bytes] | None = None
        self._unsure: tuple[int, float] | None = None
        self._expire_at = self._clock.monotonic()
        self.listeners: tuple[Callable[[Event | JournalRow], None], ...] = ()
        """Each is called with each event and row before it is written, in the thread that records it."""
        self.dropped = 0
        """Unpublished rows that were removed because of the cap or their age."""
        self.unpublished_count()

    def append(self, row: JournalRow) -> bool:
        """Write one row; returns True once it is on the disk. A row with an existing id changes nothing."""
        self.tell(row)
        return self.write([row], published=[])

    def tell(self, what: Event | JournalRow) -> None:
        """Tell the listeners of an event or a row that is about to be written."""
        for listener in self.listeners:
            listener(what)

    def record(self, kind: str, at: float, facts: Mapping[str, Any]) -> bool:
        """Write an action or a decision, `kind` of EVENT_KINDS; a running daemon publishes it on the audit topic."""
        return self.append(noted(kind, at, facts))

    def write(self, rows: Iterable[JournalRow], published: Iterable[str]) -> bool:
        """Write `rows`, then mark ids as `published`, in one durable step; returns True once it is on the disk."""
        values, marks = list(rows), [(id_,) for id_ in published]

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

        return self.attempt(work, otherwise=False)

    def expire(self) -> None:
        """Remove the rows that are too old, once an hour; otherwise returns immediately."""
        now, span = self._clock.monotonic(), self.days * DAY
        if not self.days or now < self._expire_at or not self._right():
            return
        self._expire_at = now + _EXPIRY_INTERVAL
        if self._unsure is not None and now - self._unsure[1] > span:
            self._unsure = None
        # A clock that was not set yet dated these rows: their age is unknown, but less than the span.
        keep = None if self._unsure is None else self._unsure[0]

        def work(connection: sqlite3.Connection, vault: Vault) -> int:
            with transaction(connection):
                return removal.expire(connection, vault, self._clock.wall(), self.days, keep)

        self.dropped += self.attempt(work, otherwise=0)

    def unpublished(self, limit: int) -> list[JournalRow]:
        """The oldest rows that no broker has acknowledged, in the order of writing."""

        def work(connection: sqlite3.Connection, vault: Vault) -> list[JournalRow]:
            found = journal_rows.select(connection, vault, unpublished=True, first=limit)
            return [replace(e.row, payload=journal_rows.ALTERED) if e.altered else e.row for e in found]

        return self.attempt(work, otherwise=[])

    def unpublished_count(self) -> int:
        """Number of rows that no broker has acknowledged; 0 if the file cannot be read."""

        def work(connection: sqlite3.Connection, _: Vault) -> int:
            self._head = journal_rows.head(connection)
            return int(connection.execute("SELECT count(*) FROM rows WHERE said = 0").fetchone()[0])

        return self.attempt(work, otherwise=0)

    def facts(self) -> dict[str, Any]:
        """The journal's part of the state topic (docs/events.md); returns immediately."""
        seq, link = self._head or (None, None)
        head = None if link is None else link.hex()[:_HEAD_DIGITS]
        facts = {"problem": self.problem, "failures": self.failures, "set_aside": self.set_aside}
        return {**facts, "seq": seq, "head": head}

    def strangers_a_day(self, wall: float) -> float | None:
        """Unknown and uncertain events a day, over 30 days or since the first row; None during its first day."""

        def work(connection: sqlite3.Connection, _: Vault) -> float | None:
            (first,) = connection.execute("SELECT min(at) FROM rows").fetchone()
            since = max(first if first is not None else wall, wall - _TRAFFIC_DAYS * DAY)
            query = "SELECT count(*) FROM rows WHERE kind IN ('unknown', 'uncertain') AND at >= ?"
            (count,) = connection.execute(query, (since,)).fetchone()
            return count * DAY / (wall - since) if wall - since >= DAY else None

        return self.attempt(work, otherwise=None)

    def rows(
        self,
        *,
        after: int = 0,
        before: int | None = None,
        kinds: Sequence[str] = (),
        who: str | None = None,
        since: float | None = None,
        until: float | None = None,
        first: int | None = None,
        last: int | None = None,
    ) -> list[StoredRow]:
        """The rows that rows.select finds, oldest first; none if the file cannot be read."""

        def work(connection: sqlite3.Connection, vault: Vault) -> list[StoredRow]:
            return journal_rows.select(
                connection,
                vault,
                after=after,
                before=before,
                kinds=kinds,
                who=who,
                since=since,
                until=until,
                first=first,
                last=last,
            )

        return self.attempt(work, otherwise=[])

    def each(self, column: Literal["seq", "id"], values: Sequence[int | str]) -> list[StoredRow]:
        """The rows that rows.select_each finds; none if the file cannot be read."""

        def work(connection: sqlite3.Connection, vault: Vault) -> list[StoredRow]:
            return journal_rows.select_each(connection, vault, column, values)

        return self.attempt(work, otherwise=[])

    def knows(self, seq: int, head: str) -> bool:
        """Whether the row `seq` has a link that begins with these hex digits, as `facts` gave them at some time."""

        def work(connection: sqlite3.Connection, _: Vault) -> bool:
            query = "SELECT link FROM rows WHERE seq = ?"
            found = connection.execute(query, (seq,)).fetchone()
            return found is not None and journal_rows.raw(found[0]).hex().startswith(head)

        return len(head) >= _HEAD_DIGITS and 0 < seq <= _MAX_SEQ and self.attempt(work, otherwise=False)

    def about(self, who: str) -> list[JournalRow]:
        """Every row about a person or an unknown, oldest first."""
        return [entry.row for entry in self.rows(who=who)]

    def redact(self, who: str) -> int:
        """Empty every row about `who`, as removal.redact does; returns the number of rows."""
        return removal.redact(self._path, who)

    def head(self) -> tuple[int, str]:
        """Seq and link (64 hex digits) of the last row; 0 and an empty text if the file cannot be read."""
        seq, link = self.attempt(lambda connection, _: journal_rows.head(connection), otherwise=(0, b""))
        return seq, link.hex()

    def verify(self, noted: str = "") -> ChainReport:
        """Follow the chain to its end; `noted` is the start of a link that must be in it.

        Takes seconds for 100,000 rows, on its own connection: writers are not blocked.
        """
        try:
            with journal_rows.opened(self._path) as (connection, vault):
                return verification.verify(connection, vault, noted)
        except EdgefaceError as error:
            return ChainReport(0, 0, "", known=False, fault=f"the journal cannot be read: {error}")

    def record_integrity(self) -> None:
        """Record what the head of the data folder has found and the journal does not say yet."""
        if self._vault is None:
            return
        file = HeadFile(self._path.parent, self._vault)
        # A head that cannot be read is named by every check; two threads must not record the same.
        with self._lock, suppress(VaultError, OSError):
            head = file.read()
            if head is None or not (head.unrecorded or head.began):
                return
            facts = [{"file": alarm.subject, "found": alarm.kind} for alarm in head.unrecorded]
            facts += [{"file": FILE, "found": "began"}] if head.began else []
            rows = [noted("integrity", self._clock.wall(), one) for one in facts]
            for row in rows:
                self.tell(row)
            if self.write(rows, ()):
                file.mark_recorded(head.alarms)

    def fingerprint(self, text: str) -> str | None:
        """16 hex digits that are the same for the same text and key, and reveal nothing about the text."""
        return None if self._vault is None else self._vault.tag(text).hex()[:16]


def write_rows(path: Path, rows: Iterable[JournalRow]) -> str | None:
    """Write rows into the journal at `path`, opened for this alone; returns the problem if they were not written."""
    with closing(Journal(path)) as journal:
        written = journal.write(rows, ())
        journal.record_integrity()
        return None if written else journal.problem
