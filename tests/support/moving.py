"""Pictures in which something moves, with the noise of a sensor, and clips of them that a recording repeats."""

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from edgeface.core.types import CameraImage, Image

SIZE = (120, 160)
"""Rows and columns."""

STRETCHES = 1_000_003
"""How many pictures have a noise of their own; a prime, so that the stretches of noise do not meet."""


@cache
def _noise(most: int) -> NDArray[np.uint8]:
    return np.random.default_rng(most).integers(0, most + 1, STRETCHES + 3 * SIZE[0] * SIZE[1], np.uint8)


@cache
def _wall() -> Image:
    return np.random.default_rng(7).integers(60, 90, (*SIZE, 3), np.uint8)


def moving(number: int, noise: int = 6) -> CameraImage:
    """Picture `number` of a live camera at 15 per second: a bright figure walks to and fro; without a timestamp."""
    image = _wall().copy()
    left = round(55 + 50 * np.sin(number / 12))
    image[30:110, left : left + 40] = 190
    if noise:
        # Another stretch of the same noise for each picture costs a tenth of new noise.
        start = number * 7919 % STRETCHES
        image += _noise(noise)[start : start + image.size].reshape(image.shape)
    return CameraImage(image, None)


def loop(length: int, first: int = 0) -> Iterator[CameraImage]:
    """`length` pictures from number `first`, again and again."""
    clip = [moving(first + number) for number in range(length)]
    while True:
        for picture in clip:
            # A decoder makes a new picture each time.
            yield CameraImage(picture.image.copy(), None)
