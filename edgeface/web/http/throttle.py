"""Lets something costly be done by one at a time, and not too often."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeface.web.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.core.clock import Clock


class Cooldown:
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


ACCOUNT, ACCOUNT_SECONDS = 5, 60.0
"""Failures of one account in a row, and the seconds after which one more may be tried."""
ALL, ALL_SECONDS = 20, 3.0
"""The same for all accounts together."""
TELL_SECONDS = 3600.0

_KEPT = 256


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class LoginThrottle:
    """Token buckets; a try takes one out, and a right password puts it back. They belong to the web's thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._all = _Bucket(ALL, clock.monotonic())
        self._accounts: OrderedDict[str, _Bucket] = OrderedDict()
        self._told = float("-inf")

    def begin(self, account: str) -> float:
        """Take a try for an account, there or not; 0, or the seconds to wait, and then nothing is taken."""
        now = self._clock.monotonic()
        own = self._accounts.pop(account, None) or _Bucket(ACCOUNT, now)
        self._accounts[account] = own
        if len(self._accounts) > _KEPT:
            self._accounts.popitem(last=False)
        wait = max(_wait(own, now, ACCOUNT, ACCOUNT_SECONDS), _wait(self._all, now, ALL, ALL_SECONDS))
        if wait == 0:
            own.left -= 1
            self._all.left -= 1
        return wait

    def succeeded(self, account: str) -> None:
        """Give the account all its tries again."""
        self._accounts.pop(account, None)
        self._all.left = min(ALL, self._all.left + 1)

    def worth_telling(self) -> bool:
        """Whether too many failures are to be written down: once in TELL_SECONDS."""
        now = self._clock.monotonic()
        if now - self._told < TELL_SECONDS:
            return False
        self._told = now
        return True


def _wait(bucket: _Bucket, now: float, most: int, seconds: float) -> float:
    """Fill up by the time that has passed, and give the seconds until there is one in it."""
    bucket.left, bucket.at = min(most, bucket.left + (now - bucket.at) / seconds), now
    return 0.0 if bucket.left >= 1 else (1 - bucket.left) * seconds
