"""How many of a door's reports are recorded; the rest are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import deque

MAX_RESULTS_PER_MINUTE = 10
"""Results of a door, refused factors at it, and its alarms, of each, that are recorded."""

_MINUTE = 60.0


def has_room(times: deque[float], now: float) -> bool:
    """Whether there are fewer than MAX_RESULTS_PER_MINUTE; then this one is added."""
    if len(times) == MAX_RESULTS_PER_MINUTE and now - times[0] < _MINUTE:
        return False
    times.append(now)
    return True
