"""Aligned faces with a margin, as they are kept for an embedder of the future: PNG, without loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgeface.core.errors import PhotoError

if TYPE_CHECKING:
    from edgeface.core.types import Image

MARGIN = 24
"""Pixels around the 112 x 112 of an embedder: 160 x 160 in all, the input of models that see more of a head."""
SIDE = 112 + 2 * MARGIN
"""Height and width of a crop, in pixels."""


def make_crop(image: Image) -> bytes:
    """Write an RGB picture of SIDE x SIDE pixels as PNG."""
    from edgeface.imaging.opencv import cv2

    _, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return data.tobytes()


def open_crop(data: bytes) -> Image:
    """The picture that `make_crop` wrote; raises PhotoError if it is none."""
    from edgeface.imaging.opencv import cv2

    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None or image.shape != (SIDE, SIDE, 3):
        raise PhotoError("a crop cannot be read")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def inner(image: Image) -> Image:
    """The part of a crop that an embedder sees: without the margin."""
    return image[MARGIN:-MARGIN, MARGIN:-MARGIN]
