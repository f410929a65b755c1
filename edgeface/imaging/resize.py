"""Resizes pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgeface.core.types import Image


def resized(image: NDArray[Any], size: tuple[int, int], *, shrinks: bool) -> Image:
    """Resize to `size`, width and height in pixels; `shrinks` selects averaging, otherwise linear interpolation.

    Averaging (INTER_AREA) keeps small faces free of aliasing, but is coarse when it enlarges.
    """
    from edgeface.imaging.opencv import cv2

    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)


def scaled(image: Image, scale: float) -> Image:
    """Resize by a factor, to at least one pixel a side; the picture itself if the factor is 1."""
    if scale == 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return resized(image, size, shrinks=scale < 1)
