"""Lets something costly be done by one at a time, and not too often."""

from __future__ import annotations

import math
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edgeface.web.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.clock import Clock


class Turn:
    """The right to do it; any thread may ask for it."""

    def __init__(self, seconds: float) -> None:
        """`seconds` must pass between two beginnings."""
        self._seconds = seconds
        self._lock = threading.Lock()
        self._begun: tuple[Clock, float] | None = None

    @contextmanager
    def taken(self, clock: Clock) -> Iterator[None]:
        """Have it; Problem 429 while another has it, or too soon after."""
        if not self._lock.acquire(blocking=False):
            raise _later(self._seconds)
        try:
            now = clock.monotonic()
            # Times of two clocks cannot be compared.
            if self._begun is not None and self._begun[0] is clock and now - self._begun[1] < self._seconds:
                raise _later(self._seconds - (now - self._begun[1]))
            self._begun = clock, now
            yield
        finally:
            self._lock.release()


def _later(seconds: float) -> Problem:
    wait = max(1, math.ceil(seconds))
    return Problem(429, detail=f"it has just been done: again in {wait} s", headers={"Retry-After": str(wait)})
