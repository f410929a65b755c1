"""Writes the journal in its own thread, so that no other thread waits for the disk."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING

from edgeface.core import events
from edgeface.core.clock import synchronised
from edgeface.core.text import counted
from edgeface.journal.rows import JournalRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edgeface.core.types import Event
    from edgeface.journal.journal import Journal

_log = logging.getLogger(__name__)

MAX_QUEUED_ROWS = 4096
"""Rows that wait for a disk that does not respond; further ones are counted as lost."""

_POLL_SECONDS = 1.0
_READ_ROWS = 64
_WRITE_ROWS = 256


class JournalWriter:
    """Writes events and returns those that are not published yet; every method returns immediately.

    A row is held from `record` or `take` until `mark_published` (and the disk has it) or `release`; `take` returns only
    rows that are not held. Rows of other processes are found within a second. While the disk is unavailable, rows wait
    in memory.
    """

    def __init__(self, journal: Journal, wake: Callable[[], None] = lambda: None) -> None:
        self._journal = journal
        self._wake = wake
        self._changed = threading.Condition()
        self._new: deque[Event | JournalRow] = deque()
        self._published: deque[str] = deque()
        self._held: set[str] = set()
        self._unwritten: set[str] = set()
        self._ready: deque[JournalRow] = deque()
        self._wanted = False
        self._released = False
        self._closing = False
        self._waiting = 0
        self.lost = 0
        """Rows that were discarded because the disk did not accept them."""
        self.unpublished = 0
        """Rows that no broker has acknowledged, as of the last read."""
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread is running."""
        return self._thread.is_alive()

    def record(self, event: Event) -> None:
        """Have the event written, and hold it."""
        self._queue(event, hold=True)

    def record_row(self, row: JournalRow) -> None:
        """Have an action or a decision written; `take` returns it."""
        self._queue(row, hold=False)

    def written(self, id_: str) -> bool:
        """Whether the event is on the disk, or was discarded."""
        with self._changed:
            return id_ not in self._unwritten

    def mark_published(self, id_: str) -> None:
        """Have the row marked as acknowledged by the broker."""
        with self._changed:
            self._published.append(id_)
            self._changed.notify()

    def release(self, ids: Iterable[str]) -> None:
        """Stop holding these rows: `take` may return them."""
        with self._changed:
            self._held.difference_update(ids)
            self._released = True
            self._changed.notify()

    def take(self, count: int) -> list[JournalRow]:
        """Return up to `count` of the oldest unpublished rows, and hold them."""
        with self._changed:
            self._wanted = True
            rows = [self._ready.popleft() for _ in range(min(count, len(self._ready)))]
            self._held.update(row.id for row in rows)
            return rows

    @property
    def waiting(self) -> int:
        """Number of rows that are not on the disk yet."""
        return len(self._new) + self._waiting

    def close(self, timeout: float = 5.0) -> None:
        """Write the waiting rows, for at most `timeout` seconds."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout)
        if self.waiting:
            _log.error("%s could not be written", counted(self.waiting, "event"))

    def _queue(self, what: Event | JournalRow, *, hold: bool) -> None:
        self._journal.tell(what)
        with self._changed:
            if len(self._new) >= MAX_QUEUED_ROWS:
                self.lost += 1
                return
            self._new.append(what)
            if hold:
                self._held.add(what.id)
                self._unwritten.add(what.id)
            self._changed.notify()

    def _run(self) -> None:
        while True:
            rows, published = self._next()
            if (rows or published) and not self._write(rows, published):
                return
            if self._wanted and not self._ready:
                self._read()
            self._journal.expire()
            self.unpublished = self._journal.unpublished_count()
            with self._changed:
                if self._closing and not self._new and not self._published:
                    return

    def _next(self) -> tuple[list[JournalRow], list[str]]:
        with self._changed:
            if not (self._new or self._published or self._released or self._closing):
                self._changed.wait(_POLL_SECONDS)
            self._released = False
            fresh = [self._new.popleft() for _ in range(min(_WRITE_ROWS, len(self._new)))]
            self._waiting = len(fresh)
            # A row is marked after it was written: its mark waits while the row is still in _new.
            waiting = {what.id for what in self._new}
            published = [id_ for id_ in self._published if id_ not in waiting]
            self._published = deque(id_ for id_ in self._published if id_ in waiting)
        synced = synchronised()
        return [what if isinstance(what, JournalRow) else _row(what, synced=synced) for what in fresh], published

    def _write(self, rows: list[JournalRow], published: list[str]) -> bool:
        # The journal reports the problem of the disk; here it only means to retry until the writer is closed.
        while not self._journal.write(rows, published):
            with self._changed:
                if self._closing:
                    return False
                self._changed.wait_for(lambda: self._closing, _POLL_SECONDS)
        with self._changed:
            self._waiting = 0
            self._held.difference_update(published)
            self._unwritten.difference_update(row.id for row in rows)
        if rows:
            self._wake()
        return True

    def _read(self) -> None:
        with self._changed:
            held = len(self._held)
        rows = self._journal.unpublished(_READ_ROWS + held)
        with self._changed:
            self._ready.extend(row for row in rows if row.id not in self._held)
            found = bool(self._ready)
        if found:
            self._wake()


def _row(event: Event, *, synced: bool) -> JournalRow:
    wire = events.to_wire(event, sent_at=None, synced=synced)
    if event.type == "spoof":
        # The person that the face resembles is for the owner of the journal alone.
        wire["looks_like"] = event.looks_like
    return JournalRow(event.id, event.type, event.captured_at, events.to_json(wire))
