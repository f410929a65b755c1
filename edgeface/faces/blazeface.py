"""BlazeFace on LiteRT: the search of one square of a picture, and the decoding of the model's outputs.

Anchors, scales, the clip at 100 and weighted NMS at IoU 0.3 are those of MediaPipe's graphs
(mediapipe/modules/face_detection/face_detection_short_range_common.pbtxt and
face_detection_full_range_common.pbtxt), checked against its Tasks FaceDetector in tests/faces/test_mediapipe.py.
Paper: Bazarevsky et al., BlazeFace, arXiv:1907.05047.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edgeface.core.types import Box, Detection
from edgeface.faces.tflite import FULL_RANGE_SPARSE, SHORT_RANGE, Model, open_shipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgeface.core.types import Image

    Floats = NDArray[np.float32]

# MediaPipe's score_clipping_thresh: exp() of more would overflow.
_CLIP = 100.0
# MediaPipe's min_suppression_threshold.
_SAME_FACE = 0.3
# Side of the crop in which a face is detected again, in sides of its box.
_CROP = 2.0
# The face fills the middle of the crop; one that overlaps its box less than this is a neighbour.
_SAME_REFINED = 0.3


class Region(NamedTuple):
    """A square of a picture, in pixels; it may extend beyond the picture."""

    left: float
    top: float
    side: float

    @classmethod
    def whole(cls, image: Image) -> Region:
        """The square around all of `image`, which is in its centre (letterbox)."""
        height, width = image.shape[:2]
        side = max(height, width)
        return cls((width - side) / 2, (height - side) / 2, side)

    @classmethod
    def around(cls, box: Box, scale: float) -> Region:
        """The square about `box` that is `scale` times its longer side."""
        x, y = box.centre
        side = scale * max(box.width, box.height)
        return cls(x - side / 2, y - side / 2, side)


class BlazeFace:
    """One of MediaPipe's two face detectors; not for two threads at once."""

    def __init__(self, model: Model, anchors: Floats) -> None:
        self._model = model
        self._size = model.input[1]
        self._anchors = anchors
        self._canvas = np.empty((1, self._size, self._size, 3), np.float32)

    @classmethod
    def short_range(cls, threads: int = 1) -> BlazeFace:
        """For faces of at least about a fifth of the region's side; 128 x 128 input."""
        return cls(open_shipped(SHORT_RANGE, threads), _grid((16, 2), (8, 6)))

    @classmethod
    def full_range_sparse(cls, threads: int = 1) -> BlazeFace:
        """For faces of at least about an eighth of the region's side; 192 x 192 input."""
        return cls(open_shipped(FULL_RANGE_SPARSE, threads), _grid((48, 1)))

    def find(self, image: Image, region: Region, threshold: float) -> list[Detection]:
        """Find the faces of one region, best first, none twice, in the picture's pixels.

        `image` is height x width x 3 RGB uint8; `threshold` is the lowest score, 0 to 1, both exclusive.
        """
        # Both files have the regressors before the scores.
        _draw(image, region, self._canvas)
        regressors, scores = self._model.run(self._canvas)
        logits = np.clip(scores[0, :, 0], -_CLIP, _CLIP)
        kept = np.flatnonzero(logits > math.log(threshold / (1 - threshold)))
        if kept.size == 0:
            return []
        chances = 1 / (1 + np.exp(-logits[kept]))
        points = self._points(regressors[0, kept], kept)
        points = points * region.side + np.array([region.left, region.top], np.float32)
        return [_detection(group, score) for group, score in _weighted_nms(points, chances)]

    def locate(self, image: Image, box: Box, threshold: float = 0.5) -> Detection | None:
        """Detect the face in `box` again, in a crop around it; its 6 x 2 landmarks are in the picture's pixels.

        None when there is no face, or only one that hardly overlaps `box` (IoU up to 0.3).
        """
        if not (box.width > 0 and box.height > 0):
            return None
        found = self.find(image, Region.around(box, _CROP), threshold)
        best = max(found, key=lambda d: d.box.iou(box), default=None)
        return best if best is not None and best.box.iou(box) > _SAME_REFINED else None

    def _points(self, raw: Floats, kept: NDArray[np.intp]) -> Floats:
        """N x 8 x 2 in units of the region: left top, right bottom, and the six landmarks."""
        pairs = raw.reshape(-1, 8, 2) / self._size
        anchors = self._anchors[kept]
        centre, half = pairs[:, 0] + anchors, pairs[:, 1] / 2
        points = pairs + anchors[:, None]
        points[:, 0], points[:, 1] = centre - half, centre + half
        return points.astype(np.float32)


