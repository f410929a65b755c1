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

PAIR_TRIES, PAIR_SECONDS = 5, 60.0
"""Failed tries of one account from one address until it must wait, and the seconds until each further try."""
ADDRESS_TRIES, ADDRESS_SECONDS = 20, 3.0
"""The same for one address, whatever the account."""
ACCOUNT_TRIES, ACCOUNT_SECONDS = 100, 36.0
"""The same for one account, from all addresses at which it has not signed in before (NIST SP 800-63B-4, 3.2.2: at most
100 in a row)."""
ALL_TRIES, ALL_SECONDS = 20, 0.25
"""Failed tries of all together until the next check is delayed, and the seconds between two such checks: they take a
quarter of a core at most (x86-64, 50 ms each)."""
REPORT_SECONDS = 3600.0
"""Seconds between two reports of too many failures."""

_MAX_BUCKETS = 4096
"""Of pairs, and of addresses."""
_MAX_KNOWN = 512
"""Pairs of an account and an address at which it has signed in."""


class Cooldown:
    """Lets a task run once at a time, and not again too soon; any thread may use it."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        """`seconds` must pass between two starts."""
        self._seconds, self._clock = seconds, clock
        self._lock = threading.Lock()
        self._started = float("-inf")

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold the task. Raises Problem 429 while another holds it, or too soon after the last start."""
        if not self._lock.acquire(blocking=False):
            raise too_soon(self._seconds)
        try:
            now = self._clock.monotonic()
            if now - self._started < self._seconds:
                raise too_soon(self._seconds - (now - self._started))
            self._started = now
            yield
        finally:
            self._lock.release()


def too_soon(seconds: float, why: str = "this was done a moment ago") -> Problem:
    """Problem 429: retry after so many seconds."""
    wait = max(1, math.ceil(seconds))
    return Problem(429, detail=f"{why}: retry in {wait} s", headers={"Retry-After": str(wait)})


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Buckets:
    """Token buckets of one size, by key; the oldest is dropped when there are too many."""

    def __init__(self, tries: int, seconds: float) -> None:
        self._tries, self._seconds = tries, seconds
        self._all: OrderedDict[object, _Bucket] = OrderedDict()

    def wait(self, key: object, now: float) -> float:
        """The seconds until the bucket has a token; 0 if it has one."""
        bucket = self._all.pop(key, None) or _Bucket(self._tries, now)
        self._all[key] = bucket
        if len(self._all) > _MAX_BUCKETS:
            self._all.popitem(last=False)
        bucket.left, bucket.at = min(self._tries, bucket.left + (now - bucket.at) / self._seconds), now
        return 0.0 if bucket.left >= 1 else (1 - bucket.left) * self._seconds

    def take(self, key: object) -> None:
        """Take a token."""
        self._all[key].left -= 1

    def give_back(self, key: object) -> None:
        """Give a token back."""
        if key in self._all:
            self._all[key].left = min(self._tries, self._all[key].left + 1)

    def fill(self, key: object) -> None:
        """Give all tokens back."""
        self._all.pop(key, None)


class LinkThrottle:
    """Each wrong token of a link takes one try of its address; for the web's thread only.

    Nothing limits those of all addresses together: that would delay a right one, and a token has too many bits to be
    guessed from any number of addresses.
    """

    def __init__(self, clock: Clock, tries: int = ADDRESS_TRIES, seconds: float = ADDRESS_SECONDS) -> None:
        """`tries` wrong ones until an address must wait, and the seconds until each further one."""
        self._clock = clock
        self._addresses = Buckets(tries, seconds)

    def wait(self, address: str) -> float:
        """Seconds until a wrong token of this address may be tried again; 0 for now."""
        return self._addresses.wait(address, self._clock.monotonic())

    def failed(self, address: str) -> None:
        """A token that `wait` let pass was wrong."""
        # The bucket may have been dropped meanwhile.
        self.wait(address)
        self._addresses.take(address)


class LoginThrottle:
    """Each try takes a token of its account and its address, a correct password returns it; for the web's thread only.

    Wrong passwords from elsewhere do not keep an account out at an address at which it has signed in since the start.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pairs = Buckets(PAIR_TRIES, PAIR_SECONDS)
        self._addresses = Buckets(ADDRESS_TRIES, ADDRESS_SECONDS)
        self._accounts = Buckets(ACCOUNT_TRIES, ACCOUNT_SECONDS)
        self._every = Buckets(ALL_TRIES, ALL_SECONDS)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._reported = float("-inf")

    def begin(self, account: str, address: str) -> float:
        """Take a try of an account, whether it exists or not; gives 0, or the seconds to wait if none is left."""
        now, pair = self._clock.monotonic(), (account, address)
        kinds: list[tuple[Buckets, object]] = [(self._pairs, pair), (self._addresses, address)]
        if not self.knows(account, address):
            kinds.append((self._accounts, account))
        wait = max(buckets.wait(key, now) for buckets, key in kinds)
        if wait == 0:
            for buckets, key in kinds:
                buckets.take(key)
        return wait

    def pause(self) -> float:
        """Seconds until the next check may begin, after many failures; call it once for each check."""
        wait = self._every.wait(None, self._clock.monotonic())
        self._every.take(None)
        return wait

    def knows(self, account: str, address: str) -> bool:
        """Whether the account has signed in at this address."""
        return (account, address) in self._known

    def succeeded(self, account: str, address: str) -> None:
        """Give the account all its tries at this address back, and this try of the others."""
        self._pairs.fill((account, address))
        self._addresses.give_back(address)
        self._accounts.give_back(account)
        self._every.give_back(None)
        self._known[account, address] = None
        self._known.move_to_end((account, address))
        if len(self._known) > _MAX_KNOWN:
            self._known.popitem(last=False)

    def report_due(self) -> bool:
        """Whether to report too many failures now: once in REPORT_SECONDS."""
        now = self._clock.monotonic()
        if now - self._reported < REPORT_SECONDS:
            return False
        self._reported = now
        return True
