"""Fits the model that tells covered faces from plain ones: python -m tools.covered FOLDER, of PERSON/PHOTO.

Leaves build/covered.f32 and build/covered.json. Two people of three are fitted on, the others are measured.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeface.core.types import Box, Detection
from edgeface.faces import photo_face
from edgeface.faces.analyzer import FaceAnalyzer
from edgeface.faces.calibration import CalibrationTable
from edgeface.faces.covered import FILE, PARTS, features
from edgeface.faces.detectors import DEFAULT_DETECTOR
from edgeface.faces.embedder import align, open_embedder
from edgeface.faces.landmarks import Onet
from edgeface.faces.settings import QualityLimits
from edgeface.imaging import photos
from tools.covered.covers import COVERS, HARMLESS, painted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edgeface.core.types import Embedding, Image

    Floats = NDArray[np.float32]

PLAIN, NO_FACE = "plain", "no face"
_PART = {"sunglasses": "eyes", "mask": "mouth", "scarf": "mouth", "hand on mouth": "mouth"}
_COVERS_A_PERSON = 3
_TEXTURES = 40
# Plain faces of the held-out people that may be refused; the photos include some with dark glasses and hands.
_REFUSED = 0.008
_DECAY, _STEP, _ROUNDS = 1e-2, 0.02, 150


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One face, plain or painted."""

    kind: str
    person: str
    reason: str
    """Why quality rejects it; empty if it does not."""
    crop: Image | None = None
    embedding: Embedding | None = None

    @property
    def label(self) -> int:
        """The class: 0 for a plain face."""
        return 1 + PARTS.index(_PART.get(self.kind, "side")) if self.kind in COVERS else 0

    @property
    def held_out(self) -> bool:
        """Whether the person is measured on; by the name, so that it does not change with the folder."""
        return hashlib.sha256(self.person.encode()).digest()[0] % 3 == 0


@cache
def _analyzer() -> FaceAnalyzer:
    return FaceAnalyzer(DEFAULT_DETECTOR.open(), Onet(), open_embedder(), QualityLimits())


@cache
def _textures(paths: tuple[Path, ...]) -> list[Image]:
    return [photos.load(path) for path in paths]


def samples(folder: Path, textures: tuple[Path, ...]) -> list[Sample]:
    """The faces of one person: up to two plain ones, and the first with some covers."""
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(folder.name.encode()).digest()[:8], "big"))
    found = []
    for path in sorted(folder.iterdir())[:2]:
        faces = photo_face.faces(_analyzer(), photos.load(path))
        face = max(faces, key=lambda one: one.detection.box.height, default=None)
        if face is None or face.quality.reason is not None:
            continue
        found.append(_sample(PLAIN, folder.name, face.image, face.detection))
        if len(found) == 1:
            kinds = [*rng.choice(list(COVERS), _COVERS_A_PERSON, replace=False), rng.choice(list(HARMLESS))]
            for kind in map(str, kinds):
                image = painted(kind, face.image, face.detection.landmarks, rng, _textures(textures))
                found.append(_sample(kind, folder.name, image, _as_detected(face.detection, rng)))
    return found


def _as_detected(face: Detection, rng: np.random.Generator) -> Detection:
    """The face with a box as inexact as a detector's, before the landmarks are located again."""
    (x, y), half = face.box.centre, face.box.width / 2 * (1 + rng.normal(0, 0.05))
    x, y = np.array([x, y]) + rng.normal(0, 0.04, 2) * face.box.width
    return Detection(Box(x - half, y - half, x + half, y + half), face.score, face.landmarks)


def _sample(kind: str, person: str, image: Image, detection: Detection) -> Sample:
    face = _analyzer().inspect(image, detection)
    if face is None:
        return Sample(kind, person, NO_FACE)
    crop = align(image, face.detection.landmarks)
    return Sample(kind, person, face.quality.reason or "", crop, _analyzer().embedder.embed(crop))


def fit(found: Floats, labels: NDArray[np.int64]) -> Floats:
    """Multinomial logistic regression with weight decay, by Adam; rows are classes, the bias is the last column."""
    mean, deviation = found.mean(axis=0), found.std(axis=0) + np.float32(1e-3)
    inputs = np.column_stack([(found - mean) / deviation, np.ones(len(found), np.float32)])
    wanted = np.eye(1 + len(PARTS), dtype=np.float32)[labels]
    weights = np.zeros((inputs.shape[1], 1 + len(PARTS)), np.float32)
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    for number in range(1, _ROUNDS + 1):
        scores = inputs @ weights
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        slope = inputs.T @ (shares - wanted) / len(inputs) + _DECAY * weights
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        pace = _STEP * (1 - number / (_ROUNDS + 1))
        weights -= (pace * (first / (1 - 0.9**number)) / (np.sqrt(second / (1 - 0.999**number)) + 1e-8)).astype(
            np.float32
        )
    plain = weights[:-1] / deviation[:, np.newaxis]
    return np.column_stack([plain.T, weights[-1] - mean @ plain]).astype("<f4")


