"""Makes the rows of a calibration table from photos of people: pure functions of arrays.

The base is the rate of one photo against one photo, which has the most pairs of people behind it. Other kinds of
comparison reach the same rate at a higher cosine; the table is the base moved up by the largest of these offsets. Below
the lowest rate that a kind itself can show, its last offset is kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgeface.core.errors import GalleryError
from edgeface.evaluation import rates
from edgeface.evaluation.impostors import KINDS, SINGLE, false_matches
from edgeface.evaluation.tail import DECADE, extrapolate, has_tail, last_shown
from edgeface.faces.calibration import RULE_OF_30, CalibrationRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edgeface.evaluation.impostors import FalseMatches, Floats, Ints, Kind

    Curves = Mapping[Kind, FalseMatches]

# Every fourth threshold: steps of 0.002 in cosine, a tenth of the difference between two templates of one photo.
_STEP = 4
# No level allows more.
_MAX_FMR = 0.2
# The last offset of a kind is the median over this ratio of rates: half a decade.
_HELD = 3.2


@dataclass(frozen=True, slots=True)
class Fit:
    """The rows of a table, by rising cosine."""

    rows: tuple[CalibrationRow, ...]
    """From the data."""
    estimated: tuple[CalibrationRow, ...]
    """From the tail model, for one decade more."""
    pairs: int
    """Pairs of people behind the base."""


def measure(
    embeddings: Floats, person: Ints, rng: np.random.Generator, kinds: Iterable[Kind] = KINDS
) -> dict[Kind, FalseMatches]:
    """The false matches of each kind of comparison for which someone has enough photos."""
    found = {kind: false_matches(embeddings, person, kind, rng) for kind in kinds}
    return {kind: matches for kind, matches in found.items() if matches is not None}


def fit(curves: Curves, rng: np.random.Generator) -> Fit:
    """The rows of the table; raises GalleryError if there are too few people for a single row."""
    base = curves[SINGLE]
    end = last_shown(base)
    data = np.arange(end % _STEP, end + 1, _STEP)
    data = data[base.fmr[data] <= _MAX_FMR]
    if end < 0 or not data.size:
        raise GalleryError(f"too few people for a calibration table: fewer than {RULE_OF_30} false matches")
    moved = offset(curves, base.fmr[data])
    rows = _rows(data, moved, base.fmr[data], base.count[data])
    return Fit(rows, _estimated(base, end, rows[-1], float(moved[-1]), rng), base.pairs)


def _estimated(
    base: FalseMatches, end: int, last: CalibrationRow, moved: float, rng: np.random.Generator
) -> tuple[CalibrationRow, ...]:
    """The rows of the tail model after the last one from the data, with the upper ends of their intervals."""
    beyond = np.arange(end + _STEP, rates.BINS, _STEP)
    if not has_tail(base, end):
        return ()
    tail = extrapolate(base, end, beyond, rng)
    # Look-alikes and relatives are beyond any model: no row states less than what was counted.
    stated = _falling(np.maximum(tail.upper, base.fmr[beyond]))
    used = (tail.rate >= last.fmr / DECADE) & (stated < last.fmr)
    return _rows(beyond[used], np.full(int(used.sum()), moved), stated[used], base.count[beyond[used]])


def offset(curves: Curves, wanted: Floats) -> Floats:
    """How much higher than for single photos the cosine must be, so that no kind exceeds these falling rates."""
    found = np.zeros(wanted.size)
    for kind, matches in curves.items():
        end = last_shown(matches)
        if kind == SINGLE or end < 0:
            continue
        own = _cosine(matches.fmr, wanted) - _cosine(curves[SINGLE].fmr, wanted)
        shown = wanted >= matches.fmr[end]
        held = shown & (wanted <= matches.fmr[end] * _HELD)
        if held.any():
            found = np.maximum(found, np.where(shown, own, float(np.median(own[held]))))
    return found


def short(rate: float) -> float:
    """Four digits, rounded up so that a bound stays a bound."""
    digits = 4 - math.ceil(math.log10(rate))
    return float(math.ceil(round(rate * 10**digits, 6)) / 10**digits)


def _rows(at: Ints, moved: Floats, fmr: Floats, count: Floats) -> tuple[CalibrationRow, ...]:
    """One row for each threshold; of rows with the same cosine, the one with the higher rate."""
    cosines = np.maximum.accumulate(np.round(rates.thresholds()[at] + moved, 4))
    first = np.concatenate([[True], np.diff(cosines) > 0]) if at.size else np.zeros(0, bool)
    return tuple(
        CalibrationRow(round(float(cosine), 4), short(float(rate)), round(float(pairs), 1))
        for cosine, rate, pairs in zip(cosines[first], fmr[first], count[first], strict=True)
    )


def _cosine(fmr: Floats, wanted: Floats) -> Floats:
    """The lowest threshold with at most each of the wanted rates."""
    lowest: Floats = rates.thresholds()[np.searchsorted(-fmr, -wanted)]
    return lowest


def _falling(values: Floats) -> Floats:
    """Values that never rise, none below the given one."""
    falling: Floats = np.maximum.accumulate(values[::-1])[::-1]
    return falling
