"""From a corpus of embeddings to the figures that `edgeface evaluate` reports, and to a calibration table."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeface.core.errors import GalleryError
from edgeface.evaluation import identification
from edgeface.evaluation import rates as evaluation_rates
from edgeface.evaluation.corpus import GOOD, NO_FACE, UNREADABLE
from edgeface.evaluation.identification import Setup
from edgeface.evaluation.rates import Pairs, roc
from edgeface.faces.calibration import RULE_OF_30, TARGETS, CalibrationRow, CalibrationTable
from edgeface.recognition.decision import MARGIN

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edgeface.evaluation.corpus import PairList, PhotoSet
    from edgeface.evaluation.rates import Everyone, Floats, Interval


if TYPE_CHECKING:
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


def acquisition(corpus: PhotoSet) -> Figures:
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


def verification(corpus: PhotoSet, pairs: PairList) -> tuple[Figures, Pairs]:
    """The figures of a list of pairs, and its scores; a photo without a face is never accepted."""
    scores = np.einsum("ij,ij->i", corpus.embeddings[pairs.first], corpus.embeddings[pairs.second])
    both = corpus.acquired[pairs.first] & corpus.acquired[pairs.second]
    person = corpus.person
    scored = Pairs(np.where(both, scores, -1.0), pairs.same, person[pairs.first], person[pairs.second])
    by_fold = evaluation_rates.accuracy_by_fold(scored, pairs.fold)
    intervals = {far: evaluation_rates.tmr_interval(scored, far, _ROUNDS, _rng()) for far in FARS}
    return {
        "pairs": int(pairs.same.size),
        "genuine": int(pairs.same.sum()),
        "accuracy": float(by_fold.mean()),
        "accuracy_by_fold": [float(rate) for rate in by_fold],
        "accuracy_sd": float(by_fold.std(ddof=1)),
        "auc": evaluation_rates.auc(scored.scores, scored.same),
        "eer": evaluation_rates.eer(scored.scores, scored.same),
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


def identify(corpus: PhotoSet, table: CalibrationTable | None, setups: Sequence[Setup] = SETUPS) -> list[Figures]:
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


def _levels(searches: identification.Searches, table: CalibrationTable, people: int) -> Figures:
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


def calibration(corpus: PhotoSet, everyone: Everyone, embedder: str, landmarker: str, data: str) -> CalibrationTable:
    """The table of an embedder; GalleryError when the photos are too few to show anything."""
    rates, bounds, cosines = everyone.fmr(), everyone.upper_bounds(), evaluation_rates.thresholds()
    false = rates * everyone.comparisons
    shown = [i for i in range(0, evaluation_rates.BINS, _EVERY) if rates[i] <= _HIGHEST_FMR and false[i] >= RULE_OF_30]
    if not shown:
        raise GalleryError("too few photos for a calibration table: not even 30 false matches to count")
    rows = tuple(CalibrationRow(round(float(cosines[i]), 4), _short(rates[i]), _short(bounds[i])) for i in shown)
    person = corpus.person[corpus.acquired]
    return CalibrationTable(embedder, landmarker, data, np.unique(person).size, person.size, everyone.comparisons, rows)


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


ROC, DET = "accuracy-roc.png", "accuracy-det.png"
"""Names of the files."""

_INK, _GRID, _LINE = "#333333", "#dddddd", "#1f5fa8"


def require_matplotlib() -> None:
    """Raise GalleryError when plots cannot be drawn."""
    try:
        import matplotlib as mpl
    except ModuleNotFoundError as error:
        raise GalleryError("plots need matplotlib: pip install edgeface[evaluate]") from error
    mpl.use("Agg")


def draw(folder: Path, fmr: Floats, fnmr: Floats, pairs: Pairs | None) -> list[Path]:
    """Draw DET from all-against-all rates, and ROC from the pairs if there are any; the files written."""
    require_matplotlib()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        drawn = [_det(folder / DET, fmr, fnmr)]
        return drawn if pairs is None else [*drawn, _roc(folder / ROC, pairs)]
    except OSError as error:
        raise GalleryError(f"{folder}: cannot be written ({error.strerror})") from error


def _det(file: Path, fmr: Floats, fnmr: Floats) -> Path:
    figure, axes = _empty("false match rate (FMR)", "false non-match rate (FNMR)")
    shown = fnmr > 0
    axes.loglog(fmr[shown], fnmr[shown], color=_LINE)
    axes.set_title("DET, all photos against all others", color=_INK)
    axes.set_xlim(max(1e-7, float(fmr.min())), 0.1)
    return _save(figure, file)


def _roc(file: Path, pairs: Pairs) -> Path:
    figure, axes = _empty("false accept rate (FAR)", "true match rate (TMR)")
    far, tmr = roc(pairs.scores, pairs.same)
    axes.step(np.maximum(far, 1 / (2 * max(1, (~pairs.same).sum()))), tmr, where="post", color=_LINE)
    axes.set_xscale("log")
    axes.set_ylim(max(0.0, float(np.min(tmr[far > 0], initial=1.0)) - 0.02), 1.002)
    axes.set_title("ROC, the listed pairs", color=_INK)
    return _save(figure, file)


def _empty(x: str, y: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x, color=_INK)
    axes.set_ylabel(y, color=_INK)
    axes.grid(visible=True, which="both", color=_GRID, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Any, file: Path) -> Path:
    # Without its version in the file, two runs give the same bytes.
    figure.savefig(file, dpi=120, metadata={"Software": None})
    return file
