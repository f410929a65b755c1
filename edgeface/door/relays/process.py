"""The process that owns a relay: `python -m edgeface.door.relays.process`, started by the controller alone.

It reads lines from its standard input: first its settings in JSON, then `beat`, `on UNTIL` (monotonic seconds, which
all processes of a machine share) and `off`. It writes a report in JSON for every change, and several per second. It
switches off when the time is over, when the beats stop, and when its input ends, as if the controller is killed.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edgeface.core.clock import SystemClock
from edgeface.core.errors import ConfigError
from edgeface.core.log import Log, set_up
from edgeface.core.settings import Settings
from edgeface.door.relays import RelaySettings
from edgeface.door.relays.base import DoorContext, RelayReport
from edgeface.door.relays.switcher import HANG_TIMEOUT, Switcher
from edgeface.mqtt.connection import Waker
from edgeface.mqtt.settings import Mqtt

if TYPE_CHECKING:
    from edgeface.core.clock import Clock

BEAT_TIMEOUT = 5.0
"""Seconds without a beat after which the relay is switched off. Connecting takes the controller up to 3 s."""
REPORT_SECONDS = 0.25
"""Seconds between two reports when nothing changes."""
LAST_SECONDS = 4.0
"""Seconds for the device to confirm that it is off when the process ends."""

CONFIG, SOFTWARE = 78, 70
"""Exit statuses: the relay cannot be opened; it has failed or hangs."""

_MAX_LINE = 65_536


class Handover(Settings):
    """What the controller gives the process first."""

    door: str
    relay: RelaySettings
    mqtt: Mqtt
    log: Log
    pythonpath: str | None
    """The controller's own PYTHONPATH, which commands of the relay get."""


class RelayOwner:
    """Serves the commands of one controller, from `run` to the end of the input."""

    def __init__(self, switcher: Switcher, clock: Clock, source: int, sink: int, waker: Waker, *, local: bool) -> None:
        """`source` and `sink` are descriptors; a `local` relay that hangs ends the process, which frees its pin."""
        self._switcher = switcher
        self._clock = clock
        self._source = source
        self._sink = sink
        self._waker = waker
        self._local = local
        self._beat_at = clock.monotonic()
        self._rest = b""

    def run(self) -> int:
        """Serve; returns the exit status."""
        while self._switcher.alive and not (self._local and self._switcher.hangs):
            if not self._commands():
                self._switcher.close(LAST_SECONDS)
                send(self._sink, self._report())
                return 0
            if self._clock.monotonic() - self._beat_at >= BEAT_TIMEOUT:
                self._switcher.release()
            send(self._sink, self._report())
        send(self._sink, self._report())
        return SOFTWARE

    def _commands(self) -> bool:
        """Wait for commands and obey them; False when the input has ended."""
        wake = self._waker.socket.fileno()
        ready = select.select([self._source, wake], [], [], REPORT_SECONDS)[0]
        self._waker.clear()
        if self._source not in ready:
            return True
        data = os.read(self._source, _MAX_LINE)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._obey(line)
        return bool(data)

    def _obey(self, line: bytes) -> None:
        word, _, until = line.partition(b" ")
        if word == b"beat":
            self._beat_at = self._clock.monotonic()
        elif word == b"on":
            # The exit button opens also while the controller waits for a slow name server.
            self._beat_at = self._clock.monotonic()
            self._switcher.hold(float(until))
        elif word == b"off":
            self._switcher.shut()

    def _report(self) -> dict[str, Any]:
        report = self._switcher.report
        if self._switcher.hangs:
            report = RelayReport(report.on, problem=f"the device has not answered for {HANG_TIMEOUT:g} s")
        return asdict(report)


def send(sink: int, value: dict[str, Any]) -> None:
    """Write one line, or none if the controller does not read: a report must not delay the relay."""
    try:
        os.write(sink, json.dumps(value).encode() + b"\n")
    except (BlockingIOError, BrokenPipeError):
        return  # the next report has the newer facts, and a controller that is gone is noticed at the input


def main() -> int:
    """Open the relay, switched off, and serve; returns the exit status."""
    # systemd and a terminal signal the whole group. The controller ends this process, by closing its input.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sink = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.set_blocking(sink, False)
    source = sys.stdin.fileno()
    given = Handover.model_validate_json(_first_line(source))
    _restore_path(given.pythonpath)
    set_up(given.log)
    clock, waker = SystemClock(), Waker()
    try:
        driver = given.relay.driver(DoorContext(given.door, given.mqtt, clock))
    except ConfigError as error:
        send(sink, {"error": str(error)})
        return CONFIG
    switcher = Switcher(driver, given.relay.seconds, clock, waker.wake)
    status = RelayOwner(switcher, clock, source, sink, waker, local=driver.repeats_off).run()
    sys.stderr.flush()
    os._exit(status)  # a thread that hangs in a driver would otherwise keep the process, and its pin


def _restore_path(own: str | None) -> None:
    if own is None:
        os.environ.pop("PYTHONPATH", None)
    else:
        os.environ["PYTHONPATH"] = own


def _first_line(source: int) -> bytes:
    """Read one line, byte by byte, since what follows it is for `run`."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(source, 1)
        if not byte:
            raise SystemExit(0)
        line += byte
    return line


if __name__ == "__main__":
    raise SystemExit(main())
