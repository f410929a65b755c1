"""What `edgeface evaluate` reports of a PhotoSet: figures, plots, and the calibration table of an embedder."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeface.core.errors import GalleryError, system_reason
from edgeface.core.installed.place import add_part
from edgeface.evaluation import identification, rates
from edgeface.evaluation.calibration_fit import fit
from edgeface.evaluation.cross_validation import SETUPS, held_out
from edgeface.evaluation.impostors import genuine_scores
from edgeface.evaluation.photo_set import GOOD, NO_FACE, UNREADABLE
from edgeface.evaluation.rates import ScoredPairs
from edgeface.evaluation.tail import hide_last_decade
from edgeface.faces.calibration import TARGETS, CalibrationTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from edgeface.evaluation.calibration_fit import Curves
    from edgeface.evaluation.identification import Setup
    from edgeface.evaluation.photo_set import PairList, PhotoSet
    from edgeface.evaluation.rates import AllPairs, Floats, Interval

    Figures = dict[str, Any]

FARS = (1e-2, 1e-3, 1e-4, 1e-5)
"""False accept (match) rates at which the true ones are reported."""

SEED = 20261122
"""Seed of every random draw, so that two runs give the same figures."""

ROC, DET = "accuracy-roc.png", "accuracy-det.png"
"""File names of the plots."""

_ROUNDS = 300
_GALLERIES = 100
_FPIRS = (1e-2, 1e-3)
SPLITS = 20
"""Splits over people with which a calibration is checked."""

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
    """FNMR at fixed FMR, all photos against all others; per photo, and with each person alike."""
    found = {far: compared.fnmr_at(far, _ROUNDS, _rng()) for far in FARS}
    shown = {far: threshold for far, (_, threshold) in found.items() if not math.isnan(threshold)}
    return {
        "impostor_comparisons": compared.comparisons,
        "genuine_comparisons": int(compared.genuine.sum()),
        **_intervals("fnmr_at_fmr", {far: interval for far, (interval, _) in found.items()}),
        "threshold_at_fmr": {_key(far): _number(threshold) for far, (_, threshold) in found.items()},
        "fnmr_per_person": {_key(far): compared.fnmr_per_person(threshold) for far, threshold in shown.items()},
    }


def one_to_one(photo_set: PhotoSet, curves: Curves, table: CalibrationTable | None) -> list[Figures]:
    """FMR and FNMR with each person alike, by kind of comparison, at the thresholds of `table` for one person."""
    embeddings, person = photo_set.embeddings[photo_set.acquired], photo_set.acquired_person
    levels = {level: table.threshold(level, 1) for level in TARGETS if table.most(level)} if table is not None else {}
    return [
        {
            "templates": kind.templates,
            "frames": kind.frames,
            "pairs": matches.pairs,
            "fmr": {level: float(matches.fmr[_bin(cosine)]) for level, cosine in levels.items()},
            "false_matches": {level: float(matches.count[_bin(cosine)]) for level, cosine in levels.items()},
            "people": len(genuine),
            "fnmr": {level: float((genuine < cosine).mean()) for level, cosine in levels.items() if genuine.size},
        }
        for kind, matches in curves.items()
        for genuine in (genuine_scores(embeddings, person, kind, _rng()),)
    ]


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
                "searches": int(searches.mated.score.size),
                "strangers": searches.people,
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
            "fpir": searches.fpir(threshold),
            "fpir_stated": table.accepts(threshold, people),
        }
    return found


def calibration(photo_set: PhotoSet, curves: Curves, embedder: str, landmarker: str, data: str) -> CalibrationTable:
    """Make the calibration table of an embedder; raises GalleryError if there are too few people."""
    made = fit(curves, _rng())
    person = photo_set.person[photo_set.acquired]
    people = np.unique(person).size
    return CalibrationTable(embedder, landmarker, data, people, person.size, made.pairs, made.rows, made.estimated)


def cross_validation(photo_set: PhotoSet, progress: Callable[[range], Iterable[int]], splits: int = SPLITS) -> Figures:
    """Whether stated rates hold for people who are not in the table, and the tail model for hidden rates."""
    embeddings, person = photo_set.embeddings[photo_set.acquired], photo_set.acquired_person
    found = held_out(embeddings, person, splits, _rng(), progress)
    hidden = hide_last_decade(embeddings, person, splits, _rng())
    return {
        "splits": splits,
        "rows": [
            {
                **row.setup._asdict(),
                "level": row.level,
                "estimated": row.estimated,
                "stated": row.stated,
                "fpir": row.measured.rate,
                "fpir_interval": [row.measured.low, row.measured.high],
                "holds": row.holds,
            }
            for row in found.rows
        ],
        "missing": [{**setup._asdict(), "level": level} for setup, level in found.missing],
        "ratio": _number(found.ratio),
        "tail": [
            {
                "splits": len(hidden),
                "covered": sum(one[place].covered for one in hidden),
                "predicted_over_seen": float(np.median([one[place].predicted / one[place].seen for one in hidden])),
            }
            for place in range(2 if hidden else 0)
        ],
    }


def table_text(table: CalibrationTable) -> str:
    """A calibration table as JSON, one row per line."""
    facts = asdict(table)
    lists = {
        name: ",\n".join("  " + json.dumps(list(row)) for row in facts.pop(name)) for name in ("rows", "estimated")
    }
    head = ",\n".join(f" {json.dumps(name)}: {json.dumps(value)}" for name, value in facts.items())
    tail = ",\n".join(f' "{name}": [\n{rows}\n ]' for name, rows in lists.items())
    return f"{{\n{head},\n{tail}\n}}\n"


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


def _bin(cosine: float) -> int:
    """The threshold's place in the curves."""
    return min(rates.BINS - 1, max(0, round(cosine * rates.BINS)))


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
        raise GalleryError(f"plots need matplotlib: {add_part('evaluate')}") from error
    mpl.use("Agg")


def draw_plots(folder: Path, compared: AllPairs, pairs: ScoredPairs | None) -> list[Path]:
    """Draw DET of all photos against all others, and ROC of the pairs if there are any; returns the files written."""
    require_matplotlib()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        drawn = [_det(folder / DET, compared.fmr(), compared.fnmr())]
        return drawn if pairs is None else [*drawn, _roc(folder / ROC, pairs)]
    except OSError as error:
        raise GalleryError(f"{folder}: cannot be written ({system_reason(error)})") from error


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
