"""The only place that reads a clock: monotonic for every decision, wall time as an annotation."""

import os.path
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

MAX_WALL = 253_402_300_799.0
"""Wall seconds at the end of the year 9999, the latest time that a date can express."""

DAY = 86_400.0
"""Seconds."""

# systemd-timesyncd touches this file at each synchronisation (systemd-timesyncd.service(8)).
_TIMESYNC = Path("/run/systemd/timesync/synchronized")
# Longer than struct timex (208 bytes with 64-bit long); all zero, its modes are too, which only asks.
_TIMEX_BYTES = 1024
# What adjtimex(2) returns for a clock that no program disciplines (TIME_ERROR); -1 is a failure.
_TIME_ERROR = 5


class Clock(Protocol):
    """Where the ends of the daemon get the time from; tests pass their own."""

    def monotonic(self) -> float:
        """Seconds that never go back, from an arbitrary start."""

    def wall(self) -> float:
        """Seconds since 1970 in UTC, which may jump."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's clocks."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
    sleep = staticmethod(time.sleep)


thread_cpu = time.thread_time
"""CPU seconds that the calling thread has used."""
process_cpu = time.process_time
"""CPU seconds that the process has used."""


def synchronised() -> bool:
    """Whether the wall clock is known to be synchronised, by whichever service does it; never raises."""
    return _disciplined() or os.path.exists(_TIMESYNC)  # noqa: PTH110 - Path.exists raises in a folder that we may not read


def _disciplined() -> bool:
    """Whether the kernel considers the clock synchronised; chrony, ntpd and systemd-timesyncd report it."""
    import ctypes  # takes 10 ms, which loading the configuration should not cost

    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (AttributeError, OSError):
        # Another libc. A container may forbid the call, which returns -1.
        return False
    return 0 <= int(state) < _TIME_ERROR


def local_time(wall: float) -> str:
    """Wall seconds for people, in the machine's time zone: 2026-11-22 09:15:02 +0100."""
    return datetime.fromtimestamp(wall, tz=timezone.utc).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def rfc3339(wall: float) -> str:
    """Wall seconds as UTC text with milliseconds: 2026-11-22T08:15:02.412Z."""
    moment = datetime.fromtimestamp(round(wall * 1000) / 1000, tz=timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
