"""Aligned faces to calibrate and measure on, made from the public-domain portraits of the tests."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeface.faces.blazeface import BlazeFace, Region
from edgeface.faces.embedder import align

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edgeface.core.types import Image

    Floats = NDArray[np.float32]

PHOTOS = Path(__file__).resolve().parents[2] / "tests" / "data"

_THRESHOLD = 0.5
_WIDEST = 1280
# Each photo unaltered, and darker or brighter, smaller and thereby blurred, turned, and mirrored.
_GAINS, _SHARES, _TURNS, _MIRRORS = (0.6, 1.0, 1.4), (1.0, 0.3), (-8.0, 8.0), (False, True)


def crops(folder: Path = PHOTOS) -> list[Image]:
    """Return 112 x 112 crops of every face photo in `folder`, altered in light, size, angle and side.

    The faces are found and aligned with BlazeFace; ValueError if there is none.
    """
    detector = BlazeFace.short_range()
    found = []
    for path in sorted(folder.glob("*.jpg")):
        image = _read(path)
        for altered in _altered(image):
            seen = detector.find(altered, Region.whole(altered), _THRESHOLD)
            close = detector.locate(altered, seen[0].box) if seen else None
            if close is not None:
                found.append(align(altered, close.landmarks))
    if not found:
        raise ValueError(f"{folder}: no photo with a face")
    return found


def tensor(crop: Image) -> Floats:
    """Scale a crop as edgeface/faces/embedder.py does: 1 x 112 x 112 x 3."""
    scaled: Floats = (crop.astype(np.float32)[np.newaxis] - np.float32(127.5)) * np.float32(1 / 128)
    return scaled


def _altered(image: Image) -> Iterator[Image]:
    from edgeface.imaging.opencv import cv2

    height, width = image.shape[:2]
    for gain, share, turn, mirrored in product(_GAINS, _SHARES, _TURNS, _MIRRORS):
        matrix = cv2.getRotationMatrix2D((width * share / 2, height * share / 2), turn, 1.0)
        small = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        turned = cv2.warpAffine(small, matrix, (small.shape[1], small.shape[0]), borderMode=cv2.BORDER_REPLICATE)
        lit = np.clip(turned * np.float32(gain), 0, 255).astype(np.uint8)
        yield np.ascontiguousarray(lit[:, ::-1] if mirrored else lit)


def _read(path: Path) -> Image:
    from edgeface.imaging.opencv import cv2

    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"{path}: not a picture")
    share = min(1.0, _WIDEST / max(image.shape[:2]))
    smaller = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(smaller[:, :, ::-1])
