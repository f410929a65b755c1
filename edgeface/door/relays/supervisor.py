"""The controller's side of a relay that belongs to a process of its own."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from edgeface.core.errors import ConfigError
from edgeface.door.relays.base import RelayReport
from edgeface.door.relays.process import LAST_SECONDS, Handover
from edgeface.security.process import python_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeface.core.clock import Clock
    from edgeface.door.settings import DoorSettings

_log = logging.getLogger(__name__)

START_TIMEOUT = 60.0
"""Seconds for the process to open the relay; a Raspberry Pi needs a few to load Python."""
SILENCE = 3.0
"""Seconds without a report after which the process is killed."""
BEAT_SECONDS = 0.5
"""Seconds between two signs of life to the process."""

_GRACE = 1.0


class RelayProcess:
    """A relay whose process switches it off if the controller stops, hangs or is killed.

    A process that stops or hangs is killed, and `healthy` is then False. `close` starts another one once, which
    switches off. A thread reads the reports, and calls `on_change`, which must return at once.
    """

    def __init__(self, settings: DoorSettings, clock: Clock, on_change: Callable[[], None]) -> None:
        """Start the process and wait until it has opened the relay; raises ConfigError if it cannot."""
        self._settings = settings
        self._clock = clock
        self._on_change = on_change
        self._closing = False
        self._closed = False
        self._beat_at = float("-inf")
        self._child = _Child(settings, clock, on_change)
        self._child.wait_until_ready()

    @property
    def pid(self) -> int:
        """The process."""
        return self._child.process.pid

    @property
    def is_open(self) -> bool:
        """Whether the relay is on, as far as is known."""
        return self._child.report.on

    @property
    def report(self) -> RelayReport:
        """What the process has reported last."""
        return self._child.report

    @property
    def healthy(self) -> bool:
        """Whether the process runs and reports; looking also gives it a sign of life."""
        now = self._clock.monotonic()
        if now - self._beat_at >= BEAT_SECONDS:
            self._beat_at = now
            self._child.tell("beat")
        if self._child.alive and now - self._child.heard_at >= SILENCE:
            _log.error("the relay's process has not reported for %.0f s: it is killed", SILENCE)
            self._child.kill()
        return self._child.alive

    def open(self, now: float) -> None:
        """Have the relay on until its seconds after `now` (monotonic) are over; returns at once."""
        if not self._closing:
            self._child.tell(f"on {now + self._settings.relay.seconds!r}")

    def shut(self) -> None:
        """Have it switched off and kept off, despite later `open`; a signal handler may call it."""
        self._closing = True
        self._child.tell("off")

    def close(self) -> None:
        """Switch off and end the process; another one switches off if this one could not."""
        if self._closed:
            return
        self._closed = True
        self.shut()
        if self._child.end() != 0:
            _log.error("the relay's process has failed: another one switches off")
            self._child = self._replacement() or self._child
        if self.report.on or not self.report.confirmed:
            _log.error("the relay may still be on: %s", self.report.problem or "nothing has confirmed that it is off")

    def _replacement(self) -> _Child | None:
        """A process that has switched off and ended; None if it could not start."""
        child = _Child(self._settings, self._clock, self._on_change)
        try:
            child.wait_until_ready()
        except ConfigError as error:
            _log.error("%s", error)
            return None
        child.end()
        return child


class _Child:
    """One process, its pipes, and the thread that reads its reports."""

    def __init__(self, settings: DoorSettings, clock: Clock, on_change: Callable[[], None]) -> None:
        self.report = RelayReport()
        self.heard_at = clock.monotonic()
        self._clock = clock
        self._on_change = on_change
        self._error: str | None = None
        self._ready = threading.Event()
        self.process = _start()
        if self.process.stdin is None or self.process.stdout is None:
            raise ConfigError("relay: its process has no pipes")
        self._input = self.process.stdin.fileno()
        own = os.environ.get("PYTHONPATH")
        given = Handover(door=settings.door, relay=settings.relay, mqtt=settings.mqtt, log=settings.log, pythonpath=own)
        self.tell(given.model_dump_json())
        os.set_blocking(self._input, False)
        self._reader = threading.Thread(target=self._read, name="relay reports", daemon=True)
        self._reader.start()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def wait_until_ready(self) -> None:
        """Wait for the first report; raises ConfigError if the relay cannot be opened."""
        if self._ready.wait(START_TIMEOUT) and self._error is None:
            return
        # Killing it is reported as a failure, too.
        why = (
            self._error or f"relay: its process has not started within {START_TIMEOUT:g} s; is the machine overloaded?"
        )
        self.kill()
        self.end()
        raise ConfigError(why)

    def tell(self, line: str) -> None:
        """Send a line; it is dropped if the process has gone or does not read, which its silence shows."""
        try:
            os.write(self._input, line.encode() + b"\n")
        except OSError:
            return  # it does not read, or it has gone

    def kill(self) -> None:
        """End it at once, also while it is stopped."""
        self.process.kill()

    def end(self) -> int:
        """End it in order, or kill it if it takes too long; returns its exit status."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            self._input = -1  # a signal handler may be about to write
            self.process.stdin.close()
        try:
            status = self.process.wait(LAST_SECONDS + _GRACE)
        except subprocess.TimeoutExpired:
            self.kill()
            status = self.process.wait()
        self._reader.join(_GRACE)
        return status

    def _read(self) -> None:
        output = self.process.stdout
        for line in output or ():
            self._take(line)
        if output is not None:
            output.close()
        # A process that ends without a report has failed.
        self._error = self._error or (None if self._ready.is_set() else "relay: its process has failed")
        self._ready.set()
        self._on_change()

    def _take(self, line: bytes) -> None:
        facts = json.loads(line)
        if "error" in facts:
            self._error = facts["error"]
        else:
            before, self.report = self.report, RelayReport(**facts)
            self.heard_at = self._clock.monotonic()
            if self.report != before:
                self._on_change()
        self._ready.set()


def _start() -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": python_path()}
    environment.pop("NOTIFY_SOCKET", None)
    command = [sys.executable, "-m", "edgeface.door.relays.process"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=environment)
