"""From a corpus of embeddings to the figures that `edgeface evaluate` reports, and to a calibration table."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeface import identification, metrics
from edgeface.corpus import GOOD, NO_FACE, UNREADABLE
from edgeface.errors import GalleryError
from edgeface.evidence import MARGIN
from edgeface.identification import Setup
from edgeface.levels import RULE_OF_30, TARGETS, Row, Table
from edgeface.metrics import Pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgeface.corpus import Corpus, PairList
    from edgeface.metrics import Everyone, Interval

    Figures = dict[str, Any]

FARS = (1e-2, 1e-3, 1e-4, 1e-5)
"""False accept (match) rates at which the true ones are reported."""

SETUPS = (
    *(Setup(people, 1, 1) for people in (5, 20, 100, 500)),
    *(Setup(people, 3, 1) for people in (5, 20, 100, 500)),
    *(Setup(people, 3, 5) for people in (5, 20, 100, 500)),
)
"""One photo against one, a few templates against one frame, and templates against a track."""

SEED = 20261122
"""Of every draw, so that two runs give the same figures."""

_ROUNDS = 300
_GALLERIES = 100
_FPIRS = (1e-2, 1e-3)
# Every fourth bin: steps of 0.002 in cosine, a tenth of what two templates of one photo differ by.
_EVERY = 4
# No level asks for more.
_HIGHEST_FMR = 0.2


def key(rate: float) -> str:
    """How a rate is named in the figures: 1e-3."""
    return f"1e{round(math.log10(rate))}"


def acquisition(corpus: Corpus) -> Figures:
    """Photos of which no template could be made, and photos that the daemon would not judge, by reason."""
    fates = Counter(corpus.fates)
    total = len(corpus.fates)
    failed = fates[NO_FACE] + fates[UNREADABLE]
    reasons = {fate: count for fate, count in sorted(fates.items()) if fate not in {GOOD, NO_FACE, UNREADABLE}}
    return {
        "photos": total,
        "people": int(corpus.person.max()) + 1,
        "failed": failed,
        "rate": failed / total,
        "no_face": fates[NO_FACE],
        "unreadable": fates[UNREADABLE],
        "not_judged": reasons,
    }


def verification(corpus: Corpus, pairs: PairList) -> tuple[Figures, Pairs]:
    """The figures of a list of pairs, and its scores; a photo without a face is never accepted."""
    scores = np.einsum("ij,ij->i", corpus.embeddings[pairs.first], corpus.embeddings[pairs.second])
    both = corpus.acquired[pairs.first] & corpus.acquired[pairs.second]
    person = corpus.person
    scored = Pairs(np.where(both, scores, -1.0), pairs.same, person[pairs.first], person[pairs.second])
    by_fold = metrics.accuracy_by_fold(scored, pairs.fold)
    intervals = {far: metrics.tmr_interval(scored, far, _ROUNDS, _rng()) for far in FARS}
    return {
        "pairs": int(pairs.same.size),
        "genuine": int(pairs.same.sum()),
        "accuracy": float(by_fold.mean()),
        "accuracy_by_fold": [float(rate) for rate in by_fold],
        "accuracy_sd": float(by_fold.std(ddof=1)),
        "auc": metrics.auc(scored.scores, scored.same),
        "eer": metrics.eer(scored.scores, scored.same),
        **_intervals("tmr", intervals),
    }, scored


def all_pairs(everyone: Everyone) -> Figures:
    """FNMR at fixed FMR, all photos against all others."""
    found = {far: everyone.fnmr_at(far, _ROUNDS, _rng()) for far in FARS}
    return {
        "impostor_comparisons": everyone.comparisons,
        "genuine_comparisons": int(everyone.genuine.sum()),
        **_intervals("fnmr_at_fmr", {far: interval for far, (interval, _) in found.items()}),
        "threshold_at_fmr": {key(far): _number(threshold) for far, (_, threshold) in found.items()},
    }


def identify(corpus: Corpus, table: Table | None, setups: Sequence[Setup] = SETUPS) -> list[Figures]:
    """FNIR against FPIR for each setup that the photos suffice for, and at the levels of `table` if there is one."""
    embeddings, person = corpus.embeddings[corpus.acquired], corpus.person[corpus.acquired]
    found = []
    for setup in setups:
        searches = identification.search(embeddings, person, setup, _GALLERIES, _rng())
        if searches is None:
            continue
        at = {fpir: searches.threshold_at(fpir) for fpir in _FPIRS}
        found.append(
            {
                **setup._asdict(),
                "searches": int(searches.mated.size),
                "strangers": searches.people,
                "rank_1": float(searches.right.mean()),
                "fnir_at_fpir": {key(f): None if math.isnan(t) else searches.fnir(t) for f, t in at.items()},
                "levels": {} if table is None else _levels(searches, table, setup.people),
            }
        )
    return found


def _levels(searches: identification.Searches, table: Table, people: int) -> Figures:
    """What the daemon would do at each level that can be shown for so many people."""
    found: Figures = {}
    for level in TARGETS:
        try:
            threshold = table.threshold(level, people)
        except GalleryError:
            continue
        found[level] = {
            "threshold": threshold,
            "fnir": searches.fnir(threshold),
            "fnir_with_margin": searches.fnir(threshold, MARGIN),
            "fpir": searches.fpir(threshold),
            "fpir_upper": searches.fpir_upper(threshold),
            "fpir_stated": table.accepts(threshold, people),
        }
    return found


def calibration(corpus: Corpus, everyone: Everyone, embedder: str, landmarker: str, data: str) -> Table:
    """The table of an embedder; GalleryError when the photos are too few to show anything."""
    rates, bounds, cosines = everyone.fmr(), everyone.upper_bounds(), metrics.thresholds()
    false = rates * everyone.comparisons
    shown = [i for i in range(0, metrics.BINS, _EVERY) if rates[i] <= _HIGHEST_FMR and false[i] >= RULE_OF_30]
    if not shown:
        raise GalleryError("too few photos for a calibration table: not even 30 false matches to count")
    rows = tuple(Row(round(float(cosines[i]), 4), _short(rates[i]), _short(bounds[i])) for i in shown)
    person = corpus.person[corpus.acquired]
    return Table(embedder, landmarker, data, np.unique(person).size, person.size, everyone.comparisons, rows)


def curve(everyone: Everyone) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """FMR and FNMR at rising thresholds, as far as FMR is not 0."""
    rates, missed = everyone.fmr(), everyone.fnmr()
    return rates[rates > 0], missed[rates > 0]


def _intervals(name: str, found: dict[float, Interval]) -> Figures:
    return {
        name: {key(rate): _number(interval.rate) for rate, interval in found.items()},
        f"{name}_interval": {
            key(rate): None if math.isnan(interval.low) else [interval.low, interval.high]
            for rate, interval in found.items()
        },
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _short(rate: float) -> float:
    """Four digits, rounded up: a bound must stay one."""
    digits = 4 - math.ceil(math.log10(rate))
    return float(math.ceil(round(rate * 10**digits, 6)) / 10**digits)


def _rng() -> np.random.Generator:
    return np.random.default_rng(SEED)
