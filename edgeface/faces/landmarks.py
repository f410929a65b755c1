"""The landmarker for embedding: the five points of O-Net on a detected face.

O-Net is the last stage of MTCNN (Zhang et al., IEEE SPL 23(10), 2016), which aligned the faces that embedders are
trained on. Its points reduce FNMR at FMR 1e-4 from 4.6 % to 2.7 % (docs/decisions/0006-landmarks.md).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeface.core.types import Box, Detection
from edgeface.faces.tflite import ONET, open_shipped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgeface.core.types import Image, Landmarks
    from edgeface.faces.tflite import Model

    Floats = NDArray[np.float32]

SIZE = 48
"""Height and width of the model's input, in pixels."""

# Side of the first crop, in longer sides of the detector's box: the best of 0.9, 1.05, 1.2 and 1.4.
_FIRST = 1.05
# A crop is taken at twice the size and averaged, so that no pixel of a face up to 192 px is skipped.
_OVERSAMPLING = 2
# O-Net's box compared with BlazeFace's, in sides of a face: medians over LFW (docs/decisions/0006-landmarks.md).
_LARGER, _HIGHER = 1.19, 0.10
# MTCNN's own threshold for O-Net (Zhang et al., 2016); none of 6,395 faces of LFW is below, 99 % are above 0.96.
_MIN_SCORE = 0.7


class _Square(NamedTuple):
    """A rotated square of the picture: its centre, side and angle, in pixels and radians."""

    x: float
    y: float
    side: float
    angle: float

    def matrix(self) -> NDArray[np.float64]:
        """The 2 x 3 matrix from shares of the side to the picture's pixels, whose corners are whole numbers."""
        cosine, sine = self.side * math.cos(self.angle), self.side * math.sin(self.angle)
        turn = np.array([[cosine, -sine], [sine, cosine]])
        return np.column_stack([turn, np.array([self.x, self.y]) - turn @ np.array([0.5, 0.5])])

    def to_picture(self, points: Floats) -> Floats:
        """Transform n x 2 points from shares of the side to the picture's pixels."""
        matrix = self.matrix()
        placed: Floats = (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
        return placed

    def around(self, box: Floats) -> _Square:
        """The square around a box in shares of the side, with the same angle."""
        matrix = self.matrix()
        x, y = matrix[:, :2] @ box.mean(axis=0) + matrix[:, 2]
        return _Square(float(x), float(y), self.side * float((box[1] - box[0]).max()), self.angle)

    def as_blazeface(self) -> Box:
        """The upright box that BlazeFace would draw around the face of this square."""
        half = self.side / _LARGER / 2
        down = _HIGHER * 2 * half
        x, y = self.x - down * math.sin(self.angle), self.y + down * math.cos(self.angle)
        return Box(x - half, y - half, x + half, y + half)


class Onet:
    """A Landmarker; not for two threads at once."""

    def __init__(self, model: Model | None = None) -> None:
        self._model = model or open_shipped(ONET)

    def locate(self, image: Image, face: Detection) -> Detection | None:
        """Locate the landmarks of a detected face: 8 x 2, with the corners of the mouth.

        The box is as BlazeFace would draw it; score and ears are the detector's. None when O-Net finds no face.
        """
        if not (face.box.width > 0 and face.box.height > 0):
            return None
        score, five, box = self._five(image, face)
        if score < _MIN_SCORE:
            return None
        mouth = five[3:].mean(axis=0, keepdims=True)
        landmarks: Landmarks = np.concatenate([five[:3], mouth, face.landmarks[4:6], five[3:]])
        return Detection(box, face.score, landmarks.astype(np.float32), face.box)

    def _five(self, image: Image, face: Detection) -> tuple[float, Floats, Box]:
        """The score of the face; eyes, nose and corners of the mouth, 5 x 2 in the picture's pixels; the box.

        O-Net runs twice: its points are best in its own box, a fifth larger than BlazeFace's and a tenth higher.
        """
        x, y = face.box.centre
        first = _Square(x, y, _FIRST * max(face.box.width, face.box.height), _tilt(face.landmarks))
        score, box, points = self._run(image, first)
        second = first.around(box)._replace(angle=first.angle + _tilt(points))
        # A box of a very different size is not of this face.
        if not first.side / 2 < second.side < first.side * 2:
            return score, first.to_picture(points), face.box
        score, _, points = self._run(image, second)
        return score, second.to_picture(points), second.as_blazeface()

    def _run(self, image: Image, square: _Square) -> tuple[float, Floats, Floats]:
        """The score of a face, its box (2 x 2 corners) and points (5 x 2) in shares of the square's side."""
        crop = _cut(image, square.matrix())
        # Columns first, as the model was trained in MATLAB.
        tensor = (crop.transpose(1, 0, 2)[np.newaxis].astype(np.float32) - np.float32(127.5)) * np.float32(1 / 128)
        score, shifts, points = self._model.run(np.ascontiguousarray(tensor))
        # The box is given as shifts of the crop's corners; of the points all x come first, then all y.
        box = shifts.reshape(2, 2) + np.array([[0], [1]], np.float32)
        return float(score[0, 1]), box, points.reshape(2, 5).T


def _tilt(landmarks: Landmarks) -> float:
    """Angle of the line through the eyes in radians; positive when the left eye is lower in the picture."""
    across = landmarks[1] - landmarks[0]
    return math.atan2(float(across[1]), float(across[0])) if np.isfinite(across).all() else 0.0


def _cut(image: Image, matrix: NDArray[np.float64]) -> Image:
    """Cut out the square that `matrix` maps to the picture; black outside the picture."""
    from edgeface.imaging.opencv import cv2

    pixels = matrix / [_OVERSAMPLING * SIZE, _OVERSAMPLING * SIZE, 1]
    # warpAffine counts from the centres of pixels.
    pixels[:, 2] += pixels[:, :2] @ np.array([0.5, 0.5]) - 0.5
    size = (_OVERSAMPLING * SIZE, _OVERSAMPLING * SIZE)
    large = cv2.warpAffine(image, pixels, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray(cv2.resize(large, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.uint8)
