"""How many wrong factors are possible: by person at one door, and by door over all people.

Pure functions of their input; times are monotonic seconds. docs/decisions/0020-second-factors.md explains the numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_WRONG = 5
"""Wrong PINs of one person at one door, in a row, that lock the number there."""
LOCK, MAX_LOCK = 900.0, 14_400.0
"""Seconds of the first lock, and of the longest: each further wrong PIN doubles it."""
BURST, REFILL = 10.0, 60.0
"""Wrong factors that a door takes at once, over all people, and the seconds after which it takes one more."""


class AttemptKey(NamedTuple):
    """What wrong factors are counted for: a door, or one person at a door."""

    door: str
    person: str | None = None


@dataclass(frozen=True, slots=True)
class PersonAttempts:
    """The wrong PINs of one person at one door since the last right one."""

    wrong: int = 0
    until: float = -math.inf
    """When the lock ends."""
    length: float = 0.0
    """Seconds of the latest lock; 0 before the first."""

    def locked(self, now: float) -> bool:
        """Whether no PIN is checked now."""
        return now < self.until

    def charged(self, now: float) -> PersonAttempts:
        """With one more wrong PIN; it is charged before the check, so that a power cut during it resets nothing."""
        wrong = self.wrong + 1
        if wrong < MAX_WRONG:
            return replace(self, wrong=wrong)
        length = min(2 * self.length or LOCK, MAX_LOCK)
        return PersonAttempts(wrong, now + length, length)

    def restarted(self, now: float) -> PersonAttempts:
        """As of a new run, whose monotonic clock is another one: the latest lock begins again."""
        return replace(self, until=now + self.length) if self.length else self

    def facts(self) -> dict[str, float]:
        """What is stored."""
        lock = {"until": self.until, "length": self.length} if self.length else {}
        return {"wrong": self.wrong, **lock}

    @classmethod
    def of(cls, facts: Mapping[str, Any] | None) -> PersonAttempts:
        """What `facts` gave; None is no wrong PIN."""
        return cls(**facts) if facts else cls()


@dataclass(frozen=True, slots=True)
class DoorAttempts:
    """The wrong factors of one door, as a token bucket: each takes a token, and tokens come back with time."""

    tokens: float = BURST
    at: float = -math.inf
    """When so many tokens were left."""

    def left(self, now: float) -> float:
        """The tokens at a later time."""
        return min(BURST, self.tokens + max(0.0, now - self.at) / REFILL)

    def paused(self, now: float) -> bool:
        """Whether no factor is checked now."""
        return self.left(now) < 1

    def charged(self, now: float) -> DoorAttempts:
        """With one more wrong factor, charged before the check."""
        return DoorAttempts(self.left(now) - 1, now)

    def restarted(self, now: float) -> DoorAttempts:
        """As of a new run: no token has come back in the meantime."""
        return replace(self, at=now)

    def facts(self) -> dict[str, float]:
        """What is stored."""
        return {"tokens": self.tokens, "at": self.at}

    @classmethod
    def of(cls, facts: Mapping[str, Any] | None) -> DoorAttempts:
        """What `facts` gave; None is no wrong factor."""
        return cls(**facts) if facts else cls()