def _log_odds(weights: Floats, found: Floats) -> Floats:
    scores = found @ weights[:, :-1].T + weights[:, -1]
    odds: Floats = np.logaddexp.reduce(scores[:, 1:], axis=1) - scores[:, 0]
    return odds


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """All faces that quality accepts, with their features and those of their mirror images."""

    samples: list[Sample]
    plain: Floats
    mirrored: Floats

    @classmethod
    def of(cls, found: list[Sample]) -> Data:
        """Compute the features."""
        good = [one for one in found if one.crop is not None and not one.reason]
        crops = [one.crop for one in good if one.crop is not None]
        mirrored = [features(np.ascontiguousarray(crop[:, ::-1])) for crop in crops]
        return cls(good, np.stack([features(crop) for crop in crops]), np.stack(mirrored))

    def fitted(self, without: str = "") -> tuple[Floats, float]:
        """Weights from the people who are fitted on and all kinds of covers but one; the threshold from the others."""
        rows = np.array([not one.held_out and one.kind != without for one in self.samples])
        labels = np.array([one.label for one in self.samples])[rows]
        weights = fit(np.concatenate([self.plain[rows], self.mirrored[rows]]), np.concatenate([labels, labels]))
        odds = _log_odds(weights, self.plain[self.rows(PLAIN, held_out=True)])
        return weights, float(np.quantile(odds, 1 - _REFUSED))

    def rows(self, kind: str, *, held_out: bool | None = None) -> NDArray[np.bool_]:
        """Which faces are of a kind."""
        return np.array([o.kind == kind and held_out in (None, o.held_out) for o in self.samples])

    def refused(self, weights: Floats, threshold: float, kind: str) -> float:
        """The share of the held-out faces of one kind that the model refuses."""
        odds = _log_odds(weights, self.plain[self.rows(kind, held_out=True)])
        return float((odds >= threshold).mean())


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


def report(found: list[Sample], data: Data, weights: Floats, threshold: float) -> dict[str, dict[str, float]]:
    """The table: each kind, refused by the model, by one that has not seen the kind, and its rates at a door."""
    table = CalibrationTable.shipped()
    thresholds = {"normal": table.threshold("normal", 1), "high": table.threshold("high", 1)}
    rows = {}
    for kind in (PLAIN, *COVERS, *HARMLESS):
        every = [one for one in found if one.kind == kind and one.held_out]
        row = {"faces": float(len(every)), "refused": data.refused(weights, threshold, kind)}
        row["rejected before"] = sum(bool(one.reason) for one in every) / max(1, len(every))
        if kind in COVERS:
            row["not trained on"] = data.refused(*data.fitted(without=kind), kind)
        for level, fmr, tmr in door_rates(data, kind, thresholds):
            row |= {f"FMR {level}": fmr, f"TMR {level}": tmr}
        rows[kind] = row
        print(f"{kind:14}", "  ".join(f"{name} {value:.3g}" for name, value in row.items()), flush=True)
    return rows


def main() -> None:
    """Paint, fit, measure, and write the result."""
    parser = argparse.ArgumentParser(prog="python -m tools.covered", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, default=2000, help="how many of them, chosen by a fixed seed")
    parser.add_argument("--out", type=Path, default=Path("build"))
    options = parser.parse_args()
    folders = sorted(one for one in options.folder.iterdir() if one.is_dir())
    random.Random(5).shuffle(folders)
    folders = folders[: options.people]
    textures = tuple(min(one.iterdir()) for one in folders[:_TEXTURES])
    with ProcessPoolExecutor(2) as pool:
        every = pool.map(samples, folders, [textures] * len(folders), chunksize=8)
        found = [one for some in every for one in some]
    data = Data.of(found)
    weights, threshold = data.fitted()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / FILE).write_bytes(weights.tobytes())
    digest = hashlib.sha256(weights.tobytes()).hexdigest()
    print(f"threshold {threshold:.3f}, SHA-256 {digest}")
    rows = report(found, data, weights, threshold)
    result = {"threshold": threshold, "sha256": digest, "kinds": rows}
    (options.out / "covered.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
