"""What the looks say of simulated visits: living people, one photo of each, moved a little, and computed phones.

    python -m benchmarks.liveness.visits MODELS FACES [--people 200] [--seed 1] [--spoof 0.3 0.2]

MODELS is a folder with the two files of docs/liveness.md, FACES a folder of PERSON/PHOTO. Each visit is a single photo,
scaled so that the face has 80 to 200 pixels, with another part of it and other noise in each frame, through the
pipeline and the limits of the daemon. Photos with black corners are left out: the networks see them. The phones are
those of the demo's attack, with the portraits of the tests, at several distances.
--spoof compares limits below which the looks are a spoof.
"""

from __future__ import annotations

import argparse
import itertools
import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeface.access.liveness import required_checks
from edgeface.cameras.replay import ReplayCamera
from edgeface.core.clock import SystemClock
from edgeface.core.types import Frame
from edgeface.demo.attack import looks_of
from edgeface.demo.film import presentation
from edgeface.demo.scenario import CLIP
from edgeface.evaluation.presentation import TrialRules, present
from edgeface.evaluation.proportions import interval
from edgeface.faces.analyzer import FaceAnalyzer
from edgeface.faces.calibration import CalibrationTable
from edgeface.faces.detectors import DEFAULT_DETECTOR
from edgeface.faces.settings import EmbedderSettings, QualityLimits
from edgeface.imaging import photos
from edgeface.imaging.opencv import cv2
from edgeface.recognition.pipeline import PipelineRules
from edgeface.recognition.settings import Recognition, UnknownSettings
from tools import figures

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from edgeface.core.types import Image
    from edgeface.evaluation.presentation import Outcome
    from edgeface.faces.liveness.minifasnet import MinifasnetLiveness

FPS, FRAMES = 15.0, 30
HEIGHTS = (80.0, 200.0)
"""Pixels of a face."""
_MARGIN = 0.04
"""Share of a photo that is cut off, each time somewhere else."""
_NOISE = 2.0
_BLACK, _MOST_BLACK = 8, 0.001
"""A pixel this dark is black, and more of them than this share are the corner of a photo that was turned upright."""
SCALES = (0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0)
"""How large a phone is, of the demo's."""
PORTRAITS = Path(__file__).parents[2] / "tests" / "data"
_CAMERA = "porch"


def sitters(analyzer: FaceAnalyzer, folder: Path, people: int, rng: random.Random) -> Iterator[Image]:
    """A usable photo of each of so many people, drawn at random, scaled."""
    everyone = sorted(path for path in folder.iterdir() if path.is_dir())
    rng.shuffle(everyone)
    found = (_sitter(analyzer, sorted(one.glob("*.jpg")), rng) for one in everyone)
    yield from itertools.islice((one for one in found if one is not None), people)


def _sitter(analyzer: FaceAnalyzer, files: list[Path], rng: random.Random) -> Image | None:
    """The person's first usable photo; None without one."""
    for image in map(photos.load, files):
        faces = [] if float((image.max(axis=2) < _BLACK).mean()) > _MOST_BLACK else analyzer.faces(image)
        if len(faces) == 1:
            scale = rng.uniform(*HEIGHTS) / faces[0].detection.box.height
            how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
            return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=how), np.uint8)
    return None


def visit(photo: Image, rng: np.random.Generator) -> Iterator[Frame]:
    """The frames of a visit of the person in a photo."""
    return _frames(_parts(photo, rng))


def _parts(photo: Image, rng: np.random.Generator) -> Iterator[Image]:
    height, width = photo.shape[:2]
    rows, columns = round(height * (1 - _MARGIN)), round(width * (1 - _MARGIN))
    for _ in range(FRAMES):
        top, left = rng.integers(0, height - rows + 1), rng.integers(0, width - columns + 1)
        part = photo[top : top + rows, left : left + columns]
        yield np.clip(part + rng.normal(0, _NOISE, part.shape), 0, 255).astype(np.uint8)


def phones() -> Iterator[Iterator[Frame]]:
    """Each portrait of the tests on a computed phone in the demo's scene, at each distance."""
    scene = next(ReplayCamera(type="replay", path=CLIP, pace="fast").images()).image
    for portrait, scale in itertools.product(sorted(PORTRAITS.glob("*.jpg")), SCALES):
        yield _frames(presentation(scene, photos.load(portrait), "phone", FRAMES / FPS, scale))


def _frames(images: Iterable[Image]) -> Iterator[Frame]:
    for number, image in enumerate(images):
        yield Frame(_CAMERA, number, number / FPS, 1_700_000_000.0 + number / FPS, image)


def outcomes(analyzer: FaceAnalyzer, looks: MinifasnetLiveness, visits: Iterable[Iterator[Frame]]) -> list[Outcome]:
    """What becomes of each visit."""
    rules = PipelineRules("front", "b007", Recognition(), UnknownSettings(), liveness=looks)
    required = required_checks("passive", looks=True)
    trial = TrialRules(_CAMERA, rules, analyzer, CalibrationTable.shipped(), required)
    return [present(trial, frames, SystemClock()) for frames in visits]


def row(kind: str, spoof: float, found: list[Outcome]) -> Mapping[str, str]:
    """One row of the table."""
    verdicts, total = Counter(one.verdict for one in found), len(found)
    undecided = [one for one in found if one.verdict not in {"living", "spoof"}]
    reasons = Counter(max(one.reasons, key=one.reasons.__getitem__) if one.reasons else "score" for one in undecided)
    share, low, high = interval(verdicts["spoof"], total)
    return {
        "visits of": kind,
        "spoof below": f"{spoof:g}",
        "visits": str(total),
        "living": str(verdicts["living"]),
        "spoof": f"{verdicts['spoof']} ({share:.1%}, 95 %: {low:.1%} to {high:.1%})",
        "undecided": f"{len(undecided)} ({len(undecided) / total:.1%})",
        "why undecided": ", ".join(f"{why} {count}" for why, count in reasons.most_common()),
    }


def main() -> None:
    """Print the table, and leave it in build/liveness-visits.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("faces", type=Path)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--spoof", type=float, nargs="+", help="limits to compare, in place of the default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        looks = looks_of(arguments.models, Path(folder))
        analyzer = FaceAnalyzer.open(DEFAULT_DETECTOR, EmbedderSettings(), QualityLimits(), looks)
        people = list(sitters(analyzer, arguments.faces, arguments.people, random.Random(arguments.seed)))
        lines: list[str] = []
        for spoof in arguments.spoof or [looks.spoof]:
            rules = looks.model_copy(update={"spoof": spoof})
            living = (visit(one, np.random.default_rng(n)) for n, one in enumerate(people))
            for kind, visits in (("living people", living), ("phones", phones())):
                cells = row(kind, spoof, outcomes(analyzer, rules, visits))
                lines = lines or [f"| {' | '.join(cells)} |", f"|---{'|---:' * 5}|---|"]
                lines.append(f"| {' | '.join(cells.values())} |")
        print("\n".join(lines))
        print(figures.save("liveness-visits", "\n".join(lines)))


if __name__ == "__main__":
    main()
