"""How often a password may be tried: by account and by all together, since addresses are cheap to change."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeface.clock import Clock

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


class Attempts:
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
