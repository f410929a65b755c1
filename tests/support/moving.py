"""Pictures in which something moves, with the noise of a sensor, and clips of them that a recording repeats."""

from collections.abc import Iterator
from functools import cache

import numpy as np

from edgeface.core.types import CameraImage, Image

SIZE = (120, 160)
"""Rows and columns."""


@cache
def _wall() -> Image:
    return np.random.default_rng(7).integers(60, 90, (*SIZE, 3), np.uint8)


def moving(number: int, noise: int = 6) -> CameraImage:
    """Picture `number` of a live camera at 15 per second: a bright figure walks to and fro; without a timestamp."""
    image = _wall().copy()
    left = round(55 + 50 * np.sin(number / 12))
    image[30:110, left : left + 40] = 190
    if noise:
        image += np.random.default_rng(number).integers(0, noise + 1, image.shape, np.uint8)
    return CameraImage(image, None)


def loop(length: int, first: int = 0) -> Iterator[CameraImage]:
    """`length` pictures from number `first`, again and again."""
    clip = [moving(first + number) for number in range(length)]
    while True:
        for picture in clip:
            # A decoder makes a new picture each time.
            yield CameraImage(picture.image.copy(), None)
