"""Fits the model that tells covered faces from plain ones: python -m tools.covered FOLDER, of PERSON/PHOTO.

Leaves build/covered.f32 and build/covered.json. The model is fitted on half of the people; a quarter chooses its
settings; the figures are of the last quarter.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from edgeface.core.types import Box, Detection
from edgeface.faces import photo_face
from edgeface.faces.analyzer import FaceAnalyzer
from edgeface.faces.calibration import CalibrationTable
from edgeface.faces.covered import FILE, PARTS, class_scores, features, log_odds
from edgeface.faces.detectors import DEFAULT_DETECTOR
from edgeface.faces.embedder import align, open_embedder
from edgeface.faces.landmarks import Onet
from edgeface.faces.settings import QualityLimits
from edgeface.imaging import photos
from tools.covered.canvas import Canvas
from tools.covered.covers import COVERS
from tools.covered.harmless import HARMLESS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from numpy.typing import NDArray

    from edgeface.core.types import Embedding, Image

    Floats = NDArray[np.float32]
    Use = Literal["fit", "choose", "report"]

PLAIN, NO_FACE, TINTED = "plain", "no face", "tinted glasses"
COVERED = (*COVERS, TINTED)
_PART = {"sunglasses": "eyes", TINTED: "eyes", "mask": "mouth", "scarf": "mouth", "hand on mouth": "mouth"}
_USES: tuple[Use, ...] = ("fit", "fit", "choose", "report")
_COVERS_A_PERSON, _HARMLESS_A_PERSON = 4, 3
_TEXTURES = 40
# Plain faces of the choosing people that may be refused, and harmless ones. Below the aim of 1 % in the report.
_REFUSED = 0.007
_STEP = 0.02
_DECAYS, _ROUNDS = (1e-2, 2e-2), (200,)
# The weight of a face by its class: hidden eyes are only an eighth of the covers.
_WEIGHTS = np.array([1, 3, 1, 1], np.float32)
# Gamma of the mirrored faces, as exponents of e.
_GAMMA = (-0.5, 0.8)
# Looks that a model is not fitted on, to see what it makes of new ones of a kind that it knows.
_NEW_LOOKS = {"sunglasses": {"round", "graded"}, "mask": {"cup", "skin-coloured"}, "half": {"corner"}}


@dataclass(frozen=True, slots=True)
class Settings:
    """How the model is fitted, and the log-odds from which it refuses a face."""

    decay: float
    rounds: int
    threshold: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One face, plain or painted."""

    kind: str
    person: str
    reason: str
    """Why quality rejects it; empty if it does not."""
    looks: frozenset[str] = frozenset()
    crop: Image | None = None
    embedding: Embedding | None = None

    @property
    def label(self) -> int:
        """The class: 0 for a plain face."""
        return 1 + PARTS.index(_PART.get(self.kind, "side")) if self.kind in COVERED else 0

    @property
    def use(self) -> Use:
        """What the person is for; by the name, so that it does not change with the folder."""
        return _USES[hashlib.sha256(self.person.encode()).digest()[0] % len(_USES)]


@cache
def _analyzer() -> FaceAnalyzer:
    return FaceAnalyzer(DEFAULT_DETECTOR.open(), Onet(), open_embedder(), QualityLimits())


@cache
def _textures(paths: tuple[Path, ...]) -> list[Image]:
    return [photos.load(path) for path in paths]


def samples(folder: Path, textures: tuple[Path, ...]) -> list[Sample]:
    """The faces of one person: up to two plain ones, and the first with some covers and some harmless things."""
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(folder.name.encode()).digest()[:8], "big"))
    found = []
    for path in sorted(folder.iterdir())[:2]:
        faces = photo_face.faces(_analyzer(), photos.load(path))
        face = max(faces, key=lambda one: one.detection.box.height, default=None)
        if face is None or face.quality.reason is not None:
            continue
        found.append(_sample(PLAIN, folder.name, face.image, face.detection))
        if len(found) == 1:
            chosen = [*rng.choice(list(COVERS), _COVERS_A_PERSON, replace=False),
                      *rng.choice(list(HARMLESS), _HARMLESS_A_PERSON, replace=False)]  # fmt: skip
            for kind in map(str, chosen):
                canvas = Canvas(face.image, face.detection.landmarks, rng, _textures(textures))
                (COVERS | HARMLESS)[kind](canvas)
                detection = _as_detected(face.detection, rng)
                name = TINTED if "pale" in canvas.looks else kind
                found.append(_sample(name, folder.name, canvas.done(), detection, canvas.looks))
    return found


def _as_detected(face: Detection, rng: np.random.Generator) -> Detection:
    """The face with a box as inexact as a detector's, before the landmarks are located again."""
    (x, y), half = face.box.centre, face.box.width / 2 * (1 + rng.normal(0, 0.05))
    x, y = np.array([x, y]) + rng.normal(0, 0.04, 2) * face.box.width
    return Detection(Box(x - half, y - half, x + half, y + half), face.score, face.landmarks)


