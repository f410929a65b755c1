"""How the templates of one person are best compared with a probe: by their mean, the best few, or the best one.

Takes a folder PERSON/PHOTO of photos, as in LFW. People with twelve photos or more are enrolled from 1, 3, 5 or 10 of
them, 20 people at a time, and searched for with another one; everyone else is a stranger. FNIR is given at equal FPIR:
each way of comparing has a threshold of its own. Once the photos are as they were taken, and once glasses and beards
are drawn on two thirds of them: of templates, probes and strangers alike.

    python -m benchmarks.fusion FACES [--people 60] [--strangers 1500] [--out build/fusion.json]
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from benchmarks.identity import arguments, open_analyzer
from edgeface.faces.photo_face import faces
from edgeface.imaging import photos
from edgeface.imaging.opencv import cv2
from tools import figures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edgeface.faces.analyzer import FaceAnalyzer
    from edgeface.faces.photo_face import Found

    Floats = NDArray[np.float32]
    Fusion = Callable[[Floats, Floats], Floats]
    """From the cosines of p probes with n templates of g people (p x g x n) and with their means (p x g) to scores."""

TEMPLATES = (1, 3, 5, 10)
PHOTOS = max(TEMPLATES) + 2
GALLERY, ROUNDS = 20, 200
FPIRS = (1e-2, 1e-3)
FUSIONS: dict[str, Fusion] = {
    "mean template": lambda _, mean: mean,
    "mean of the cosines": lambda each, _: each.mean(axis=2),
    "best three": lambda each, _: np.sort(each, axis=2)[..., -3:].mean(axis=2),
    "best two": lambda each, _: np.sort(each, axis=2)[..., -2:].mean(axis=2),
    "best one": lambda each, _: each.max(axis=2),
    "half mean template, half best one": lambda each, mean: (mean + each.max(axis=2)) / 2,
}
_HAIR, _FRAME = (48, 36, 28), (25, 22, 22)


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """The embeddings of everyone, in three looks: as photographed, with glasses, with a beard."""

    people: Floats
    """people x photos x looks x numbers."""
    strangers: Floats
    """strangers x looks x numbers."""


def main() -> None:
    """Measure, print the table, and write the figures."""
    options = arguments(__doc__, "fusion", people=60, strangers=1500)
    known = load(open_analyzer(), options.faces, options.people, options.strangers)
    text = table(known)
    print(text)
    figures.save(options.out.stem, text, options.out.parent)


def load(analyzer: FaceAnalyzer, folder: Path, people: int, strangers: int) -> Faces:
    """Embed PHOTOS photos each of so many people, and one each of so many strangers."""
    named = [sorted(one.glob("*.jpg")) for one in sorted(folder.iterdir()) if one.is_dir()]
    random.Random(1).shuffle(named)
    rich = [paths[:PHOTOS] for paths in named if len(paths) >= PHOTOS][:people]
    poor = [paths[0] for paths in named if len(paths) < PHOTOS][:strangers]
    shown = tqdm([*(path for paths in rich for path in paths), *poor], unit="photo", disable=None)
    embedded = [looks(analyzer, path) for path in shown]
    count = len(rich) * PHOTOS
    if len(rich) < GALLERY or any(one is None for one in embedded[:count]):
        embedded, count = keep_whole(embedded, count)
    own = np.array(embedded[:count], np.float32)
    others = np.array([one for one in embedded[count:] if one is not None], np.float32)
    return Faces(own.reshape(-1, PHOTOS, *own.shape[1:]), others)


def keep_whole(embedded: list[Floats | None], count: int) -> tuple[list[Floats | None], int]:
    """Leave out people with a photo in which no face was found; exits if too few people are left."""
    groups = [embedded[start : start + PHOTOS] for start in range(0, count, PHOTOS)]
    whole = [group for group in groups if all(one is not None for one in group)]
    if len(whole) < GALLERY:
        raise SystemExit(f"{len(whole)} people have {PHOTOS} photos that can be used; {GALLERY} are needed")
    return [*(one for group in whole for one in group), *embedded[count:]], len(whole) * PHOTOS


def looks(analyzer: FaceAnalyzer, path: Path) -> Floats | None:
    """The embeddings of a photo in the three looks (3 x d); None if no face is found."""
    found = max(faces(analyzer, photos.load(path)), key=lambda face: face.detection.box.height, default=None)
    if found is None:
        return None
    drawn = [found.image, with_glasses(found), with_beard(found)]
    return np.stack([analyzer.embed(image, found.detection) for image in drawn])


def with_glasses(face: Found) -> NDArray[np.uint8]:
    """The picture with dark frames around the eyes, and glass that is a little darker than the skin."""
    image, unit = face.image.copy(), face.detection.box.width
    eyes = [np.asarray(eye) for eye in face.detection.landmarks[:2]]
    axes, line = (round(0.17 * unit), round(0.13 * unit)), max(2, round(0.03 * unit))
    tint = image.copy()
    for eye in eyes:
        cv2.ellipse(tint, pixel(eye), axes, 0, 0, 360, _FRAME, -1)
    image = np.asarray(cv2.addWeighted(tint, 0.2, image, 0.8, 0), np.uint8)
    for eye in eyes:
        cv2.ellipse(image, pixel(eye), axes, 0, 0, 360, _FRAME, line)
    across = (eyes[1] - eyes[0]) / np.linalg.norm(eyes[1] - eyes[0])
    cv2.line(image, pixel(eyes[0] + across * axes[0]), pixel(eyes[1] - across * axes[0]), _FRAME, line)
    return image


def with_beard(face: Found) -> NDArray[np.uint8]:
    """The picture with dark, grainy hair around the mouth and on the chin."""
    image, box = face.image.copy(), face.detection.box
    mouth = np.asarray(face.detection.landmarks[3])
    cover = np.zeros(image.shape[:2], np.float32)
    centre = (round(float(mouth[0])), round(float(mouth[1]) + 0.08 * box.width))
    cv2.ellipse(cover, centre, (round(0.34 * box.width), round(0.3 * box.width)), 0, 0, 180, 0.75, -1)
    cv2.ellipse(
        cover,
        pixel(mouth - (0, 0.09 * box.width)),
        (round(0.2 * box.width), round(0.05 * box.width)),
        0,
        0,
        360,
        0.75,
        -1,
    )
    cv2.ellipse(cover, pixel(mouth), (round(0.15 * box.width), round(0.05 * box.width)), 0, 0, 360, 0.0, -1)
    grain = np.random.default_rng(0).normal(0, 14, image.shape) + _HAIR
    mixed = image * (1 - cover[..., None]) + grain * cover[..., None]
    return np.asarray(np.clip(mixed, 0, 255), np.uint8)


def pixel(point: NDArray[np.float64]) -> tuple[int, int]:
    """The nearest pixel of a point."""
    return round(float(point[0])), round(float(point[1]))


def table(known: Faces) -> str:
    """FNIR in percent, with its standard error over the rounds, for each number of templates and way of comparing."""
    head = ["templates", "compared by", *(f"{what}, FPIR {fpir:g}" for what in ("as taken", "mixed") for fpir in FPIRS)]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for count in TEMPLATES:
        measured = [measure(known, count, mixed=mixed) for mixed in (False, True)]
        for name in FUSIONS:
            cells = [f"{rate:.2f} ± {error:.2f} %" for found in measured for rate, error in found[name]]
            lines.append(f"| {count} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def measure(known: Faces, count: int, *, mixed: bool) -> dict[str, list[tuple[float, float]]]:
    """FNIR and its standard error at each FPIR, in percent, by way of comparing."""
    rng = np.random.default_rng(count)
    rounds = [one_round(known, count, rng, mixed=mixed) for _ in range(ROUNDS)]
    found = {}
    for name, fuse in FUSIONS.items():
        scores = [(own_score(fuse(*mated)), fuse(*strange).max(axis=1)) for mated, strange in rounds]
        others = np.concatenate([strange for _, strange in scores])
        found[name] = [fnir([own for own, _ in scores], float(np.quantile(others, 1 - fpir))) for fpir in FPIRS]
    return found


def one_round(
    known: Faces, count: int, rng: np.random.Generator, *, mixed: bool
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """The cosines of the probes of those enrolled, and of strangers, with each template and with the mean templates."""
    chosen = rng.choice(len(known.people), GALLERY, replace=False)
    own = np.stack([known.people[one][rng.permutation(PHOTOS)[: count + 1]] for one in chosen])
    rows, columns = np.indices(own.shape[:2])
    # One template shows the person as photographed; of more, each look has a third.
    look = (columns if count > 1 else np.where(columns == count, rows, 0)) % 3 if mixed else np.zeros_like(rows)
    look[:, count] = rng.integers(0, 3, GALLERY) if mixed else 0
    own = own[rows, columns, look]
    strange = known.strangers[np.arange(len(known.strangers)), rng.integers(0, 3 if mixed else 1, len(known.strangers))]
    templates = own[:, :count]
    means = templates.mean(axis=1)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return cosines(own[:, count], templates, means), cosines(strange, templates, means)


def cosines(probes: Floats, templates: Floats, means: Floats) -> tuple[Floats, Floats]:
    """The cosines with each template (p x g x n) and with the means (p x g)."""
    return np.einsum("pd,gnd->pgn", probes, templates, optimize=True), probes @ means.T


def own_score(scores: Floats) -> Floats:
    """Each person's own score; minus infinity where someone else is nearer."""
    own = np.diagonal(scores)
    return np.asarray(np.where(own >= scores.max(axis=1), own, -np.inf), np.float32)


def fnir(rounds: Sequence[Floats], threshold: float) -> tuple[float, float]:
    """The share of searches that miss, and its standard error over the rounds, in percent."""
    missed = np.array([float((own < threshold).mean()) for own in rounds])
    return 100 * float(missed.mean()), 100 * float(missed.std() / np.sqrt(len(missed)))


if __name__ == "__main__":
    main()
