"""Films made of the photos in tests/data: portraits that stand or walk before a plain wall."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from edgeface.core.types import Frame, Image
from edgeface.imaging import photos
from edgeface.imaging.opencv import cv2

DATA = Path(__file__).parents[1] / "data"
FPS = 15.0
# Pixels from brow to chin in each photo, as the detector finds it.
FACE = {"obama": 119, "obama2": 138, "obama3": 56, "biden": 66, "astronaut": 103}
# Left, top, right, bottom of head and shoulders in each photo.
HEAD = {
    "obama": (100, 0, 345, 300),
    "obama2": (0, 30, 267, 400),
    "obama3": (90, 30, 250, 200),
    "biden": (30, 10, 225, 200),
    "astronaut": (100, 10, 350, 300),
}

Actor = tuple[str, int, int]
"""A photo, and where its left upper corner stands in the picture."""


@cache
def portrait(photo: str, height: int) -> Image:
    """Head and shoulders from a photo, scaled so that the face is `height` pixels tall."""
    image = photos.load(DATA / f"{photo}.jpg")
    left, top, right, bottom = HEAD[photo]
    scale = height / FACE[photo]
    return np.asarray(
        cv2.resize(image[top:bottom, left:right], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
    )


def picture(*actors: Actor, face: int = 100, size: tuple[int, int] = (640, 480), seed: int = 0) -> Image:
    """One picture with the actors in it and a little noise."""
    canvas = np.full((size[1], size[0], 3), 120, np.uint8)
    for photo, x, y in actors:
        part = portrait(photo, face)[: size[1] - y, : size[0] - x]
        canvas[y : y + part.shape[0], x : x + part.shape[1]] = part
    noise = np.random.default_rng(seed).integers(0, 6, canvas.shape, np.uint8)
    return np.asarray(np.minimum(canvas, 249) + noise, np.uint8)


def film(
    *scenes: tuple[float, tuple[Actor, ...]], camera: str = "porch", face: int = 100, fps: float = FPS
) -> Iterator[Frame]:
    """Frames of scenes after each other: seconds, and the actors who sway gently where they stand."""
    seq = 0
    for seconds, actors in scenes:
        for _ in range(round(seconds * fps)):
            sway = round(4 * np.sin(seq / 4))
            image = picture(*((photo, x + sway, y) for photo, x, y in actors), face=face, seed=seq)
            image.flags.writeable = False
            yield Frame(camera, seq, seq / fps, 1_000.0 + seq / fps, image)
            seq += 1