def _sample(kind: str, person: str, image: Image, detection: Detection, looks: Iterable[str] = ()) -> Sample:
    face = _analyzer().inspect(image, detection)
    if face is None:
        return Sample(kind, person, NO_FACE, frozenset(looks))
    crop = align(image, face.detection.landmarks)
    return Sample(kind, person, face.quality.reason or "", frozenset(looks), crop, _analyzer().embedder.embed(crop))


def fit(found: Floats, labels: NDArray[np.int64], settings: Settings) -> Floats:
    """Multinomial logistic regression with weight decay, by Adam; rows are classes, the bias is the last column."""
    mean, deviation = found.mean(axis=0), found.std(axis=0) + np.float32(1e-3)
    inputs = np.column_stack([(found - mean) / deviation, np.ones(len(found), np.float32)])
    importance = (_WEIGHTS / _WEIGHTS[labels].mean())[labels][:, np.newaxis]
    wanted = np.eye(1 + len(PARTS), dtype=np.float32)[labels]
    weights = np.zeros((inputs.shape[1], 1 + len(PARTS)), np.float32)
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    for number in range(1, settings.rounds + 1):
        scores = inputs @ weights
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        slope = inputs.T @ ((shares - wanted) * importance) / len(inputs) + settings.decay * weights
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        pace = _STEP * (1 - number / (settings.rounds + 1))
        weights -= (pace * (first / (1 - 0.9**number)) / (np.sqrt(second / (1 - 0.999**number)) + 1e-8)).astype(
            np.float32
        )
    plain = weights[:-1] / deviation[:, np.newaxis]
    return np.column_stack([plain.T, weights[-1] - mean @ plain]).astype("<f4")


def _mirrored(crop: Image, rng: np.random.Generator) -> Image:
    table = 255 * (np.arange(256) / 255) ** np.exp(rng.uniform(*_GAMMA))
    return np.ascontiguousarray(table.round().astype(np.uint8)[crop[:, ::-1]])


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """All faces that quality accepts, with their features."""

    samples: list[Sample]
    plain: Floats
    mirrored: Floats
    """Of those to fit on: the features of the mirror image, brighter or darker."""

    @classmethod
    def of(cls, found: list[Sample]) -> Data:
        """Compute the features."""
        good = [one for one in found if one.crop is not None and not one.reason]
        crops = [one.crop for one in good if one.crop is not None]
        rng = np.random.default_rng(3)
        mirrored = [features(_mirrored(crop, rng)) for one, crop in zip(good, crops, strict=True) if one.use == "fit"]
        return cls(good, np.stack([features(crop) for crop in crops]), np.stack(mirrored))

    def fitted(self, settings: Settings, without: frozenset[str] = frozenset()) -> Floats:
        """Weights from the people to fit on, without these kinds and looks."""
        people = np.array([one.use == "fit" for one in self.samples])
        rows = np.array([not without & {one.kind, *one.looks} for one in self.samples])
        labels = np.array([one.label for one in self.samples])[people & rows]
        found = np.concatenate([self.plain[people & rows], self.mirrored[rows[people]]])
        return fit(found, np.concatenate([labels, labels]), settings)

    def odds(self, weights: Floats, kinds: Collection[str], use: Use, looks: Collection[str] = ()) -> Floats:
        """The log-odds of the faces of some kinds, and of some looks; of plain faces one for each person."""
        seen: set[str] = set()
        rows = np.zeros(len(self.samples), bool)
        for number, one in enumerate(self.samples):
            if one.use == use and one.kind in kinds and (not looks or one.looks & set(looks)):
                rows[number] = one.kind != PLAIN or one.person not in seen
                seen.add(one.person)
        return log_odds(class_scores(weights, self.plain[rows]))

    def threshold(self, weights: Floats) -> float:
        """The log-odds that the choosing people's plain and harmless faces rarely have."""
        groups = ([PLAIN], list(HARMLESS))
        return max(float(np.quantile(self.odds(weights, kinds, "choose"), 1 - _REFUSED)) for kinds in groups)

    def chosen(self) -> tuple[Settings, Floats]:
        """The settings with which most covers of the choosing people are found, on average over the kinds."""
        tried = []
        for decay, rounds in product(_DECAYS, _ROUNDS):
            weights = self.fitted(Settings(decay, rounds))
            threshold = self.threshold(weights)
            found = float(np.mean([(self.odds(weights, [kind], "choose") >= threshold).mean() for kind in COVERED]))
            print(f"decay {decay:g}, {rounds} rounds: threshold {threshold:.3f}, finds {found:.2%}", flush=True)
            tried.append((found, Settings(decay, rounds, threshold), weights))
        return max(tried, key=lambda one: one[0])[1:]


