"""Landmarks to the 112 x 112 crop of an aligned face, and the crop to its embedding.

The model is MobileFaceNet, or another one of the same form.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

import numpy as np

from edgeface.core.errors import ModelError
from edgeface.faces.tflite import EMBEDDER, open_model, open_shipped, read_model

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edgeface.core.types import Embedding, Image, Landmarks
    from edgeface.faces.tflite import Model

SIZE = 112
"""Height and width of the crop, in pixels."""

# Right eye, left eye, nose tip, right and left corner of the mouth where MobileFaceNet was trained to see them:
# ArcFace's alignment (Deng et al., arXiv:1801.07698; insightface's arcface_dst).
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)
_FIVE = [0, 1, 2, 6, 7]
# Without the corners, the middle of the mouth replaces them.
_FOUR_TEMPLATE = np.vstack([TEMPLATE[:3], TEMPLATE[3:].mean(axis=0, keepdims=True)])
# A face is shrunk by at most this much with linear interpolation, which beyond it skips pixels.
_SHRINK = 2.0
# A face of 1,800 pixels; larger ones are not worth more memory.
_MAX_TIMES = 8

# MobileFaceNet's input is -1 to 1.
_MEAN, _SCALE = np.float32(127.5), np.float32(1 / 128)


def align(image: Image, landmarks: Landmarks, margin: int = 0) -> Image:
    """Cut out one face, turned and scaled so that its eyes, nose and mouth are where the embedder expects them.

    `image` is height x width x 3 RGB uint8, `landmarks` 6 x 2 or 8 x 2 in its pixels, of which eyes, nose and mouth
    are used; the result is 112 x 112 x 3, with `margin` more pixels on each side, black outside the picture. Raises
    ValueError if points are not finite, or all the same.
    """
    from edgeface.imaging.opencv import cv2

    if len(landmarks) > _FIVE[-1]:
        matrix = similarity(landmarks[_FIVE], TEMPLATE)
    else:
        matrix = similarity(landmarks[: len(_FOUR_TEMPLATE)], _FOUR_TEMPLATE)
    matrix[:, 2] += margin
    side = SIZE + 2 * margin
    times = min(_MAX_TIMES, math.ceil(1 / (_SHRINK * math.hypot(matrix[0, 0], matrix[1, 0]))))
    if times <= 1:
        return np.asarray(cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR), np.uint8)
    finer = times * matrix
    # warpAffine counts from the centres of pixels.
    finer[:, 2] += (times - 1) / 2
    large = cv2.warpAffine(image, finer, (times * side, times * side), flags=cv2.INTER_LINEAR)
    return np.asarray(cv2.resize(large, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


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


class Mobilefacenet:
    """An Embedder that wraps a model from 1 x 112 x 112 x 3 floats, RGB as (x - 127.5) / 128, to 1 x N floats.

    The scaling is that of sirius-ai/MobileFaceNet_TF, from which the shipped model derives.
    Raises ModelError for a model of another shape.
    """

    def __init__(self, model: Model) -> None:
        if model.input != (1, SIZE, SIZE, 3) or len(model.outputs) != 1 or not _is_vector(model.outputs[0]):
            raise ModelError(
                f"{model.name}: shapes are {model.input} -> {model.outputs}, "
                f"an embedder has {(1, SIZE, SIZE, 3)} -> ((1, N),)"
            )
        if not model.floats:
            raise ModelError(f"{model.name}: takes or gives integers; an embedder's input and output are float32")
        self._model = model
        self.name = _name_of(model.name, model.sha256)
        """The model's file name without its ending, and the first 8 digits of its SHA-256."""
        self.size = model.outputs[0][1]
        """How many numbers an embedding has."""

    def embed(self, crop: Image) -> Embedding:
        """Embed one aligned 112 x 112 RGB crop; the result is float32 of length one.

        Raises ValueError for a crop of another shape, ModelError if the model returns zeros or no finite numbers.
        """
        if crop.shape != (SIZE, SIZE, 3):
            raise ValueError(f"a crop is {SIZE} x {SIZE} x 3, not {crop.shape}")
        tensor = (crop.astype(np.float32)[np.newaxis] - _MEAN) * _SCALE
        vector: Embedding = self._model.run(tensor)[0][0]
        length = float(np.linalg.norm(vector))
        if not np.isfinite(length) or length == 0:
            raise ModelError(f"{self._model.name}: gives no usable embedding; install the model again")
        unit: Embedding = vector / np.float32(length)
        return unit


def embedder_name(path: Path | None = None) -> str:
    """The name of the embedder at `path`, without loading it. Raises ModelError if its file cannot be read."""
    if path is None:
        return _name_of(EMBEDDER.file, EMBEDDER.sha256)
    return _name_of(path.name, hashlib.sha256(read_model(path)).hexdigest())


def open_embedder(path: Path | None = None, threads: int = 1) -> Mobilefacenet:
    """Open the shipped embedder, or another one from `path`. Raises ModelError if it cannot be used."""
    return Mobilefacenet(open_shipped(EMBEDDER, threads) if path is None else open_model(path, threads=threads))


def _name_of(file: str, sha256: str) -> str:
    return f"{file.removesuffix('.tflite').replace('_', '-')}:{sha256[:8]}"


def _is_vector(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 and shape[0] == 1 and shape[1] > 1  # noqa: PLR2004 - batch and size
