"""How late this machine wakes who sleeps: what a test may add to a promise in seconds."""

from __future__ import annotations

import threading
import time

STEP = 0.05


class Slack:
    """A context manager; `worst` is the longest that a sleep of STEP seconds has taken too long."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @property
    def late(self) -> float:
        """Seconds by which several threads that wake one after the other may be late."""
        return 6 * self.worst

    def _run(self) -> None:
        while not self._done.is_set():
            before = time.monotonic()
            time.sleep(STEP)
            self.worst = max(self.worst, time.monotonic() - before - STEP)

    def __enter__(self) -> Slack:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
