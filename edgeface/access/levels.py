"""What each security level accepts for the people who may pass a door, and the level that a claim reaches there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from edgeface.core.types import LEVELS

if TYPE_CHECKING:
    from edgeface.core.settings import Level
    from edgeface.core.types import Claim, LevelBasis


class LevelLimit(NamedTuple):
    """What one level accepts for a number of people who may be meant."""

    level: Level
    cosine: float | None
    """The smallest that guarantees the level; None if nothing does for so many people."""
    most: int
    """The largest number of people that the level can be guaranteed for."""
    basis: LevelBasis = "measured"
    """Of `cosine`."""
    most_estimated: int = 0
    """As `most`, with estimated rows."""


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """What a door accepts; without levels, nothing."""

    people: int = 0
    """How many of those who may pass by the face alone are enrolled."""
    levels: tuple[LevelLimit, ...] = ()
    """From lax to strict."""
    one_to_one: tuple[LevelLimit, ...] = ()
    """The same where a second factor names the person."""

    def of(self, level: Level) -> LevelLimit:
        """The limit of one level; one that is missing cannot be guaranteed."""
        return next((one for one in self.levels if one.level == level), LevelLimit(level, None, 0))

    def judged(self, claim: Claim, required: Level) -> Claim:
        """The claim with the strictest level that it reaches; an estimated one only if no measured one is enough.

        With a look-alike enrolled, it never reaches high. With a second factor, it reaches any level, and none if the
        face may be the look-alike's.
        """
        named = claim.expected is not None
        # Each by itself: the minimum with NaN may be the other number.
        reached = [
            one
            for one in (self.one_to_one if named else self.levels)
            if one.cosine is not None and claim.score >= one.cosine and claim.newest >= one.cosine
            if not (claim.look_alike and (named or one.level == "high"))
        ]
        enough = [one for one in reached if one.basis == "measured" and not laxer(one.level, required)] or reached
        if not enough:
            return replace(claim, level=None, level_basis="measured")
        best = max(enough, key=lambda one: LEVELS.index(one.level))
        return replace(claim, level=best.level, level_basis=best.basis)


def laxer(level: Level | None, than: Level) -> bool:
    """Whether a level is laxer than another; None is the laxest."""
    return level is None or LEVELS.index(level) < LEVELS.index(than)


def strictest(*levels: Level | None) -> Level:
    """The strictest of the levels that are given; there must be one."""
    return max((level for level in levels if level is not None), key=LEVELS.index)
