"""Limits on how often something costly may be done: a cooldown for one task, and a throttle for sign-in."""

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

ACCOUNT_TRIES, ACCOUNT_SECONDS = 5, 60.0
"""Failed tries of one account until it must wait, and the seconds until each further try."""
ALL_TRIES, ALL_SECONDS = 20, 3.0
"""The same for all accounts together."""
REPORT_SECONDS = 3600.0
"""Seconds between two reports of too many failures."""

_MAX_ACCOUNTS = 256


class Cooldown:
    """Lets a task run once at a time, and not again too soon; any thread may use it."""

    def __init__(self, seconds: float) -> None:
        """`seconds` must pass between two starts."""
        self._seconds = seconds
        self._lock = threading.Lock()
        self._started: tuple[Clock, float] | None = None

    @contextmanager
    def taken(self, clock: Clock) -> Iterator[None]:
        """Hold the task. Raises Problem 429 while another holds it, or too soon after the last start."""
        if not self._lock.acquire(blocking=False):
            raise _too_soon(self._seconds)
        try:
            now = clock.monotonic()
            # Times of two clocks cannot be compared.
            if self._started is not None and self._started[0] is clock and now - self._started[1] < self._seconds:
                raise _too_soon(self._seconds - (now - self._started[1]))
            self._started = clock, now
            yield
        finally:
            self._lock.release()


def _too_soon(seconds: float) -> Problem:
    wait = max(1, math.ceil(seconds))
    return Problem(429, detail=f"this was done a moment ago: retry in {wait} s", headers={"Retry-After": str(wait)})


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class LoginThrottle:
    """Token buckets: each try takes a token, a correct password returns them; used by the web's thread only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._all = _Bucket(ALL_TRIES, clock.monotonic())
        self._accounts: OrderedDict[str, _Bucket] = OrderedDict()
        self._reported = float("-inf")

    def begin(self, account: str) -> float:
        """Take a try for an account, whether it exists or not; gives 0, or the seconds to wait if none is left."""
        now = self._clock.monotonic()
        own = self._accounts.pop(account, None) or _Bucket(ACCOUNT_TRIES, now)
        self._accounts[account] = own
        if len(self._accounts) > _MAX_ACCOUNTS:
            self._accounts.popitem(last=False)
        wait = max(_wait(own, now, ACCOUNT_TRIES, ACCOUNT_SECONDS), _wait(self._all, now, ALL_TRIES, ALL_SECONDS))
        if wait == 0:
            own.left -= 1
            self._all.left -= 1
        return wait

    def succeeded(self, account: str) -> None:
        """Give all its tries back to the account."""
        self._accounts.pop(account, None)
        self._all.left = min(ALL_TRIES, self._all.left + 1)

    def report_due(self) -> bool:
        """Whether to report too many failures now: once in REPORT_SECONDS."""
        now = self._clock.monotonic()
        if now - self._reported < REPORT_SECONDS:
            return False
        self._reported = now
        return True


def _wait(bucket: _Bucket, now: float, size: int, seconds: float) -> float:
    """Refill a bucket for the time that has passed; gives the seconds until it has a token."""
    bucket.left, bucket.at = min(size, bucket.left + (now - bucket.at) / seconds), now
    return 0.0 if bucket.left >= 1 else (1 - bucket.left) * seconds
