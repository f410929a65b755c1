"""Runs the door's readers, one thread each, and collects what people show in one bounded queue."""

from __future__ import annotations

import logging
import queue
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeface.door.readers.base import Key, Unreadable
from edgeface.door.readers.keypad import Keypad

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgeface.access.factor_messages import ShownFactor
    from edgeface.core.clock import Clock
    from edgeface.door.readers import ReaderSettings
    from edgeface.door.readers.base import OpenReader, ReaderInput
    from edgeface.door.readers.keypad import KeypadSettings

_log = logging.getLogger(__name__)

REOPEN_SECONDS = 0.5
"""Seconds between two attempts to open a reader, so that a problem is in the state, and out of it, within 2 s."""
QUEUE = 8
"""Factors that wait for the main thread; more are dropped and counted."""

_WAIT = 0.25
_JOIN_TIMEOUT = 2.0


class Shown(NamedTuple):
    """A factor, and when it was shown, in monotonic seconds."""

    factor: ShownFactor
    at: float


class ReaderService:
    """The readers of a door from `start` to `stop`; what is typed reaches the queue only, and no log."""

    def __init__(
        self, readers: Sequence[ReaderSettings], keypad: KeypadSettings, clock: Clock, on_change: Callable[[], None]
    ) -> None:
        """Nothing is opened yet; `on_change` must return at once."""
        self.counts: Counter[str] = Counter()
        """`unreadable` and `dropped`; each is written by reader threads only."""
        self._queue: queue.Queue[Shown] = queue.Queue(QUEUE)
        self._clock = clock
        self._on_change = on_change
        self._stop = threading.Event()
        self._readers = [_ReaderThread(number, one, keypad, self) for number, one in enumerate(readers, 1)]

    def start(self) -> None:
        """Start the threads."""
        for one in self._readers:
            one.thread.start()

    def stop(self) -> None:
        """Stop the threads and close the readers."""
        self._stop.set()
        for one in self._readers:
            if one.thread.is_alive():
                one.thread.join(_JOIN_TIMEOUT)

    def take(self) -> list[Shown]:
        """What was shown since the last call, oldest first."""
        return [self._queue.get_nowait() for _ in range(self._queue.qsize())]

    @property
    def problem(self) -> str | None:
        """The first problem in one line; None if all readers work."""
        return next((f"{one.name}: {one.problem}" for one in self._readers if one.problem is not None), None)

    def facts(self) -> list[dict[str, Any]]:
        """The readers in the door's state; docs/events.md names the keys."""
        return [{"type": one.settings.type, "problem": one.problem} for one in self._readers]

    def put(self, factor: ShownFactor) -> None:
        """Queue a factor for the main thread, or drop it; for the readers' threads."""
        try:
            self._queue.put_nowait(Shown(factor, self._clock.monotonic()))
        except queue.Full:
            self.counts["dropped"] += 1
        self._on_change()


class _ReaderThread:
    """One reader: opened again and again until the service stops."""

    def __init__(self, number: int, settings: ReaderSettings, keypad: KeypadSettings, service: ReaderService) -> None:
        self.settings = settings
        self.name = f"reader {number} ({settings.type})"
        self.problem: str | None = None
        self.thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._keypad = Keypad(keypad)
        self._service = service

    def _run(self) -> None:
        stop, clock = self._service._stop, self._service._clock  # noqa: SLF001 - the thread is a part of the service
        while not stop.is_set():
            try:
                opened = self.settings.open(clock)
                try:
                    self._set_problem(None)
                    self._read(opened, stop, clock)
                finally:
                    opened.close()
            except Exception as error:  # noqa: BLE001 - a reader that fails in any way leaves the door working
                self._set_problem(_reason(error))
            self._keypad.clear()
            stop.wait(REOPEN_SECONDS)

    def _read(self, opened: OpenReader, stop: threading.Event, clock: Clock) -> None:
        while not stop.is_set():
            found = opened.read(_WAIT)
            now = clock.monotonic()
            self._keypad.expire(now)
            for one in found:
                self._on_input(one, now)

    def _on_input(self, one: ReaderInput, now: float) -> None:
        if isinstance(one, Unreadable):
            self._service.counts["unreadable"] += 1
            _log.debug("%s: %s", self.name, one.why)  # a loose wire gives dozens a second; the state has their number
            return
        factor = self._keypad.press(one.sign, now) if isinstance(one, Key) else one
        if factor is not None:
            self._service.put(factor)

    def _set_problem(self, problem: str | None) -> None:
        if problem == self.problem:
            return
        self.problem = problem
        _log.warning("%s: %s", self.name, problem or "works again")
        self._service._on_change()  # noqa: SLF001 - the thread is a part of the service


def _reason(error: Exception) -> str:
    """One line without anything that was typed: errors of other types may quote their input."""
    if not isinstance(error, OSError):
        return f"failed ({type(error).__name__})"
    return error.strerror or str(error) or type(error).__name__
