"""Whether the rates that a table states hold for other people: fitted on half of the people, tried on the rest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeface.core.errors import GalleryError
from edgeface.evaluation.calibration_fit import fit, measure
from edgeface.evaluation.identification import Setup, Visits, fpir_interval, strangers
from edgeface.faces.calibration import TARGETS, CalibrationTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from edgeface.core.settings import Level
    from edgeface.evaluation.identification import Flags, Floats, Ints
    from edgeface.evaluation.rates import Interval

SETUPS = tuple(Setup(people, *kind) for kind in ((1, 1), (3, 1), (1, 5), (3, 5)) for people in (5, 20, 100, 500))
"""Templates and frames as in the table's kinds, with galleries from a household to an office."""

_GALLERIES = 20
_ROUNDS = 300


class Row(NamedTuple):
    """One setup at one level, on people who are not in the table."""

    setup: Setup
    level: Level
    estimated: bool
    """Whether half of the people can only state it with the tail model."""
    stated: float
    """The mean over the splits."""
    measured: Interval
    """FPIR."""

    @property
    def holds(self) -> bool:
        """Whether the lower end of the interval is not above the stated rate."""
        return self.measured.low <= self.stated


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The result of all splits."""

    rows: tuple[Row, ...]
    missing: tuple[tuple[Setup, Level], ...]
    """Setups and levels for which there are too few people."""

    @property
    def ratio(self) -> float:
        """The geometric mean of measured over stated, over the rows with a false match; NaN without one."""
        ratios = [row.measured.rate / row.stated for row in self.rows if row.measured.rate > 0]
        return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else math.nan


class _Trial(NamedTuple):
    """One setup at one level in one split."""

    stated: float
    estimated: bool
    visits: Visits
    accepted: Flags


def held_out(
    embeddings: Floats,
    person: Ints,
    splits: int,
    rng: np.random.Generator,
    progress: Callable[[range], Iterable[int]] = iter,
    setups: Sequence[Setup] = SETUPS,
) -> HeldOut:
    """Fit a table on half of the people and try it on the others, in so many splits; `progress` yields each split.

    `embeddings` are n x d, of length one; `person` has n numbers, from 0.
    """
    every = [(setup, level) for setup in setups for level in TARGETS]
    trials: dict[tuple[Setup, Level], list[_Trial]] = {one: [] for one in every}
    for _ in progress(range(splits)):
        half = _half(person, rng)
        table = _table(embeddings[half], person[half], rng)
        for setup in setups:
            visits = strangers(embeddings[~half], person[~half], setup, _GALLERIES, rng)
            if table is None or visits is None:
                continue
            for level in TARGETS:
                trials[setup, level] += _trials(table, level, setup, visits)
    rows = tuple(_row(*one, trials[one], rng) for one in every if trials[one])
    return HeldOut(rows, tuple(one for one in every if not trials[one]))


def _half(person: Ints, rng: np.random.Generator) -> Flags:
    """Which photos are of people in a random half."""
    people = int(person.max()) + 1
    half: Flags = (rng.permutation(people) < people // 2)[person]
    return half


def _table(embeddings: Floats, person: Ints, rng: np.random.Generator) -> CalibrationTable | None:
    """The table of these people; None if they are too few."""
    numbers = np.unique(person, return_inverse=True)[1]
    try:
        made = fit(measure(embeddings, numbers, rng), rng)
    except GalleryError:
        return None
    return CalibrationTable("", "", "", int(numbers.max()) + 1, person.size, made.pairs, made.rows, made.estimated)


def _trials(table: CalibrationTable, level: Level, setup: Setup, visits: Visits) -> list[_Trial]:
    """The trial of one split; none if the table cannot guarantee the level for so many people."""
    most = table.most(level, estimated=True)
    if setup.people > most:
        return []
    threshold = table.threshold(level, setup.people, estimated=True)
    estimated = setup.people > table.most(level)
    return [_Trial(table.accepts(threshold, setup.people), estimated, visits, visits.score >= threshold)]


def _row(setup: Setup, level: Level, trials: list[_Trial], rng: np.random.Generator) -> Row:
    visits = Visits(*(np.concatenate(values) for values in zip(*(one.visits for one in trials), strict=True)))
    accepted = np.concatenate([one.accepted for one in trials])
    stated = float(np.mean([one.stated for one in trials]))
    measured = fpir_interval(visits, accepted, _ROUNDS, rng)
    return Row(setup, level, any(one.estimated for one in trials), stated, measured)
