"""What `edgeface evaluate` reports of a PhotoSet: figures, plots, and the calibration table of an embedder."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeface.core.errors import GalleryError
from edgeface.evaluation import identification, rates
from edgeface.evaluation.identification import Setup
from edgeface.evaluation.photo_set import GOOD, NO_FACE, UNREADABLE
from edgeface.evaluation.rates import ScoredPairs
from edgeface.faces.calibration import RULE_OF_30, TARGETS, CalibrationRow, CalibrationTable
from edgeface.recognition.decision import MARGIN

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgeface.evaluation.photo_set import PairList, PhotoSet
    from edgeface.evaluation.rates import AllPairs, Floats, Interval

    Figures = dict[str, Any]

FARS = (1e-2, 1e-3, 1e-4, 1e-5)
"""False accept (match) rates at which the true ones are reported."""

SETUPS = tuple(Setup(people, *photos) for photos in ((1, 1), (3, 1), (3, 5)) for people in (5, 20, 100, 500))
"""One photo against one, templates against one frame, and templates against a track."""

SEED = 20261122
"""Seed of every random draw, so that two runs give the same figures."""

ROC, DET = "accuracy-roc.png", "accuracy-det.png"
"""File names of the plots."""

_ROUNDS = 300
_GALLERIES = 100
_FPIRS = (1e-2, 1e-3)
# Every fourth bin: steps of 0.002 in cosine, a tenth of the difference between two templates of one photo.
_BIN_STEP = 4
# No level allows more.
_MAX_FMR = 0.2
_INK, _GRID, _LINE = "#333333", "#dddddd", "#1f5fa8"


def acquisition(photo_set: PhotoSet) -> Figures:
    """Photos without a usable template, and photos that the daemon would reject, by reason."""
    outcomes = Counter(photo_set.outcomes)
    total = len(photo_set.outcomes)
    failed = outcomes[NO_FACE] + outcomes[UNREADABLE]
    return {
        "photos": total,
        "people": int(photo_set.person.max()) + 1,
        "failed": failed,
        "rate": failed / total,
        "no_face": outcomes[NO_FACE],
        "unreadable": outcomes[UNREADABLE],
        "not_judged": {one: outcomes[one] for one in sorted(outcomes.keys() - {GOOD, NO_FACE, UNREADABLE})},
    }


def verification(photo_set: PhotoSet, pairs: PairList) -> tuple[Figures, ScoredPairs]:
    """The figures of a list of pairs, and its scores; a pair with a photo without a face is never accepted."""
    scores = np.einsum("ij,ij->i", photo_set.embeddings[pairs.first], photo_set.embeddings[pairs.second])
    both = photo_set.acquired[pairs.first] & photo_set.acquired[pairs.second]
    person = photo_set.person
    scored = ScoredPairs(np.where(both, scores, -1.0), pairs.same, person[pairs.first], person[pairs.second])
    by_fold = rates.accuracy_by_fold(scored, pairs.fold)
    intervals = {far: rates.tmr_interval(scored, far, _ROUNDS, _rng()) for far in FARS}
    return {
        "pairs": int(pairs.same.size),
        "genuine": int(pairs.same.sum()),
        "accuracy": float(by_fold.mean()),
        "accuracy_by_fold": [float(rate) for rate in by_fold],
        "accuracy_sd": float(by_fold.std(ddof=1)),
        "auc": rates.auc(scored.scores, scored.same),
        "eer": rates.eer(scored.scores, scored.same),
        **_intervals("tmr", intervals),
    }, scored


def all_pairs(compared: AllPairs) -> Figures:
    """FNMR at fixed FMR, all photos against all others."""
    found = {far: compared.fnmr_at(far, _ROUNDS, _rng()) for far in FARS}
    return {
        "impostor_comparisons": compared.comparisons,
        "genuine_comparisons": int(compared.genuine.sum()),
        **_intervals("fnmr_at_fmr", {far: interval for far, (interval, _) in found.items()}),
        "threshold_at_fmr": {_key(far): _number(threshold) for far, (_, threshold) in found.items()},
    }


def identify(photo_set: PhotoSet, table: CalibrationTable | None, setups: Sequence[Setup] = SETUPS) -> list[Figures]:
    """FNIR at fixed FPIR for each setup that has enough photos, and at the levels of `table` if there is one."""
    embeddings, person = photo_set.embeddings[photo_set.acquired], photo_set.person[photo_set.acquired]
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
                "fnir_at_fpir": {_key(f): None if math.isnan(t) else searches.fnir(t) for f, t in at.items()},
                "levels": {} if table is None else _levels(searches, table, setup.people),
            }
        )
    return found


def _levels(searches: identification.Searches, table: CalibrationTable, people: int) -> Figures:
    """The daemon's error rates at each level that the table supports for this many people."""
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


