"""Cuts a person out of a photo with a soft edge, and draws the cut-out at any position and size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeface.imaging.opencv import cv2

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Picture: TypeAlias = NDArray[np.float32]
"""Height x width x 3, BGR, 0 to 255."""
Point: TypeAlias = tuple[float, float]

_BAND = 9
"""Half the width, in pixels, of the band around the outline in which grabCut decides."""
_FADE = 1.6
"""Blur of the matte, in pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """A person on a transparent background, in several sizes."""

    levels: tuple[NDArray[np.float32], ...]
    """Height x width x 4, BGR times alpha and alpha, each half as large as the one before."""
    face: tuple[float, float, float]
    """Centre of the face's box in the first level, x and y, and the box's height."""

    def drawn(self, size: tuple[int, int], x: float, y: float, height: float, angle: float) -> NDArray[np.float32]:
        """The cut-out on an empty canvas of width and height `size`, its face `height` pixels high at x, y.

        `angle` is in degrees, around the face; the result has the form of a level.
        """
        scale = height / self.face[2]
        level = 0
        while scale <= 0.5 and level + 1 < len(self.levels):  # noqa: PLR2004 - the levels halve
            scale, level = scale * 2, level + 1
        centre = ((self.face[0] + 0.5) / 2**level - 0.5, (self.face[1] + 0.5) / 2**level - 0.5)
        turn = cv2.getRotationMatrix2D(centre, angle, scale)
        turn[:, 2] += (x - centre[0], y - centre[1])
        return np.asarray(cv2.warpAffine(self.levels[level], turn, size, flags=cv2.INTER_LINEAR), np.float32)


def cut(path: Path, outline: Sequence[Point], face: tuple[float, float, float], *, mirrored: bool) -> Cutout:
    """Cut out what lies within `outline`, give or take _BAND pixels; all in the photo's pixels."""
    photo = cv2.imread(str(path))
    if photo is None:
        raise SystemExit(f"{path}: cannot be read")
    matte = _matte(photo, outline)
    clean = _clean(photo.astype(np.float32), matte)
    whole = np.dstack([clean * matte[:, :, None], matte]).astype(np.float32)
    if mirrored:
        whole = np.ascontiguousarray(whole[:, ::-1])
        face = (whole.shape[1] - 1 - face[0], face[1], face[2])
    levels = [whole]
    for _ in range(3):
        levels.append(np.asarray(cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)))
    return Cutout(tuple(levels), face)


def _matte(photo: NDArray[Any], outline: Sequence[Point]) -> Picture:
    """Alpha, 0 to 1: grabCut within the band, a blur, and half a blur's width removed to avoid fringes."""
    inside = np.zeros(photo.shape[:2], np.uint8)
    cv2.fillPoly(inside, [_smooth(outline)], 255)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _BAND + 1, 2 * _BAND + 1))
    # The person continues beyond the photo's edge.
    sure = cv2.erode(inside, disc, borderType=cv2.BORDER_REPLICATE)
    maybe = cv2.dilate(inside, disc)
    mask = np.full(photo.shape[:2], cv2.GC_BGD, np.uint8)
    mask[maybe > 0] = cv2.GC_PR_BGD
    mask[inside > 0] = cv2.GC_PR_FGD
    mask[sure > 0] = cv2.GC_FGD
    # grabCut's models start from OpenCV's own random numbers.
    cv2.setRNGSeed(1)
    cv2.grabCut(photo, mask, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    found = ((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)).astype(np.uint8) * 255
    found = cv2.medianBlur(found, 9) | sure
    soft = cv2.GaussianBlur(found.astype(np.float32) / 255, (0, 0), _FADE, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(np.clip((soft - 0.35) / 0.6, 0, 1), np.float32)


def _clean(photo: Picture, matte: Picture) -> Picture:
    """The photo with the person's own colours spread over the edge, so no old background shows through."""
    core = cv2.erode((matte > 0.98).astype(np.uint8), np.ones((5, 5), np.uint8)).astype(np.float32)  # noqa: PLR2004
    weight = cv2.GaussianBlur(core, (0, 0), 3.0) + 1e-4
    spread = cv2.GaussianBlur(photo * core[:, :, None], (0, 0), 3.0) / weight[:, :, None]
    keep = cv2.GaussianBlur(core, (0, 0), 1.2)[:, :, None]
    keep = np.clip(keep * 1.3, 0, 1)
    return np.asarray(photo * keep + spread * (1 - keep), np.float32)


def _smooth(outline: Sequence[Point]) -> NDArray[np.int32]:
    """The outline with its corners cut twice (Chaikin)."""
    points = np.asarray(outline, np.float64)
    for _ in range(2):
        after = np.roll(points, -1, axis=0)
        points = np.stack([0.75 * points + 0.25 * after, 0.25 * points + 0.75 * after], axis=1).reshape(-1, 2)
    return np.round(points).astype(np.int32)
