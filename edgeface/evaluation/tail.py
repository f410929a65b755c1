"""False match rates beyond the data: a tail model, its interval, and a test of it. Pure functions of arrays.

The logarithm of the rate is a parabola in the cosine, fitted on two decades of the data. This is the second-order
expansion of a light tail. On halves of the data whose own last decade is hidden, a generalised Pareto tail predicts 0.7
times the rate that is then seen, an exponential tail 1.4 times, and this one 1.1 times (docs/accuracy.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeface.evaluation.impostors import SINGLE, false_matches
from edgeface.evaluation.rates import thresholds
from edgeface.faces.calibration import RULE_OF_30

if TYPE_CHECKING:
    from edgeface.evaluation.impostors import FalseMatches, Floats, Ints

DECADE = 10
"""How far the model goes beyond the data, as a ratio of rates."""

# The model is fitted on the last two decades of the rates used, as far as they belong to the tail.
_FITTED = 100
_TAIL = 0.05
_RESAMPLES = 200
_NORMAL_975 = 1.959964
# Below any rate that can be counted, for a logarithm where there are none.
_TINY = 1e-12


class Tail(NamedTuple):
    """Rates from the tail model at some thresholds."""

    rate: Floats
    upper: Floats
    """The upper end of the two-sided 95 % interval over people."""


class Hidden(NamedTuple):
    """What the model says about a rate that was hidden from it."""

    predicted: float
    seen: float
    error: float
    """Standard error of the logarithm of predicted over seen, over people."""

    @property
    def covered(self) -> bool:
        """Whether the rate that is seen lies in the model's 95 % interval."""
        return bool(abs(np.log(self.predicted / self.seen)) <= _NORMAL_975 * self.error)


def last_shown(matches: FalseMatches) -> int:
    """The highest threshold, as an index, with RULE_OF_30 false matches; -1 if there is none."""
    shown = np.flatnonzero(matches.count >= RULE_OF_30)
    return int(shown[-1]) if shown.size else -1


def has_tail(matches: FalseMatches, end: int) -> bool:
    """Whether at least one decade of the tail lies before `end`: with less, nothing is extrapolated."""
    return end >= 0 and float(matches.fmr[end]) <= _TAIL / DECADE


def extrapolate(matches: FalseMatches, end: int, at: Ints, rng: np.random.Generator) -> Tail:
    """The rates at thresholds beyond `end`, the last one whose rate is used; both are indices. It must have a tail."""
    drawn = [_log_rates(curve, end, at) for curve in _resampled(matches, rng)]
    rate = np.exp(_log_rates(matches.fmr, end, at))
    return Tail(rate, rate * np.exp(_NORMAL_975 * np.std(drawn, axis=0)))


def hide_last_decade(embeddings: Floats, person: Ints, splits: int, rng: np.random.Generator) -> list[list[Hidden]]:
    """Fit on a half of the people without the last decade of their rates, and compare with it, in so many splits.

    Each split gives two rates: in the middle of the hidden decade, and at its end.
    """
    return [one for _ in range(splits) if (one := _split(embeddings, person, rng))]


def _split(embeddings: Floats, person: Ints, rng: np.random.Generator) -> list[Hidden]:
    people = int(person.max()) + 1
    own = (rng.permutation(people) < people // 2)[person]
    matches = false_matches(embeddings[own], np.unique(person[own], return_inverse=True)[1], SINGLE, rng)
    if matches is None:
        return []
    end = last_shown(matches)
    hidden, middle = (int(np.argmax(matches.fmr <= matches.fmr[end] * up)) for up in (DECADE, DECADE**0.5))
    if end < 0 or not has_tail(matches, hidden):
        return []
    at = np.array([middle, end])
    predicted, seen = np.exp(_log_rates(matches.fmr, hidden, at)), matches.fmr[at]
    drawn = [_log_rates(curve, hidden, at) - _log(curve[at]) for curve in _resampled(matches, rng)]
    return [Hidden(*map(float, one)) for one in zip(predicted, seen, np.std(drawn, axis=0), strict=True)]


def _log_rates(fmr: Floats, end: int, at: Ints) -> Floats:
    """The logarithm of the model's rates, fitted on the two decades that end at `end`."""
    start = int(np.argmax(fmr <= min(fmr[end] * _FITTED, _TAIL)))
    fitted, cosine = slice(start, end + 1), thresholds()
    middle = cosine[start]
    # Common rates are counted better than rare ones; equal weights would follow the noise at the end.
    weights = fmr[fitted] ** 0.25
    found = np.polyfit(cosine[fitted] - middle, _log(fmr[fitted]), 2, w=weights)
    if found[0] > 0:  # a rate must not rise again
        found = np.polyfit(cosine[fitted] - middle, _log(fmr[fitted]), 1, w=weights)
    rates: Floats = np.polyval(found, cosine[at] - middle)
    return rates


def _resampled(matches: FalseMatches, rng: np.random.Generator) -> list[Floats]:
    people = len(matches.enrolled)
    even = np.full(people, 1 / people)
    return [matches.drawn(rng.multinomial(people, even).astype(np.float64)) for _ in range(_RESAMPLES)]


def _log(rates: Floats) -> Floats:
    logarithm: Floats = np.log(np.maximum(rates, _TINY))
    return logarithm
