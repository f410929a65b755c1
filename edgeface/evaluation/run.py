"""`edgeface evaluate`: error rates of the whole recognition on a folder of PERSON/PHOTO."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from edgeface.core.console import complain, say
from edgeface.core.errors import EdgefaceError, GalleryError, system_reason
from edgeface.core.text import counted, printable, printable_path
from edgeface.evaluation import label_errors, photo_set, report
from edgeface.evaluation.calibration_fit import measure
from edgeface.evaluation.rates import compare_all
from edgeface.faces.analyzer import FaceAnalyzer
from edgeface.faces.calibration import TARGETS, path_of, table_of
from edgeface.faces.detectors import DEFAULT_DETECTOR
from edgeface.faces.settings import EmbedderSettings, QualityLimits
from edgeface.faces.tflite import EMBEDDER, read_model

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from edgeface.evaluation.calibration_fit import Curves
    from edgeface.evaluation.photo_set import PhotoSet
    from edgeface.evaluation.rates import AllPairs
    from edgeface.evaluation.report import Figures
    from edgeface.faces.calibration import CalibrationTable

LANDMARKER = "O-Net twice, five points, on the detection"


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Measure, print the figures and write the requested files; raises GalleryError for a wrong folder or pair list."""
    if arguments.plots is not None:
        report.require_matplotlib()
    paths = photo_set.find(arguments.folder)
    listed = arguments.pairs and photo_set.read_pairs(arguments.pairs, [photo_set.name_of(path) for path in paths])
    # With the daemon's defaults.
    analyzer = FaceAnalyzer.open(DEFAULT_DETECTOR, EmbedderSettings(model=arguments.embedder), QualityLimits())
    photos = _embedded(analyzer, paths, arguments.cache)
    for name, outcome in zip(photos.names, photos.outcomes, strict=True):
        if outcome == photo_set.UNREADABLE:
            complain(f"{printable(name)}: not read; not a photo that edgeface can use")
    verified, scored = report.verification(photos, listed) if listed else (None, None)
    if arguments.label_errors is not None:
        photos = label_errors.without(photos, label_errors.read(arguments.label_errors), arguments.label_errors)
    compared, curves = _compared(photos)
    table = _table(arguments, photos, curves)
    figures: Figures = {
        "embedder": analyzer.embedder.name,
        "landmarker": LANDMARKER,
        "acquisition": report.acquisition(photos),
        "verification": verified,
        "all_pairs": report.all_pairs(compared),
        "one_to_one": report.one_to_one(photos, curves, table),
        "identification": report.identify(photos, table),
        "calibration": _checked(arguments, photos, table),
    }
    _print(figures)
    if arguments.json is not None:
        _write(arguments.json, json.dumps(figures, indent=1) + "\n")
    if arguments.plots is not None:
        for file in report.draw_plots(arguments.plots, compared, scored):
            say(f"plot: {printable_path(file)}")
    return 0


def _embedded(analyzer: FaceAnalyzer, paths: Sequence[Path], cache: Path | None) -> PhotoSet:
    """The embeddings of the photos, from the cache if it holds them."""
    embedded = photo_set.cached(analyzer, paths, cache, partial(tqdm, desc="embedding", unit="photo"))
    if not embedded.acquired.any():
        raise GalleryError("no face found in any photo")
    return embedded


def _compared(photos: PhotoSet) -> tuple[AllPairs, Curves]:
    acquired, person = photos.embeddings[photos.acquired], photos.acquired_person
    if np.unique(person).size < 2:  # noqa: PLR2004 - an impostor needs another person
        raise GalleryError("faces of one person only; error rates need two people or more")
    with tqdm(total=len(acquired), desc="comparing", unit="photo") as bar:
        every = compare_all(acquired, person, bar.update)
    return every, measure(acquired, person, np.random.default_rng(report.SEED))


def _table(arguments: argparse.Namespace, photos: PhotoSet, curves: Curves) -> CalibrationTable | None:
    """The new table if one is requested, else the embedder's own; None if it has none."""
    model = arguments.embedder
    if arguments.calibrate is None:
        return table_of(model) if model is None or path_of(model).exists() else None
    people = counted(int(photos.person.max()) + 1, "person", "people")
    data = f"{arguments.folder.resolve().name}: {counted(len(photos.names), 'photo')} of {people}"
    sha256 = EMBEDDER.sha256 if model is None else hashlib.sha256(read_model(model)).hexdigest()
    table = report.calibration(photos, curves, sha256, LANDMARKER, data)
    _write(arguments.calibrate, report.table_text(table))
    return table


