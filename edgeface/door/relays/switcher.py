"""Switches a relay on for a time and off by its own clock, and reads back what the device reports."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

from edgeface.door.relays.base import MARGIN, RelayError, RelayReport

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeface.core.clock import Clock
    from edgeface.door.relays.base import RelayDriver

_log = logging.getLogger(__name__)

HANG_TIMEOUT = 7.0
"""Seconds without a step after which the thread counts as hanging: more than three requests take."""
RETRY = 1.0
"""Seconds until a command is repeated that the device has not confirmed."""
MAX_RETRY = 30.0
"""The same, if the relay is off as far as is known: a lock that never reports keeps its battery."""

_TICK = 0.25
# Commands without a confirmation before the pauses grow, and at the end.
_QUICK_TRIES, _LAST_TRIES = 5, 8
_JOIN_TIMEOUT = 2.0
_NEVER = float("-inf")


class Switcher:
    """Holds a relay on for a time; only its own thread touches the driver.

    The thread meets the time whatever the rest of the process does. Off is repeated until the device reports it. If the
    driver fails, the thread switches off, as far as it can, and ends; `healthy` is then False. The thread calls
    `on_change`, which must return at once.
    """

    def __init__(self, driver: RelayDriver, seconds: float, clock: Clock, on_change: Callable[[], None]) -> None:
        """Start the thread, which switches off first; `seconds` is how long anything else may have the relay on."""
        self._driver = driver
        self._seconds = seconds
        self._clock = clock
        self._on_change = on_change
        self._until = self._armed = _NEVER
        self._due = _NEVER
        self._foreign_since: float | None = None
        self._fails = 0
        self._stepped_at = clock.monotonic()
        self._wake = threading.Event()
        self._closing = False
        self.report = RelayReport()
        """What is known now; any thread may read it."""
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def hangs(self) -> bool:
        """Whether the thread waits for the device for longer than any request takes."""
        return self.alive and self._clock.monotonic() - self._stepped_at >= HANG_TIMEOUT

    @property
    def healthy(self) -> bool:
        """Whether the thread runs and does not hang."""
        return self.alive and not self.hangs

    def hold(self, until: float) -> None:
        """Have it on until then (monotonic), instead of any earlier time; returns at once."""
        self._until = until
        self._wake.set()

    def release(self) -> None:
        """Have it switched off; returns at once."""
        self.hold(_NEVER)

    def shut(self) -> None:
        """Have it switched off at the next tick and kept off, despite later `hold`; a signal handler may call it."""
        self._closing = True

    def close(self, seconds: float = _JOIN_TIMEOUT) -> None:
        """Switch off, repeated for `seconds` until the device confirms it, and close the driver."""
        self.shut()
        self._wake.set()
        self._thread.join(seconds)
        if self._thread.is_alive() or (self.report.on and not self.report.confirmed):
            _log.error("the relay may still be on: %s", self.report.problem or "its thread hangs")

    def _run(self) -> None:
        try:
            # Callbacks run in reverse order: off, then close, even if switching off fails.
            with ExitStack() as stack:
                stack.callback(self._driver.close)
                stack.callback(self._last_off)
                while not self._closing:
                    self._step()
        except Exception:  # noqa: BLE001 - each driver has its own errors, and any of them ends the thread
            _log.exception("the relay failed")
        self._on_change()

    def _step(self) -> None:
        self._wake.clear()
        self._stepped_at = now = self._clock.monotonic()
        until = self._until
        if now < until:
            self._keep_on(now, until)
        else:
            self._keep_off(now)
        left = self._until - self._clock.monotonic()
        self._wake.wait(min(_TICK, left) if left > 0 else _TICK)

    def _keep_on(self, now: float, until: float) -> None:
        if self._armed != until:
            self._armed, self._foreign_since = until, None
            self._command(on=True, seconds=until - now)
        elif now >= self._due and self.report.on and until - now > RETRY:
            # A request that takes long must not delay the end.
            if self.report.confirmed:
                self._look(wanted=True)
            else:
                self._command(on=True, seconds=until - now)

    def _keep_off(self, now: float) -> None:
        if self._armed == _NEVER and now < self._due:
            return
        if self._armed != _NEVER or not self.report.confirmed or self._driver.repeats_off:
            self._armed = _NEVER
            self._command(on=False)
        else:
            self._look(wanted=False)

    def _command(self, *, on: bool, seconds: float = 0.0) -> None:
        """Switch, and read what the device reports."""
        if on:
            self._publish(RelayReport(on=True, problem=self.report.problem))
        try:
            if on:
                self._driver.on(seconds + MARGIN)
            else:
                self._driver.off()
            if on and self._clock.monotonic() >= self._until:
                return
            seen = self._driver.is_on()
        except RelayError as error:
            self._fail(str(error))
            return
        if seen is not on:
            self._fail(f"it reports {_word(on=seen)} after it was switched {_word(on=on)}")
            return
        self._foreign_since, self._fails = None, 0
        self._publish(RelayReport(on, confirmed=True))
        self._due = self._clock.monotonic() + self._driver.pace

    def _look(self, *, wanted: bool) -> None:
        """Read the device, which something else may have switched."""
        try:
            seen = self._driver.is_on()
        except RelayError as error:
            self._fail(str(error))
            return
        now = self._clock.monotonic()
        self._due = now + self._driver.pace
        if seen is wanted:
            self._foreign_since = None
            self._publish(RelayReport(wanted, confirmed=True))
            return
        # Off by something else: it stays off until the next grant. On: an exit button may have its time, and no more.
        self._publish(RelayReport(seen, confirmed=True, problem=f"it was switched {_word(on=seen)} by something else"))
        if seen:
            self._foreign_since = now if self._foreign_since is None else self._foreign_since
            if now - self._foreign_since >= self._seconds:
                self._command(on=False)

    def _fail(self, problem: str) -> None:
        self._fails = 0 if self.report.on else self._fails + 1
        pause = min(MAX_RETRY, RETRY * 2.0 ** min(max(0, self._fails - _QUICK_TRIES), 8))
        self._due = self._clock.monotonic() + pause
        self._publish(RelayReport(self.report.on, problem=problem))

    def _last_off(self) -> None:
        """Switch off once more, and again until the device confirms it or the process ends."""
        self._until = self._armed = _NEVER
        for _ in range(_LAST_TRIES):
            self._command(on=False)
            if self.report.confirmed:
                return
            self._clock.sleep(RETRY / 2)

    def _publish(self, report: RelayReport) -> None:
        before, self.report = self.report, report
        if report == before:
            return
        if report.problem not in {None, before.problem}:
            _log.warning("relay: %s", report.problem)
        elif report.problem is None and before.problem is not None and report.confirmed:
            _log.info("relay: %s, and no longer: %s", report.word, before.problem)
        self._on_change()


def _word(*, on: bool) -> str:
    return "on" if on else "off"
