"""Between the threads and the disk: a thread of its own writes the journal, so that nobody waits for a sync."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING

from edgeface.core import events
from edgeface.core.clock import synchronised
from edgeface.journal.rows import JournalRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edgeface.core.types import Event
    from edgeface.journal.journal import Journal

_log = logging.getLogger(__name__)

MAX_QUEUED_ROWS = 4096
"""Events and notes that wait for a disk that does not answer; what comes then is counted as lost."""

_POLL = 1.0
_READ = 64
_BATCH = 256


class JournalWriter:
    """Writes events down and gives back those that nobody has been told; every method returns at once.

    A row is held from `record` or `take` until it is `said` (and the disk knows it) or `release`d; only rows
    that nobody holds are given by `take`. Rows of other processes are found within a second. The disk may
    come and go: what could not be written waits in memory.
    """

    def __init__(self, journal: Journal, wake: Callable[[], None] = lambda: None) -> None:
        self._journal = journal
        self._wake = wake
        self._changed = threading.Condition()
        self._new: deque[Event | JournalRow] = deque()
        self._said: deque[str] = deque()
        self._held: set[str] = set()
        self._unwritten: set[str] = set()
        self._ready: deque[JournalRow] = deque()
        self._wanted = False
        self._look = False
        self._closing = False
        self._waiting = 0
        self.lost = 0
        """Events and notes that were given up because the disk did not take them."""
        self.unsaid = 0
        """Rows that nobody has acknowledged, as of the last look at the disk."""
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def record(self, event: Event) -> None:
        """Have the event written down, and hold it."""
        self._queue(event, hold=True)

    def record_row(self, row: JournalRow) -> None:
        """Have what was decided or done written down; `take` gives it."""
        self._queue(row, hold=False)

    def written(self, id_: str) -> bool:
        """Whether the event is on the disk, or was given up."""
        with self._changed:
            return id_ not in self._unwritten

    def said(self, id_: str) -> None:
        """Have the row marked: the broker has acknowledged it."""
        with self._changed:
            self._said.append(id_)
            self._changed.notify()

    def release(self, ids: Iterable[str]) -> None:
        """Hold these no longer: `take` may give them."""
        with self._changed:
            self._held.difference_update(ids)
            self._look = True
            self._changed.notify()

    def take(self, count: int) -> list[JournalRow]:
        """Give up to `count` of the oldest rows that nobody has been told, and hold them."""
        with self._changed:
            self._wanted = True
            rows = [self._ready.popleft() for _ in range(min(count, len(self._ready)))]
            self._held.update(row.id for row in rows)
            return rows

    @property
    def waiting(self) -> int:
        """Events and notes that the disk has not taken yet."""
        return len(self._new) + self._waiting

    def close(self, timeout: float = 5.0) -> None:
        """Write what waits, for `timeout` seconds at most."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout)
        if self.waiting:
            _log.error("%d events could not be written down", self.waiting)

    def _queue(self, what: Event | JournalRow, *, hold: bool) -> None:
        self._journal.heard(what)
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
            rows, said = self._next()
            if (rows or said) and not self._write(rows, said):
                return
            if self._wanted and not self._ready:
                self._read()
            self._journal.expire()
            self.unsaid = self._journal.unsaid_count()
            with self._changed:
                if self._closing and not self._new and not self._said:
                    return

    def _next(self) -> tuple[list[JournalRow], list[str]]:
        with self._changed:
            if not (self._new or self._said or self._look or self._closing):
                self._changed.wait(_POLL)
            self._look = False
            fresh = [self._new.popleft() for _ in range(min(_BATCH, len(self._new)))]
            self._waiting = len(fresh)
            # A mark follows its row: rows that still wait in _new have not been read back by anybody.
            waiting = {what.id for what in self._new}
            said = [id_ for id_ in self._said if id_ not in waiting]
            self._said = deque(id_ for id_ in self._said if id_ in waiting)
        synced = synchronised()
        return [what if isinstance(what, JournalRow) else _row(what, synced=synced) for what in fresh], said

    def _write(self, rows: list[JournalRow], said: list[str]) -> bool:
        # The disk's trouble is the journal's state; here it only means to try again, until we are closed.
        while not self._journal.write(rows, said):
            with self._changed:
                if self._closing:
                    return False
                self._changed.wait_for(lambda: self._closing, _POLL)
        with self._changed:
            self._waiting = 0
            self._held.difference_update(said)
            self._unwritten.difference_update(row.id for row in rows)
        if rows:
            self._wake()
        return True

    def _read(self) -> None:
        with self._changed:
            held = len(self._held)
        rows = self._journal.unsaid(_READ + held)
        with self._changed:
            self._ready.extend(row for row in rows if row.id not in self._held)
            found = bool(self._ready)
        if found:
            self._wake()


def _row(event: Event, *, synced: bool) -> JournalRow:
    wire = events.to_wire(event, sent_at=None, synced=synced)
    return JournalRow(event.id, event.type, event.captured_at, events.to_json(wire))
