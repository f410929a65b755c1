"""Makes the film of the attack: the supplied clip, and then pictures of a person in its empty scene.

What stands for a phone and a print is computed, so it shows how edgeface reacts, not how well it detects.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from edgeface.cameras.replay import ReplayCamera
from edgeface.imaging.drawing import VideoWriter
from edgeface.imaging.photos import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edgeface.core.types import Image

    Picture = NDArray[np.float32]
    """An RGB picture, 0 to 255, height x width x 3."""

FPS = 15
APART = 2.0
"""Seconds of the empty scene before and after each part, so that each is a visit of its own."""

Shown: TypeAlias = Literal["phone", "print", "portrait"]
"""A phone that shows a photo, the photo on paper, and the photo alone, as large as the picture."""

_PHONE, _PRINT = (180, 310), (210, 270)
"""Width and height of what is shown on it, pixels: a face at arm's length from a door camera."""

_ASIDE = {"phone": 110, "print": -120}
"""Pixels from the middle: a spoof is remembered at its place, so the next one is held elsewhere."""


@dataclass(frozen=True, slots=True)
class Part:
    """What is shown from `since` to `until`, in seconds of the film."""

    shown: Shown
    since: float
    until: float


def make_film(path: Path, clip: Path, photo: Path, parts: Sequence[tuple[Shown, float]]) -> tuple[float, list[Part]]:
    """Write the clip and then each part for so many seconds; returns the clip's length and the parts.

    Raises EdgefaceError if it cannot be written, PhotoError if the photo cannot be read.
    """
    image, written = load(photo), 0
    pictures = ReplayCamera(type="replay", path=clip, pace="fast").images()
    scene = next(pictures).image
    with VideoWriter(path, FPS, "MJPG") as film:
        for frame in chain([scene], (picture.image for picture in pictures)):
            film.draw(frame, ())
            written += 1
        end, placed = written / FPS, []
        for shown, seconds in parts:
            since = written / FPS + APART
            placed.append(Part(shown, since, since + seconds))
            for frame in presentation(scene, image, shown, seconds):
                film.draw(frame, ())
                written += 1
    return end, placed


def presentation(scene: Image, photo: Image, shown: Shown, seconds: float, scale: float = 1.0) -> Iterator[Image]:
    """The empty scene, what is shown for so many seconds, and the empty scene again; `scale` makes a card larger."""
    rng = np.random.default_rng(1)
    empty: Picture = scene.astype(np.float32)
    card = _scaled(_CARDS[shown](photo), scale) if shown in _CARDS else None
    alone = _fitted(photo, *scene.shape[1::-1])
    for number in range(round((seconds + 2 * APART) * FPS)):
        at = number / FPS - APART
        frame = empty
        if 0 <= at < seconds:
            frame = alone if card is None else _held(empty, card, at, _ASIDE[shown])
        yield np.clip(frame + rng.normal(0, 2, frame.shape), 0, 255).astype(np.uint8)


def _held(scene: Picture, card: Picture, at: float, aside: int) -> Picture:
    """The card before the scene at a time, in a hand that is never quite still."""
    from edgeface.imaging.opencv import cv2

    height, width = card.shape[:2]
    middle = scene.shape[1] / 2 + aside + 12 * math.sin(1.7 * at) + 4 * math.sin(7 * at), 250 + 6 * math.sin(2.3 * at)
    left, top, tilt = middle[0] - width / 2, middle[1] - height / 2, 6 + 4 * math.sin(at)
    corners = [(0, 0), (width, tilt), (width, height - tilt), (0, height)]
    target = np.array([(left + x, top + y) for x, y in corners], np.float32)
    source = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    move = cv2.getPerspectiveTransform(source, target)
    size = scene.shape[1], scene.shape[0]
    covered = cv2.warpPerspective(np.ones((height, width), np.float32), move, size)[..., None]
    moved = cv2.warpPerspective(card, move, size)
    return np.asarray(cv2.GaussianBlur(scene + covered * (moved - scene), (0, 0), 0.6), np.float32)


def _scaled(card: Picture, scale: float) -> Picture:
    from edgeface.imaging.opencv import cv2

    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return card if scale == 1 else np.asarray(cv2.resize(card, None, fx=scale, fy=scale, interpolation=how), np.float32)


def _phone(photo: Image) -> Picture:
    """A bright, bluish screen whose grid of pixels beats with the camera's, in a dark frame."""
    from edgeface.imaging.opencv import cv2

    width, height = _PHONE
    light = (_fitted(photo, width, height) / 255 * 0.85 + 0.1) * np.array([0.93, 1.0, 1.08], np.float32)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    grid = 1 + 0.1 * np.cos(2 * np.pi * x / 2.7) + 0.06 * np.cos(2 * np.pi * y / 2.7)
    beat = 1 + 0.03 * np.cos(2 * np.pi * (0.11 * x + 0.03 * y))
    screen = np.clip(light * (grid * beat)[..., None], 0, 1) * 255
    phone = cv2.copyMakeBorder(screen, 20, 20, 7, 7, cv2.BORDER_CONSTANT, value=(18, 18, 18))
    return np.asarray(phone, np.float32)


def _print(photo: Image) -> Picture:
    """Paper with a white margin: fewer colours and less contrast than the photo."""
    from edgeface.imaging.opencv import cv2

    light = _fitted(photo, *_PRINT) / 255
    grey = light.mean(axis=2, keepdims=True)
    paper = (0.12 + 0.78 * (grey + 0.75 * (light - grey))) * 255
    card = cv2.copyMakeBorder(paper, 15, 15, 15, 15, cv2.BORDER_CONSTANT, value=(235, 232, 225))
    return np.asarray(card, np.float32)


_CARDS: dict[Shown, Callable[[Image], Picture]] = {
    "phone": _phone,
    "print": _print,
}


def _fitted(photo: Image, width: int, height: int) -> Picture:
    """The photo as large as needed to fill so many pixels; what is beyond them is cut."""
    from edgeface.imaging.opencv import cv2

    scale = max(width / photo.shape[1], height / photo.shape[0])
    size = math.ceil(photo.shape[1] * scale), math.ceil(photo.shape[0] * scale)
    large = cv2.resize(photo, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    top, left = (large.shape[0] - height) // 4, (large.shape[1] - width) // 2
    return large[top : top + height, left : left + width].astype(np.float32)
