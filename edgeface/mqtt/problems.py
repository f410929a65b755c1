"""Problems with the broker, counted always and logged once per change, and the pause before the next attempt."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING

from edgeface.core.text import counted

if TYPE_CHECKING:
    from edgeface.core.clock import Clock
    from edgeface.mqtt.settings import Mqtt

_log = logging.getLogger(__name__)


class ConnectionProblems:
    """Failed connections and denied topics; one thread reports them, any thread may read them."""

    def __init__(self, settings: Mqtt) -> None:
        secured = "TLS" if settings.tls is not None else "plaintext"
        self._where = f"{settings.host}:{settings.port}, {secured}"
        self.failures = 0
        """Connections that failed or broke, in total."""
        self.refused = 0
        """Messages and subscriptions that the broker denied, in total."""
        self.connects = 0
        """Connections that the broker accepted, in total."""
        self._in_a_row = 0
        self._failure: str | None = None
        self._denials: dict[str, None] = {}

    @property
    def problem(self) -> str | None:
        """What is wrong now, in one line; None when all is well."""
        if self._failure is not None or not self._denials:
            return self._failure
        others = len(self._denials) - 1
        return next(reversed(self._denials)) + (f" (and {counted(others, 'more denial')})" if others else "")

    def counters(self) -> dict[str, int]:
        """`refused`, `failures` and `reconnects`, as in the state."""
        return {"refused": self.refused, "failures": self.failures, "reconnects": max(0, self.connects - 1)}

    def connected(self) -> None:
        """Report that the broker has accepted the connection."""
        if self._in_a_row:
            _log.info("connected to the broker %s, after %s", self._where, counted(self._in_a_row, "failure"))
        elif not self.connects:
            _log.info("connected to the broker %s", self._where)
        self.connects += 1
        self._in_a_row, self._failure, self._denials = 0, None, {}

    def failed(self, text: str) -> None:
        """Report that there is no connection."""
        self._in_a_row += 1
        if text != self._failure:
            _log.warning("%s; trying again (failures in a row: %d)", text, self._in_a_row)
        self._failure = text
        self.failures += 1

    def denied(self, what: str, reason: str, client: str) -> bool:
        """Report that the broker denies something to the client; True if this is new on this connection."""
        text = f"the broker denies {what}: {reason}; its access list must allow {client}"
        new = text not in self._denials
        if new:
            _log.warning("%s (denied so far: %d)", text, self.refused)
        # Replaced as a whole, since another thread may be iterating over it.
        self._denials = {**self._denials, text: None}
        self.refused += 1
        return new


# A broker that was down for an hour is found within five seconds of its return; an attempt costs a hundred bytes.
_MIN_DELAY, _MAX_DELAY = 1.0, 4.0
# After a connection that lasted this many seconds the delay starts from the minimum.
_STABLE = 10.0


class Backoff:
    """Doubles the time between the starts of two attempts with each failure in a row, from one to four seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._delay = _MIN_DELAY
        self._began = clock.monotonic()

    def begin(self) -> None:
        """Note the start of an attempt."""
        self._began = self._clock.monotonic()

    def pause(self) -> float:
        """Note its end; returns the seconds to wait."""
        took = self._clock.monotonic() - self._began
        delay = _MIN_DELAY if took > _STABLE else self._delay
        self._delay = min(2 * delay, _MAX_DELAY)
        # Devices that lost their broker at the same moment must not all come back at the same moment.
        return max(_MIN_DELAY, delay - took) * random.uniform(0.75, 1.0)  # noqa: S311 - spreads, and keeps no secret
