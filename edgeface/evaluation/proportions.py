"""Exact limits of a proportion of independent trials, and how many trials a claim needs.

The intervals are those of Clopper and Pearson (Biometrika 26, 1934), which cover the truth at least as often as they
state, also where nothing was counted.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgeface.evaluation.rates import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

DOUBT = 0.05
"""How often a limit may be wrong: 95 % confidence."""

# Halvings of 0 to 1: beyond a double's precision.
_STEPS = 60


def interval(count: int, trials: int) -> Interval:
    """The proportion with its two-sided 95 % interval; there must be a trial."""
    low = _solve(lambda p: at_most(count - 1, trials, p) > 1 - DOUBT / 2) if count else 0.0
    return Interval(count / trials, low, _upper(count, trials, DOUBT / 2))


def upper_limit(count: int, trials: int) -> float:
    """What the proportion is at most, with a one-sided confidence of 95 %; 1 without trials."""
    return _upper(count, trials, DOUBT)


def trials_needed(claim: float, count: int = 0) -> int:
    """The fewest trials, of which `count` were counted, whose one-sided limit is below `claim`, which is above 0."""
    least, enough = count, count + 1
    while at_most(count, enough, claim) >= DOUBT:
        least, enough = enough, 2 * enough
    while enough - least > 1:
        middle = (least + enough) // 2
        least, enough = (middle, enough) if at_most(count, middle, claim) >= DOUBT else (least, middle)
    return enough


def at_most(count: int, trials: int, chance: float) -> float:
    """The probability that at most `count` of the trials succeed, each with `chance`, above 0 and below 1."""
    success, failure = math.log(chance), math.log1p(-chance)
    ways = (math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1) for k in range(count + 1))
    return math.fsum(math.exp(w + k * success + (trials - k) * failure) for k, w in enumerate(ways))


def _upper(count: int, trials: int, doubt: float) -> float:
    return 1.0 if count >= trials else _solve(lambda p: at_most(count, trials, p) > doubt)


def _solve(below: Callable[[float], bool]) -> float:
    """The number between 0 and 1 up to which `below` holds."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)
    return high
