"""`edgeface evaluate`: error rates of the whole chain on a folder of PERSON/PHOTO."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from edgeface.core.console import say
from edgeface.core.errors import EdgefaceError, GalleryError
from edgeface.core.text import printable_path
from edgeface.evaluation import corpus, report
from edgeface.evaluation.rates import compare_everyone
from edgeface.faces.analyzer import FaceAnalyzer
from edgeface.faces.calibration import path_of, table_of
from edgeface.faces.detectors import DEFAULT_DETECTOR
from edgeface.faces.settings import EmbedderSettings, QualityLimits
from edgeface.faces.tflite import EMBEDDER, read_model

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from edgeface.evaluation.corpus import PhotoSet
    from edgeface.evaluation.rates import Everyone
    from edgeface.evaluation.report import Figures
    from edgeface.faces.calibration import CalibrationTable

LANDMARKER = "O-Net twice, five points, on the detection"


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Measure, and write what was asked for; GalleryError says what is wrong with the folder or the pairs."""
    if arguments.plots is not None:
        report.require_matplotlib()
    paths = corpus.find(arguments.folder)
    listed = arguments.pairs and corpus.read_pairs(arguments.pairs, [corpus.name_of(path) for path in paths])
    analyzer = _analyzer(arguments.embedder)
    seen = _corpus(analyzer, paths, arguments.cache)
    everyone = _compared(seen)
    verified, scored = report.verification(seen, listed) if listed else (None, None)
    table = _table(arguments, seen, everyone)
    found: Figures = {
        "embedder": analyzer.embedder.name,
        "landmarker": LANDMARKER,
        "acquisition": report.acquisition(seen),
        "verification": verified,
        "all_pairs": report.all_pairs(everyone),
        "identification": report.identify(seen, table),
    }
    _say(found)
    if arguments.json is not None:
        _write(arguments.json, json.dumps(found, indent=1) + "\n")
    if arguments.plots is not None:
        for file in report.draw(arguments.plots, *report.curve(everyone), scored):
            say(f"plot: {printable_path(file)}")
    return 0


def _analyzer(embedder: Path | None) -> FaceAnalyzer:
    # The daemon's defaults.
    return FaceAnalyzer.open(DEFAULT_DETECTOR, EmbedderSettings(model=embedder), QualityLimits())


def _corpus(analyzer: FaceAnalyzer, paths: Sequence[Path], cache: Path | None) -> PhotoSet:
    mark = corpus.fingerprint(analyzer, paths)
    kept = corpus.restore(cache, mark) if cache is not None else None
    if kept is not None:
        return kept
    made = corpus.embed(analyzer, paths, _bar)
    if not made.acquired.any():
        raise GalleryError("no face found in any photo")
    if cache is not None:
        corpus.save(cache, made, mark)
    return made


def _bar(paths: Sequence[Path]) -> Iterable[Path]:
    bar: Iterable[Path] = tqdm(paths, desc="embedding", unit="photo", file=sys.stderr)
    return bar


def _compared(seen: PhotoSet) -> Everyone:
    good = seen.acquired
    if np.unique(seen.person[good]).size < 2:  # noqa: PLR2004 - an impostor needs another person
        raise GalleryError("faces of one person only; error rates need two people or more")
    with tqdm(total=int(good.sum()), desc="comparing", unit="photo", file=sys.stderr) as bar:
        return compare_everyone(seen.embeddings[good], seen.person[good], bar.update)


def _table(arguments: argparse.Namespace, seen: PhotoSet, everyone: Everyone) -> CalibrationTable | None:
    """The new table when one is asked for, else that of the embedder; None when another embedder has none."""
    model = arguments.embedder
    if arguments.calibrate is None:
        return table_of(model) if model is None or path_of(model).exists() else None
    data = f"{arguments.folder.resolve().name}: {len(seen.names):,} photos of {int(seen.person.max()) + 1:,} people"
    sha256 = EMBEDDER.sha256 if model is None else hashlib.sha256(read_model(model)).hexdigest()
    table = report.calibration(seen, everyone, sha256, LANDMARKER, data)
    _write(arguments.calibrate, to_text(table))
    return table


def to_text(table: CalibrationTable) -> str:
    """A calibration table as it is kept: JSON, one row a line."""
    facts = asdict(table)
    rows = ",\n".join("  " + json.dumps(list(row)) for row in facts.pop("rows"))
    head = ",\n".join(f" {json.dumps(name)}: {json.dumps(value)}" for name, value in facts.items())
    return f'{{\n{head},\n "rows": [\n{rows}\n ]\n}}\n'


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EdgefaceError(f"{printable_path(file)}: cannot be written ({error.strerror})") from error


def _say(found: Figures) -> None:
    """Print the figures as a person reads them."""
    say(f"{found['embedder']}; {found['landmarker']}")
    _say_acquisition(found["acquisition"])
    verified = found["verification"]
    if verified is not None:
        rate, spread, area = verified["accuracy"], verified["accuracy_sd"], verified["auc"]
        say(f"verification, {verified['pairs']:,} pairs: accuracy {rate:.2%} (sd of the folds {spread:.2%})")
        say(f"  AUC {area:.5f}, EER {verified['eer']:.2%}")
        _say_rates("TMR at FAR", verified["tmr"], verified["tmr_interval"])
    everyone = found["all_pairs"]
    say(f"all against all, {everyone['impostor_comparisons']:,} impostor comparisons:")
    _say_rates("FNMR at FMR", everyone["fnmr_at_fmr"], everyone["fnmr_at_fmr_interval"])
    for one in found["identification"]:
        _say_search(one)


def _say_acquisition(taken: Figures) -> None:
    reasons = ", ".join(f"{reason} {count}" for reason, count in taken["not_judged"].items())
    say(f"failure to acquire: {taken['failed']} of {taken['photos']:,} photos of {taken['people']:,} people")
    say(f"  the daemon would not judge {sum(taken['not_judged'].values())} more" + (f": {reasons}" if reasons else ""))


def _say_rates(what: str, rates: dict[str, Any], intervals: dict[str, Any]) -> None:
    for name, rate in rates.items():
        if rate is None:
            say(f"  {what} {name}: too few comparisons to show it")
        else:
            low, high = intervals[name]
            say(f"  {what} {name}: {rate:.2%} (95 %: {low:.2%} to {high:.2%})")


def _say_search(one: Figures) -> None:
    setup = f"{one['people']} enrolled, {one['templates']} templates, {one['probes']} probes"
    at = (f"FNIR {rate:.2%} at FPIR {name}" for name, rate in one["fnir_at_fpir"].items() if rate is not None)
    say(f"identification, {setup}: {', '.join(at) or 'too few strangers'}")
    for level, rates in one["levels"].items():
        cosine, missed = rates["threshold"], rates["fnir_with_margin"]
        stated = f"FPIR {rates['fpir']:.1e}, stated {rates['fpir_stated']:.1e}"
        say(f"  level {level}, cosine {cosine:.3f}: FNIR {missed:.2%}, {stated}")