def interval(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson)."""
    z, share = 1.96, hits / count
    middle, spread = share + z * z / (2 * count), z * np.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    return float((middle - spread) / (1 + z * z / count)), float((middle + spread) / (1 + z * z / count))


def door_rates(data: Data, kind: str, thresholds: dict[str, float]) -> Iterator[tuple[str, float, float]]:
    """For each level: FMR and TMR of probes of one kind against templates of one plain photo."""
    gallery, probes = _gallery(data), [one for one in data.samples if one.kind == kind]
    if kind == PLAIN:
        probes = [one for one in probes if gallery[one.person] is not one]
    scores = np.stack([_embedding(one) for one in probes]) @ np.stack([_embedding(one) for one in gallery.values()]).T
    people = list(gallery)
    own = np.array([[one.person == person for person in people] for one in probes])
    # The first plain photo is the one that was painted on.
    twice = {one.person for one in data.samples if one.kind == PLAIN and gallery[one.person] is not one}
    genuine = scores[own & np.array([person in twice for person in people])[np.newaxis]]
    for level, cosine in thresholds.items():
        yield level, float((scores[~own] >= cosine).mean()), float((genuine >= cosine).mean())


def _gallery(data: Data) -> dict[str, Sample]:
    """The last plain photo of each person, which nothing was painted on if there are two."""
    return {one.person: one for one in data.samples if one.kind == PLAIN}


def _embedding(one: Sample) -> Embedding:
    if one.embedding is None:
        raise ValueError("a face without an embedding")
    return one.embedding


def report(data: Data, found: list[Sample], settings: Settings, weights: Floats) -> dict[str, dict[str, float]]:
    """The table: each kind, refused by the model, by one that has not seen the kind, and its rates at a door."""
    table = CalibrationTable.shipped()
    cosines = {"normal": table.threshold("normal", 1), "high": table.threshold("high", 1)}
    rows = {}
    for kind in (PLAIN, *COVERED, *HARMLESS):
        every = [one for one in found if one.kind == kind and one.use == "report"]
        row = _refused(data.odds(weights, [kind], "report"), settings.threshold)
        row["rejected before"] = sum(bool(one.reason) for one in every) / max(1, len(every))
        if kind in COVERED:
            alike = {"sunglasses", TINTED} if kind in ("sunglasses", TINTED) else {kind}
            row["kind not seen"] = _unseen(data, settings, kind, frozenset(alike))["refused"]
        for level, fmr, tmr in door_rates(data, kind, cosines):
            row |= {f"FMR {level}": fmr, f"TMR {level}": tmr}
        rows[kind] = _printed(kind, row)
    for kind, looks in _NEW_LOOKS.items():
        rows[f"{kind}, new looks"] = _printed(f"{kind}, new looks", _unseen(data, settings, kind, frozenset(looks)))
    for kind in COVERS:
        for look in sorted({look for one in found if one.kind == kind for look in one.looks}):
            row = _refused(data.odds(weights, [kind], "report", [look]), settings.threshold)
            rows[f"{kind}: {look}"] = _printed(f"{kind}: {look}", row)
    return rows


def _refused(odds: Floats, threshold: float) -> dict[str, float]:
    hits = int((odds >= threshold).sum())
    low, high = interval(hits, len(odds))
    return {"faces": len(odds), "refused": hits / len(odds), "low": low, "high": high}


def _unseen(data: Data, settings: Settings, kind: str, without: frozenset[str]) -> dict[str, float]:
    """How many are refused by a model that was fitted without them, at a threshold of its own."""
    weights = data.fitted(settings, without)
    looks = without - set(COVERED)
    return _refused(data.odds(weights, [kind], "report", looks), data.threshold(weights))


def _printed(name: str, row: dict[str, float]) -> dict[str, float]:
    print(f"{name:24}", "  ".join(f"{column} {value:.3g}" for column, value in row.items()), flush=True)
    return row


def main() -> None:
    """Paint, fit, measure, and write the result."""
    parser = argparse.ArgumentParser(prog="python -m tools.covered", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, help="how many of them, chosen by a fixed seed; all unless given")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("build"))
    options = parser.parse_args()
    folders = sorted(one for one in options.folder.iterdir() if one.is_dir())
    random.Random(5).shuffle(folders)
    folders = folders[: options.people]
    textures = tuple(min(one.iterdir()) for one in folders[:_TEXTURES])
    with ProcessPoolExecutor(options.workers) as pool:
        every = pool.map(samples, folders, [textures] * len(folders), chunksize=8)
        found = [one for some in every for one in some]
    data = Data.of(found)
    settings, weights = data.chosen()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / FILE).write_bytes(weights.tobytes())
    digest = hashlib.sha256(weights.tobytes()).hexdigest()
    print(f"threshold {settings.threshold:.3f}, SHA-256 {digest}")
    rows = report(data, found, settings, weights)
    result = {"threshold": settings.threshold, "decay": settings.decay, "rounds": settings.rounds, "sha256": digest}
    (options.out / "covered.json").write_text(json.dumps({**result, "faces": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