def calibration(photo_set: PhotoSet, compared: AllPairs, embedder: str, landmarker: str, data: str) -> CalibrationTable:
    """Make the calibration table of an embedder; raises GalleryError if there are too few photos."""
    fmr, bounds, cosines = compared.fmr(), compared.upper_bounds(), rates.thresholds()
    false = fmr * compared.comparisons
    shown = [i for i in range(0, rates.BINS, _BIN_STEP) if fmr[i] <= _MAX_FMR and false[i] >= RULE_OF_30]
    if not shown:
        raise GalleryError(f"too few photos for a calibration table: fewer than {RULE_OF_30} false matches")
    rows = tuple(CalibrationRow(round(float(cosines[i]), 4), _short(fmr[i]), _short(bounds[i])) for i in shown)
    person = photo_set.person[photo_set.acquired]
    return CalibrationTable(embedder, landmarker, data, np.unique(person).size, person.size, compared.comparisons, rows)


def table_text(table: CalibrationTable) -> str:
    """A calibration table as JSON, one row per line."""
    facts = asdict(table)
    rows = ",\n".join("  " + json.dumps(list(row)) for row in facts.pop("rows"))
    head = ",\n".join(f" {json.dumps(name)}: {json.dumps(value)}" for name, value in facts.items())
    return f'{{\n{head},\n "rows": [\n{rows}\n ]\n}}\n'


def _intervals(name: str, found: dict[float, Interval]) -> Figures:
    return {
        name: {_key(rate): _number(interval.rate) for rate, interval in found.items()},
        f"{name}_interval": {
            _key(rate): None if math.isnan(interval.low) else [interval.low, interval.high]
            for rate, interval in found.items()
        },
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _short(rate: float) -> float:
    """Four digits, rounded up so that a bound stays a bound."""
    digits = 4 - math.ceil(math.log10(rate))
    return float(math.ceil(round(rate * 10**digits, 6)) / 10**digits)


def _rng() -> np.random.Generator:
    return np.random.default_rng(SEED)


def _key(rate: float) -> str:
    """The name of a rate in the figures, such as 1e-3."""
    return f"1e{round(math.log10(rate))}"


def require_matplotlib() -> None:
    """Raise GalleryError if matplotlib is missing."""
    try:
        import matplotlib as mpl
    except ModuleNotFoundError as error:
        raise GalleryError("plots need matplotlib: pip install edgeface[evaluate]") from error
    mpl.use("Agg")


def draw_plots(folder: Path, compared: AllPairs, pairs: ScoredPairs | None) -> list[Path]:
    """Draw DET of all photos against all others, and ROC of the pairs if there are any; returns the files written."""
    require_matplotlib()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        drawn = [_det(folder / DET, compared.fmr(), compared.fnmr())]
        return drawn if pairs is None else [*drawn, _roc(folder / ROC, pairs)]
    except OSError as error:
        raise GalleryError(f"{folder}: cannot be written ({error.strerror})") from error


def _det(file: Path, fmr: Floats, fnmr: Floats) -> Path:
    figure, axes = _empty("false match rate (FMR)", "false non-match rate (FNMR)")
    shown = (fmr > 0) & (fnmr > 0)
    axes.loglog(fmr[shown], fnmr[shown], color=_LINE)
    axes.set_title("DET, all photos against all others", color=_INK)
    axes.set_xlim(max(1e-7, float(fmr[fmr > 0].min())), 0.1)
    return _save(figure, file)


def _roc(file: Path, pairs: ScoredPairs) -> Path:
    figure, axes = _empty("false accept rate (FAR)", "true match rate (TMR)")
    far, tmr = rates.roc(pairs.scores, pairs.same)
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
    # Without matplotlib's version in the file, two runs write the same bytes.
    figure.savefig(file, dpi=120, metadata={"Software": None})
    return file
