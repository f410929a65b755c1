"""The landmarker for embedding: O-Net's five points on the face that a closer look has confirmed.

O-Net is the last stage of MTCNN (Zhang et al., IEEE SPL 23(10), 2016), which aligned the faces that embedders are
trained on. Its points bring FNMR at FMR 1e-4 from 4.6 % down to 2.7 % (docs/decisions/0006-landmarks.md).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeface.landmarks import CloseLook
from edgeface.model import ONET, open_shipped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgeface.model import Model
    from edgeface.types import Box, Detection, Image, Landmarks

    Floats = NDArray[np.float32]

SIZE = 48
"""Height and width of the model's input, in pixels."""

# The first look's side, in longer sides of the closer look's box: the best of 0.9, 1.05, 1.2 and 1.4.
_FIRST = 1.05
# A crop is cut at twice the size and averaged, so that no pixel of a face up to 192 px is skipped.
_FINER = 2
# Places of box and points in the model's output.
_BOX, _POINTS = 1, 2


class _Square(NamedTuple):
    """A turned square of the picture: its middle, side and angle, in pixels and radians."""

    x: float
    y: float
    side: float
    angle: float

    def matrix(self) -> NDArray[np.float64]:
        """The 2 x 3 matrix from shares of the side to the picture's pixels, corners of pixels being whole numbers."""
        cosine, sine = self.side * math.cos(self.angle), self.side * math.sin(self.angle)
        turn = np.array([[cosine, -sine], [sine, cosine]])
        return np.column_stack([turn, np.array([self.x, self.y]) - turn @ np.array([0.5, 0.5])])

    def to_picture(self, points: Floats) -> Floats:
        """Bring n x 2 points from shares of the side to the picture's pixels."""
        matrix = self.matrix()
        placed: Floats = (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
        return placed

    def around(self, box: Floats) -> _Square:
        """The square around a box that is told in shares of the side, turned as this one is."""
        matrix = self.matrix()
        x, y = matrix[:, :2] @ box.mean(axis=0) + matrix[:, 2]
        return _Square(float(x), float(y), self.side * float((box[1] - box[0]).max()), self.angle)


class Onet:
    """A Landmarker; not for two threads at once."""

    def __init__(self, look: CloseLook | None = None, model: Model | None = None) -> None:
        self._look = look or CloseLook()
        self._model = model or open_shipped(ONET)

    def locate(self, image: Image, box: Box) -> Detection | None:
        """Look closely at the face in `box`; the landmarks are 8 x 2, with the corners of the mouth.

        Box, score and ears are those of the closer look, which also says when there is no face: None.
        """
        close = self._look.locate(image, box)
        if close is None:
            return None
        five = self.five(image, close)
        mouth = five[3:].mean(axis=0, keepdims=True)
        landmarks: Landmarks = np.concatenate([five[:3], mouth, close.landmarks[4:6], five[3:]])
        return replace(close, landmarks=landmarks)

    def five(self, image: Image, close: Detection) -> Floats:
        """Eyes, nose tip and corners of the mouth, 5 x 2 in the picture's pixels, the person's right before the left.

        Twice: O-Net's own box, a fifth larger than BlazeFace's and a tenth higher, is where its points are best.
        """
        x, y = close.box.centre
        first = _Square(x, y, _FIRST * max(close.box.width, close.box.height), _tilt(close.landmarks))
        box, points = self._look_at(image, first)
        second = first.around(box)
        # A box far from the first look's is no box of this face.
        if not first.side / 2 < second.side < first.side * 2:
            return first.to_picture(points)
        return second.to_picture(self._look_at(image, second)[1])

    def _look_at(self, image: Image, square: _Square) -> tuple[Floats, Floats]:
        """The face's box (2 x 2 corners) and points (5 x 2) in shares of the square's side."""
        crop = _cut(image, square.matrix())
        # Columns first, as the model was trained in MATLAB.
        tensor = (crop.transpose(1, 0, 2)[np.newaxis].astype(np.float32) - np.float32(127.5)) * np.float32(1 / 128)
        found = self._model.run(np.ascontiguousarray(tensor))
        # The box is said as shifts of the crop's corners; of the points all x come first, then all y.
        box = found[_BOX].reshape(2, 2) + np.array([[0], [1]], np.float32)
        return box, found[_POINTS].reshape(2, 5).T


def _tilt(landmarks: Landmarks) -> float:
    """Angle of the line through the eyes in radians; positive when the left eye stands lower in the picture."""
    across = landmarks[1] - landmarks[0]
    return math.atan2(float(across[1]), float(across[0]))


def _cut(image: Image, matrix: NDArray[np.float64]) -> Image:
    """Cut out the square that `matrix` brings to the picture; black where it reaches over the edges."""
    from edgeface.opencv import cv2

    pixels = matrix / [_FINER * SIZE, _FINER * SIZE, 1]
    # warpAffine speaks of the pixels' middles.
    pixels[:, 2] += pixels[:, :2] @ np.array([0.5, 0.5]) - 0.5
    size = (_FINER * SIZE, _FINER * SIZE)
    large = cv2.warpAffine(image, pixels, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray(cv2.resize(large, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.uint8)