def merge(found: Sequence[Detection], overlap: float = 0.5) -> list[Detection]:
    """Merge the detections of several searches: best first, and one of each face.

    Two are the same face when their intersection is more than `overlap` of the smaller, so that a part of a face
    at the edge of one region is replaced by the whole face of another.
    """
    kept: list[Detection] = []
    for detection in sorted(found, key=lambda d: -d.score):
        if all(_overlap(detection.box, other.box) <= overlap for other in kept):
            kept.append(detection)
    return kept


def _overlap(one: Box, other: Box) -> float:
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / min(one.width * one.height, other.width * other.height)


def _grid(*layers: tuple[int, int]) -> Floats:
    """N x 2 anchor centres, 0 to 1, for layers of (cells a side, anchors a cell), row by row."""
    parts = []
    for cells, each in layers:
        ticks = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        y, x = np.meshgrid(ticks, ticks, indexing="ij")
        parts.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), each, axis=0))
    return np.concatenate(parts)


def _draw(image: Image, region: Region, canvas: Floats) -> None:
    """Fill 1 x size x size x 3 with -1 to 1; black outside the picture.

    Halves the region, by means of four pixels, until linear interpolation need not skip pixels: this takes a sixth of
    the time of means over fractions of pixels (docs/performance.md).
    """
    from edgeface.imaging.opencv import cv2

    canvas.fill(-1.0)
    size = canvas.shape[1]
    halvings = max(0, math.floor(math.log2(region.side / size)))
    left, right = _ends(region.left, region.side, image.shape[1], 1 << halvings)
    top, bottom = _ends(region.top, region.side, image.shape[0], 1 << halvings)
    x0, x1 = (_inside((x - region.left) * size / region.side, size) for x in (left, right))
    y0, y1 = (_inside((y - region.top) * size / region.side, size) for y in (top, bottom))
    if right <= left or bottom <= top or x1 <= x0 or y1 <= y0:
        return
    part: NDArray[Any] = image[top:bottom, left:right]
    for _ in range(halvings):
        part = cv2.resize(part, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    # Exact: plain linear interpolation rounds down in OpenCV's x86-64 wheels, and to the nearest in those for ARM.
    part = cv2.resize(part, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR_EXACT)
    shown = canvas[0, y0:y1, x0:x1]
    np.multiply(part, np.float32(1 / 127.5), out=shown)
    shown -= np.float32(1)


def _ends(start: float, length: float, most: int, multiple: int) -> tuple[int, int]:
    """The whole pixels of a span inside the picture, a multiple that can be halved."""
    first, last = max(0, math.floor(start)), min(most, math.ceil(start + length))
    return first, last - max(0, last - first) % multiple


def _inside(position: float, size: int) -> int:
    return min(size, max(0, round(position)))


def _weighted_nms(points: Floats, scores: Floats) -> list[tuple[Floats, float]]:
    """Group the detections that overlap the best one; gives each group's mean, weighted by score, and its best score.

    The mean of neighbouring anchors jitters less from frame to frame than the best anchor alone (BlazeFace paper,
    section 3.3: 40 % less), which matters for the landmarks that align a face.
    """
    order = np.argsort(-scores, kind="stable")
    groups = []
    while order.size:
        same = _iou(points[order[0], :2], points[order, :2]) > _SAME_FACE
        same[0] = True
        group, order = order[same], order[~same]
        weights = scores[group] / scores[group].sum()
        groups.append((np.tensordot(weights, points[group], axes=1), float(scores[group[0]])))
    return groups


def _iou(box: Floats, boxes: Floats) -> Floats:
    """One box of 2 x 2 corners against n x 2 x 2."""
    sides = np.minimum(box[1], boxes[:, 1]) - np.maximum(box[0], boxes[:, 0])
    shared = np.prod(np.maximum(sides, 0), axis=1)
    areas = np.prod(np.maximum(boxes[:, 1] - boxes[:, 0], 0), axis=1)
    union = areas + np.prod(np.maximum(box[1] - box[0], 0)) - shared
    iou: Floats = shared / np.maximum(union, np.float32(1e-9))
    return iou


def _detection(points: Floats, score: float) -> Detection:
    left, top, right, bottom = (float(n) for n in points[:2].ravel())
    return Detection(Box(left, top, right, bottom), score, points[2:].astype(np.float32))
