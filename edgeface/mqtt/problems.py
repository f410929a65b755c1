"""What stands between us and the broker: counted always, logged once for each change."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeface.core.clock import Clock

_log = logging.getLogger(__name__)


class ConnectionProblems:
    """Failures to connect and refusals of single topics; one thread tells it, any thread may read it."""

    def __init__(self) -> None:
        self.failures = 0
        """Connections that failed or ended, ever."""
        self.refused = 0
        """Messages and subscriptions that the broker denied us, ever."""
        self.connects = 0
        """Connections that the broker accepted, ever."""
        self._in_a_row = 0
        self._failure: str | None = None
        self._denials: dict[str, None] = {}

    @property
    def problem(self) -> str | None:
        """What is wrong now, in one line."""
        if self._failure is not None or not self._denials:
            return self._failure
        others = len(self._denials) - 1
        return next(reversed(self._denials)) + (f" (denials besides: {others})" if others else "")

    def counters(self) -> dict[str, int]:
        """Give refused, failures and reconnects."""
        return {"refused": self.refused, "failures": self.failures, "reconnects": max(0, self.connects - 1)}

    def connected(self) -> None:
        """The broker has let us in."""
        if self._in_a_row:
            _log.info("connected to the broker after %d failures", self._in_a_row)
        self.connects += 1
        self._in_a_row, self._failure, self._denials = 0, None, {}

    def failed(self, text: str) -> None:
        """There is no connection."""
        self._in_a_row += 1
        if text != self._failure:
            _log.warning("%s; trying again (failures in a row: %d)", text, self._in_a_row)
        self._failure = text
        self.failures += 1

    def denied(self, text: str) -> bool:
        """There is a connection, but it does not take everything; whether that is news."""
        news = text not in self._denials
        if news:
            _log.warning("%s (refused before: %d)", text, self.refused)
        # Another thread may be reading them.
        self._denials = {**self._denials, text: None}
        self.refused += 1
        return news


# A broker that was away for an hour is found within five seconds of its return; an attempt is a hundred bytes.
_FIRST, _LONGEST = 1.0, 4.0
# A connection that lasted this long was a good one: the next failure starts anew.
_SETTLED = 10.0


class Backoff:
    """Doubles with each failure in a row, from one to four seconds between the beginnings of two attempts."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._delay = _FIRST
        self._began = clock.monotonic()

    def begin(self) -> None:
        """An attempt begins."""
        self._began = self._clock.monotonic()

    def pause(self) -> float:
        """The attempt has ended: seconds to wait."""
        took = self._clock.monotonic() - self._began
        delay = _FIRST if took > _SETTLED else self._delay
        self._delay = min(2 * delay, _LONGEST)
        # Devices that have lost their broker at the same moment do not come back at the same moment.
        return max(_FIRST, delay - took) * random.uniform(0.75, 1.0)  # noqa: S311 - spreads, and keeps no secret
