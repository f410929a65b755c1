"""Tells when a site has changed: one connection listens for everyone who waits."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import psycopg

from edgeface.centre.tables.sites import CHANNEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeface.centre.database import Transaction

_log = logging.getLogger(__name__)
_TICK = 0.5
"""Seconds after which the thread notices that it should end."""
_TICKS_TO_POLL = 6
"""Ticks between two looks at the table, as a notification may be lost."""
_PAUSE = 1.0
"""Seconds before it connects again."""


class Watch:
    """Follows the change numbers of all sites; its thread starts with the first who waits."""

    def __init__(self, conninfo: str, *calls: Callable[[str, int], None]) -> None:
        """`calls` are as those of `on_change`, and start no thread."""
        self._conninfo = conninfo
        self._news = threading.Condition()
        self._seen: dict[str, int] = {}
        self._calls = list(calls)
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def wait(self, site: str, after: int, seconds: float) -> bool:
        """Wait for a change above a number; False if there was none."""
        self._start()
        with self._news:
            self._news.wait_for(lambda: self._closed.is_set() or self._seen.get(site, 0) > after, seconds)
            return self._seen.get(site, 0) > after

    def on_change(self, call: Callable[[str, int], None]) -> Callable[[], None]:
        """Call with each new number, in the thread of the watch; returns what ends that."""
        with self._news:
            self._calls.append(call)
        self._start()

        def end() -> None:
            with self._news:
                self._calls.remove(call)

        return end

    def close(self) -> None:
        """End the thread and every wait."""
        self._closed.set()
        with self._news:
            self._news.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _start(self) -> None:
        with self._news:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._run, name="centre-watch", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                with psycopg.connect(self._conninfo, autocommit=True) as connection:
                    self._listen(connection)
            except psycopg.Error as error:
                _log.warning("no news of changes from the database: %s", str(error).strip().partition("\n")[0])
                self._closed.wait(_PAUSE)

    def _listen(self, connection: Transaction) -> None:
        connection.execute(f"LISTEN {CHANNEL}")
        while not self._closed.is_set():
            # After LISTEN, so that nothing committed before is missed.
            for site, seq in connection.execute("SELECT site, seq FROM sites").fetchall():
                self._tell(site, seq)
            for _ in range(_TICKS_TO_POLL):
                # What a notification says does not count: the table does.
                told = any(True for _ in connection.notifies(timeout=_TICK, stop_after=1))
                if self._closed.is_set():
                    return
                if told:
                    break

    def _tell(self, site: str, seq: int) -> None:
        with self._news:
            if self._seen.get(site) == seq:
                return
            self._seen[site] = seq
            calls = tuple(self._calls)
            self._news.notify_all()
        for call in calls:
            call(site, seq)
