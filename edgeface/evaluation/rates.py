"""Error rates from scores, in the terms of ISO/IEC 19795-1: pure functions of arrays.

A comparison is accepted if its score is at or above the threshold. FMR: the share of impostor comparisons accepted;
FNMR: the share of genuine ones rejected; TMR = 1 - FNMR. Intervals come from resampling people, because comparisons
that share a person are not independent (Bolle, Ratha, Pankanti, CVIU 93, 2004: the subset bootstrap).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.floating]
    Ints = NDArray[np.integer]
    Flags = NDArray[np.bool_]

BINS = 2000
"""Bins of the all-against-all histograms, from a cosine of 0 to 1; the first includes everything below 0."""

# Rows of photos scored at once: 256 x 10,000 float32 are 10 MB.
_BLOCK = 256


class Interval(NamedTuple):
    """A rate with its two-sided 95 % interval over people."""

    rate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class ScoredPairs:
    """Scored comparisons of two photos each."""

    scores: Floats
    same: Flags
    first: Ints
    """Numbers of the people compared, 0 to the number of people - 1."""
    second: Ints

    @property
    def people(self) -> int:
        """How many people there are."""
        return int(max(self.first.max(), self.second.max())) + 1


def accuracy_by_fold(pairs: ScoredPairs, folds: Ints) -> Floats:
    """Share of correct answers in each fold, at the best threshold of all other folds (the protocol of LFW)."""
    rates = []
    for fold in np.unique(folds):
        test = folds == fold
        threshold = best_threshold(pairs.scores[~test], pairs.same[~test])
        rates.append(float(((pairs.scores[test] >= threshold) == pairs.same[test]).mean()))
    return np.array(rates)


def best_threshold(scores: Floats, same: Flags) -> float:
    """The score at which most answers are correct; the highest if there are several."""
    order = np.argsort(scores, kind="stable")
    ordered, genuine = scores[order], same[order]
    # Correct at the threshold ordered[i]: impostors below it, and genuine ones at or above it.
    correct = np.concatenate([[0], np.cumsum(~genuine)[:-1]]) + np.cumsum(genuine[::-1])[::-1]
    starts = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    return float(ordered[starts][::-1][np.argmax(correct[starts][::-1])])


def auc(scores: Floats, same: Flags) -> float:
    """Area under the ROC curve: the chance that a genuine score is above an impostor score; a tie counts half."""
    impostors = np.sort(scores[~same])
    genuine = scores[same]
    below = np.searchsorted(impostors, genuine, "left") + np.searchsorted(impostors, genuine, "right")
    return float(below.mean() / (2 * impostors.size))


def roc(scores: Floats, same: Flags) -> tuple[Floats, Floats]:
    """FAR and TMR with each score as the threshold, from the highest down; the first point is 0, 0."""
    cuts = np.unique(scores)[::-1]
    rates = [1 - np.searchsorted(np.sort(scores[which]), cuts, "left") / max(1, which.sum()) for which in (~same, same)]
    far, accepted = (np.concatenate([[0.0], rate]) for rate in rates)
    return far, accepted


def eer(scores: Floats, same: Flags) -> float:
    """Equal error rate: the mean of FMR and FNMR at the threshold where they differ least."""
    far, accepted = roc(scores, same)
    missed = 1 - accepted
    nearest = int(np.argmin(np.abs(far - missed)))
    return float((far[nearest] + missed[nearest]) / 2)


def tmr(scores: Floats, same: Flags, far: float, weights: Floats | None = None) -> float:
    """Share of genuine pairs accepted if at most `far` of the impostor pairs are; `weights` repeat pairs.

    NaN if there are too few impostor pairs to show `far`: fewer than 1 / far.
    """
    weights = np.ones(scores.size) if weights is None else weights
    impostors, heavy = scores[~same], weights[~same]
    if heavy.sum() * far < 1 - 1e-9 or not weights[same].any():
        return math.nan
    order = np.argsort(-impostors, kind="stable")
    over = np.cumsum(heavy[order]) > far * heavy.sum() + 1e-9
    highest_rejected = impostors[order][np.argmax(over)]
    return float(np.average(scores[same] > highest_rejected, weights=weights[same]))


def tmr_interval(pairs: ScoredPairs, far: float, rounds: int, rng: np.random.Generator) -> Interval:
    """TMR at a FAR with its bootstrap interval: people are drawn with replacement, pairs as often as both people."""

    def drawn(weights: Floats) -> float:
        both = np.where(pairs.same, weights[pairs.first], weights[pairs.first] * weights[pairs.second])
        return tmr(pairs.scores, pairs.same, far, both)

    return bootstrap(tmr(pairs.scores, pairs.same, far), drawn, pairs.people, rounds, rng)


@dataclass(frozen=True, slots=True, eq=False)
class AllPairs:
    """All photos against all others: the number of comparisons in each bin of cosine."""

    impostor: Ints
    """People x bins: comparisons of a person's photos with others' photos; each comparison counts for both people."""
    genuine: Ints
    """People x bins: comparisons of two photos of the person."""

    @property
    def comparisons(self) -> int:
        """Impostor comparisons."""
        return int(self.impostor.sum()) // 2

    def fmr(self) -> Floats:
        """FMR at each threshold of `thresholds()`."""
        return from_above(self.impostor.sum(axis=0)) / max(1, int(self.impostor.sum()))

    def fnmr(self) -> Floats:
        """FNMR at each threshold of `thresholds()`."""
        return 1 - from_above(self.genuine.sum(axis=0)) / max(1, int(self.genuine.sum()))

    def fnmr_per_person(self, threshold: float) -> float:
        """FNMR at a threshold, the mean over the people who have two photos or more."""
        own = self.genuine[self.genuine.sum(axis=1) > 0]
        missed = own[:, : max(0, round(threshold * BINS))].sum(axis=1) / own.sum(axis=1)
        return float(missed.mean())

    def fnmr_at(self, fmr: float, rounds: int, rng: np.random.Generator) -> tuple[Interval, float]:
        """FNMR, with its bootstrap interval, and the threshold at which FMR is at most `fmr`."""
        if self.comparisons * fmr < 1 or not self.genuine.any():
            return Interval(math.nan, math.nan, math.nan), math.nan
        # As floats, which numpy multiplies twenty times as fast as integers.
        every, own = self.impostor.astype(np.float64), self.genuine.astype(np.float64)
        false, involved = every.sum(axis=0), every.sum(axis=1)

        def drawn(weights: Floats) -> float:
            # w_a w_b = 1 + (w_a - 1) + (w_b - 1) to the first order: the sum over people less the sum over pairs.
            drawn_false = np.maximum(0, weights @ every - false / 2)
            above = from_above(drawn_false) / max(1.0, float(weights @ involved - involved.sum() / 2))
            genuine = weights @ own
            missed = 1 - from_above(genuine) / max(1.0, float(genuine.sum()))
            return float(missed[_first(above <= fmr)])

        at = _first(self.fmr() <= fmr)
        interval = bootstrap(float(self.fnmr()[at]), drawn, len(self.genuine), rounds, rng)
        return interval, float(thresholds()[at])


def thresholds() -> Floats:
    """The lower edges of the bins: 0, 0.0005, ..., 0.9995."""
    return np.arange(BINS) / BINS


def compare_all(embeddings: Floats, person: Ints, progress: Callable[[int], object], block: int = _BLOCK) -> AllPairs:
    """Score n x d embeddings of length one, all against all.

    `person` has n numbers; `progress` gets the number of rows done, `block` by block.
    """
    people = int(person.max()) + 1
    impostor, genuine = (np.zeros(people * BINS, np.int64) for _ in range(2))
    for rows in (slice(start, start + block) for start in range(0, len(embeddings), block)):
        # Half a millionth, so that rounding does not move a score that is exactly a bin's edge into the bin below.
        bins = np.clip(np.floor((embeddings[rows] @ embeddings.T + 5e-7) * BINS), 0, BINS - 1).astype(np.int64)
        cells = person[rows, None].astype(np.int64) * BINS + bins
        same = person[rows, None] == person[None]
        impostor += np.bincount(cells[~same], minlength=impostor.size)
        np.put_along_axis(same, np.arange(len(embeddings))[rows, None], values=False, axis=1)
        genuine += np.bincount(cells[same], minlength=genuine.size)
        progress(len(bins))
    return AllPairs(impostor.reshape(people, BINS), genuine.reshape(people, BINS) // 2)


def from_above(counts: NDArray[np.generic]) -> Floats:
    """Counts in each bin and all higher ones, along the last axis."""
    summed: Floats = np.cumsum(counts[..., ::-1], axis=-1)[..., ::-1]
    return summed


def _first(holds: Flags) -> int:
    """The index of the first true element; the last index if there is none."""
    return int(np.argmax(holds)) if holds.any() else holds.size - 1


def bootstrap(
    whole: float, drawn: Callable[[Floats], float], people: int, rounds: int, rng: np.random.Generator
) -> Interval:
    """A rate with its 95 % interval: `drawn` gives it again for each person's weight, people drawn with replacement."""
    if math.isnan(whole):
        return Interval(whole, whole, whole)
    weights = (rng.multinomial(people, np.full(people, 1 / people)).astype(np.float64) for _ in range(rounds))
    found = np.array([drawn(one) for one in weights])
    low, high = np.nanpercentile(found, [2.5, 97.5]) if np.isfinite(found).any() else (math.nan, math.nan)
    return Interval(whole, float(low), float(high))
