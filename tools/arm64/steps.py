"""Single pictures through detection, landmarks and embedding, each by itself: run here and on an emulated processor.

`steps.py draw FOLDER` writes the pictures as PNG, `steps.py measure FOLDER FILE` what is found in them, as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import edgeface
from edgeface.cameras.replay import ReplayCamera
from edgeface.config.configuration import Configuration
from edgeface.imaging.opencv import cv2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.core.types import Image
    from edgeface.faces.analyzer import FaceAnalyzer

DATA = Path(edgeface.__file__).parent / "demo_data"
CAMERA = ReplayCamera(path=DATA / "clip.mp4", pace="fast")
EVERY = 20
"""One of so many frames is taken."""


def pictures() -> Iterator[tuple[str, Image]]:
    """Photos and frames as this machine decodes them, by name."""
    for path in sorted((DATA / "people").glob("*/*.jpg")):
        yield path.stem, _read(path)
    for number, picture in enumerate(CAMERA.images()):
        if number % EVERY == 0:
            yield f"frame-{number:03}", picture.image


def measure(folder: Path) -> dict[str, Any]:
    """What is found in each picture of a folder, and by how many levels this machine decodes it otherwise."""
    analyzer = Configuration(cameras={"clip": CAMERA}).open_analyzer()
    own, drawn = dict(pictures()), {path.stem: _read(path) for path in sorted(folder.glob("*.png"))}
    levels = max(int(cv2.absdiff(own[name], image).max()) for name, image in drawn.items())
    return {"levels": levels, "faces": {name: _faces(analyzer, image) for name, image in drawn.items()}}


def _faces(analyzer: FaceAnalyzer, image: Image) -> list[dict[str, Any]]:
    return [
        {
            "reason": quality.reason,
            "landmarks": face.landmarks.tolist(),
            "embedding": analyzer.embed(image, face).tolist(),
        }
        for face, quality in analyzer.faces(image)
    ]


def _read(path: Path) -> Image:
    return np.ascontiguousarray(np.asarray(cv2.imread(str(path)), np.uint8)[:, :, ::-1])


def _draw(folder: Path) -> None:
    folder.mkdir()
    for name, image in pictures():
        cv2.imwrite(str(folder / f"{name}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    if sys.argv[1] == "draw":
        _draw(Path(sys.argv[2]))
    else:
        Path(sys.argv[3]).write_text(json.dumps(measure(Path(sys.argv[2]))))
