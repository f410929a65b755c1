"""Landmarks to the 112 x 112 crop that the embedder expects."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgeface.core.types import Image, Landmarks

SIZE = 112
"""Height and width of the crop, in pixels."""

# Right eye, left eye, nose tip, right and left corner of the mouth where MobileFaceNet was trained to see them:
# ArcFace's alignment (Deng et al., arXiv:1801.07698; insightface's arcface_dst).
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)
_FIVE = [0, 1, 2, 6, 7]
# Without the corners, the mouth's middle stands for them.
_FOUR_TEMPLATE = np.vstack([TEMPLATE[:3], TEMPLATE[3:].mean(axis=0, keepdims=True)])
# A face is shrunk by at most this much with linear interpolation, which beyond it skips pixels.
_SHRINK = 2.0
# A face of 1,800 pixels; larger ones are not worth more memory.
_MOST_TIMES = 8


def align(image: Image, landmarks: Landmarks) -> Image:
    """Cut one face out, turned and scaled so that its eyes, nose and mouth stand where the embedder expects them.

    `image` is height x width x 3 RGB uint8, `landmarks` 6 x 2 or 8 x 2 in its pixels, of which eyes, nose and mouth
    are used; the result is 112 x 112 x 3. What lies outside the picture is black. Points that are not finite, or all
    one point, are a ValueError.
    """
    from edgeface.imaging.opencv import cv2

    matrix = similarity(landmarks[_FIVE], TEMPLATE) if len(landmarks) > _FIVE[-1] else _by_four(landmarks)
    times = min(_MOST_TIMES, math.ceil(1 / (_SHRINK * math.hypot(matrix[0, 0], matrix[1, 0]))))
    if times <= 1:
        return np.asarray(cv2.warpAffine(image, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR), np.uint8)
    finer = times * matrix
    # warpAffine speaks of the pixels' middles.
    finer[:, 2] += (times - 1) / 2
    large = cv2.warpAffine(image, finer, (times * SIZE, times * SIZE), flags=cv2.INTER_LINEAR)
    return np.asarray(cv2.resize(large, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.uint8)


def _by_four(landmarks: Landmarks) -> NDArray[np.float64]:
    return similarity(landmarks[: len(_FOUR_TEMPLATE)], _FOUR_TEMPLATE)


def similarity(points: NDArray[np.floating], template: NDArray[np.floating]) -> NDArray[np.float64]:
    """The 2 x 3 matrix of the rotation, scaling and shift that bring n x 2 points nearest to the template's.

    Least squares without reflection (Umeyama, IEEE PAMI 13(4), 1991), in closed form for the plane.
    """
    source, target = np.asarray(points, np.float64), np.asarray(template, np.float64)
    if not np.isfinite(source).all():
        raise ValueError("landmarks are not finite")
    middle, aim = source.mean(axis=0), target.mean(axis=0)
    a, b = source - middle, target - aim
    spread = float((a**2).sum())
    if spread == 0:
        raise ValueError("landmarks are all one point")
    cosine = float((a * b).sum()) / spread
    sine = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / spread
    turn = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([turn, aim - turn @ middle])
