"""How long to wait before the next attempt to connect."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeface.clock import Clock

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