def _checked(arguments: argparse.Namespace, photos: PhotoSet, table: CalibrationTable | None) -> Figures | None:
    """What is known about a new table: how far it reaches, and whether it holds for other people."""
    if arguments.calibrate is None or table is None:
        return None
    reach = {level: [table.most(level), table.most(level, estimated=True)] for level in TARGETS}
    return {"most": reach, **report.cross_validation(photos, partial(tqdm, desc="checking", unit="split"))}


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EdgefaceError(f"{printable_path(file)}: cannot be written ({system_reason(error)})") from error


def _print(figures: Figures) -> None:
    """Print the figures for people."""
    say(f"{figures['embedder']}; {figures['landmarker']}")
    acquired, verified = figures["acquisition"], figures["verification"]
    reasons = ", ".join(f"{reason} {count}" for reason, count in acquired["not_judged"].items())
    whole = f"{counted(acquired['photos'], 'photo')} of {counted(acquired['people'], 'person', 'people')}"
    say(f"failure to acquire: {acquired['failed']} of {whole}")
    say(f"  the daemon would reject {sum(acquired['not_judged'].values())} more" + (f": {reasons}" if reasons else ""))
    if verified is not None:
        rate, spread, area = verified["accuracy"], verified["accuracy_sd"], verified["auc"]
        say(f"verification, {counted(verified['pairs'], 'pair')}: accuracy {rate:.2%} (sd of the folds {spread:.2%})")
        say(f"  AUC {area:.5f}, EER {verified['eer']:.2%}")
        _print_rates("TMR at FAR", verified["tmr"], verified["tmr_interval"])
    compared = figures["all_pairs"]
    say(f"all against all, {counted(compared['impostor_comparisons'], 'impostor comparison')}:")
    _print_rates("FNMR at FMR", compared["fnmr_at_fmr"], compared["fnmr_at_fmr_interval"])
    for name, rate in compared["fnmr_per_person"].items():
        say(f"  FNMR at FMR {name}, each person alike: {rate:.2%}")
    for one in figures["one_to_one"]:
        _print_kind(one)
    for one in figures["identification"]:
        _print_search(one)
    if figures["calibration"] is not None:
        _print_calibration(figures["calibration"])


def _print_kind(one: Figures) -> None:
    setup = f"{counted(one['templates'], 'template')}, visits of {one['frames']}"
    pairs, people = counted(one["pairs"], "pair"), counted(one["people"], "person", "people")
    say(f"one to one, {setup}: {pairs} of people, {people} with enough photos")
    for level, rate in one["fmr"].items():
        missed = f"{one['fnmr'][level]:.2%}" if level in one["fnmr"] else "-"
        say(f"  level {level}: FMR {rate:.1e} ({counted(round(one['false_matches'][level]), 'pair')}), FNMR {missed}")


def _print_calibration(found: Figures) -> None:
    for level, (most, estimated) in found["most"].items():
        say(f"calibration: level {level} for {counted(most, 'person', 'people')} at most; estimated, {estimated:,}")
    over = [row for row in found["rows"] if not row["holds"]]
    ratio = "-" if found["ratio"] is None else f"{found['ratio']:.2f}"
    rows, splits = counted(len(found["rows"]), "row"), found["splits"]
    hold = f"{rows}, {len(over)} above the stated rate; measured/stated {ratio}"
    say(f"  on other people ({counted(splits, 'split')}): {hold}")
    for row in over:
        who = f"{counted(row['people'], 'person', 'people')}, {counted(row['templates'], 'template')}"
        say(f"    {who}, visit of {row['frames']}, level {row['level']}")
    say(f"  too few people to check {counted(len(found['missing']), 'row')}")
    for one, place in zip(found["tail"], ("middle", "end"), strict=False):
        ratio, covered = one["predicted_over_seen"], one["covered"]
        say(
            f"  tail model, {place} of the hidden decade: {ratio:.2f} times what is seen, {covered} of {splits} covered"
        )


def _print_rates(what: str, rates: dict[str, Any], intervals: dict[str, Any]) -> None:
    for name, rate in rates.items():
        if rate is None:
            say(f"  {what} {name}: too few comparisons to show it")
        else:
            low, high = intervals[name]
            say(f"  {what} {name}: {rate:.2%} (95 %: {low:.2%} to {high:.2%})")


def _print_search(one: Figures) -> None:
    setup = f"{one['people']} enrolled, {counted(one['templates'], 'template')}, visits of {one['frames']}"
    at = (f"FNIR {rate:.2%} at FPIR {name}" for name, rate in one["fnir_at_fpir"].items() if rate is not None)
    say(f"identification, {setup}: {', '.join(at) or 'too few strangers'}")
    for level, rates in one["levels"].items():
        cosine, missed = rates["threshold"], rates["fnir"]
        stated = f"FPIR {rates['fpir']:.1e}, stated {rates['fpir_stated']:.1e}"
        say(f"  level {level}, cosine {cosine:.3f}: FNIR {missed:.2%}, {stated}")
