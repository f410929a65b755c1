"""The default detector: MediaPipe's BlazeFace models on LiteRT, at several scales.

It searches the whole image for near faces and tiles for far ones. Where a face is expected, or a new one is found, the
short-range model checks a crop of twice the face. Almost all false detections of BlazeFace fail that check, and real
faces pass it with the same score at every size (docs/detection.md has the figures).
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from edgeface.core.types import Box, Detection
from edgeface.faces.blazeface import BlazeFace, Region, merge
from edgeface.faces.detectors.base import DetectorBase
from edgeface.faces.protocols import SearchGrid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.core.types import Image
    from edgeface.faces.protocols import DetectionRequest, Detector

# Scores were chosen on faces of LFW and on photographs without faces (docs/detection.md).
# Lowest scores at which a face in the whole image or in a tile is checked in a crop.
_WHOLE_SCORE = 0.4
_TILE_SCORE = 0.5
# Lowest score of a face where none was expected, over four crops (the mean of their log odds), and where one is.
_NEW_SCORE = 0.7
_KNOWN_SCORE = 0.5
# Maximum crops per frame; a crowd gets fewer and its faces take turns, so that its frames cost about twice one face's.
_MAX_CROPS, _MAX_CROPS_IN_CROWD = 6, 4
# What a new face costs in a crowd's crops: three runs of one model and one of the other.
_NEW_COST = 3

# Short range finds a face of a fifth of its region's side, and most of a seventh (docs/detection.md).
_FACES_PER_TILE_SIDE = 5
# Maximum distance from one tile to the next, in sides.
_STEP = 0.75
# Boxes with a larger IoU are the same face.
_SAME_FACE = 0.3
# From this many expected faces on, one whole image costs less than a crop for each,
_CROWD = 4
# if they are no smaller than this share of the image's side: the whole image finds 84 in 100 of that size.
_NEAR = 1 / 8
# A new face that scores less in its first crop is not worth three more: 1 in 200 faces of LFW of 41 px does.
_WORTH_MORE = 0.6
# The score of a face that is not found at all.
_NOT_FOUND = 0.02
# The model for the whole image draws its box 1.09 times as large as the other one does, and higher by 0.045 of a
# face: medians over 397 faces of LFW.
_WHOLE_SIZE = 1.09
_WHOLE_HIGHER = 0.045


class BlazefaceDetector(DetectorBase):
    """Searches whole images for near faces and tiles for far ones, and checks every face in a crop."""

    restartless: ClassVar[frozenset[str]] = frozenset({"smallest_face"})
    takes_threads: ClassVar[bool] = True

    type: Literal["blazeface"] = "blazeface"
    smallest_face: Annotated[int, Field(ge=16, le=1000)] = 60
    """Smallest face to find, in pixels from chin to crown (from chin to brow it is three quarters of that); tiles are
    five times as large."""
    tiles_per_frame: Annotated[int, Field(ge=0, le=64)] = 2
    """Maximum number of tiles to search per frame; 0 searches only whole images."""

    def open(self, threads: int = 1) -> Detector:
        """Load the models; raises ModelError if one is missing or altered."""
        return _TiledDetector(self, threads)


class _TiledDetector:
    """Not thread-safe."""

    def __init__(self, settings: BlazefaceDetector, threads: int) -> None:
        self._settings = settings
        self._whole = BlazeFace.full_range_sparse(threads)
        self._short = BlazeFace.short_range(threads)

    def grid(self, width: int, height: int) -> SearchGrid:
        """Tiles of five times the smallest face; none in an image that is no larger than one."""
        tiles = grid(width, height, _FACES_PER_TILE_SIDE * self._settings.smallest_face)
        return SearchGrid(Box(0, 0, width, height), tiles, self._settings.tiles_per_frame)

    def detect(self, image: Image, request: DetectionRequest) -> list[Detection]:
        """Find faces as core.types.Detector describes; boxes are the short-range model's, from chin to brow."""
        followed = (*request.asked, *request.known)
        near = sum(box.height >= _NEAR * max(image.shape[:2]) for box in request.asked)
        candidates = merge(self._search(image, request, crowd=near >= _CROWD))
        found = [d for d in candidates if d.score >= _KNOWN_SCORE and _overlaps(d.box, followed)]
        missed = [box for box in request.asked if not _overlaps(box, [d.box for d in found])]
        new = [d.box for d in candidates if not _overlaps(d.box, followed)]
        found += self._check_crops(image, missed, new, crowd=len(followed) >= _CROWD)
        return merge(found)

    def _search(self, image: Image, request: DetectionRequest, *, crowd: bool) -> list[Detection]:
        whole = Box(0, 0, image.shape[1], image.shape[0])
        found = [d for tile in request.parts if tile != whole for d in self._in_tile(image, tile)]
        if request.glance:
            found += self._short.find(image, Region.whole(image), _TILE_SCORE)
        return found + self._in_whole(image) if crowd or whole in request.parts else found

    def _in_whole(self, image: Image) -> list[Detection]:
        found = self._whole.find(image, Region.whole(image), _WHOLE_SCORE)
        return [Detection(_as_short_range(d.box), d.score, d.landmarks) for d in found]

    def _in_tile(self, image: Image, tile: Box) -> list[Detection]:
        found = self._short.find(image, Region(tile.left, tile.top, tile.width), _TILE_SCORE)
        return [d for d in found if not _cut(d.box, tile, image)]

    def _check_crops(self, image: Image, missed: Sequence[Box], new: Sequence[Box], *, crowd: bool) -> list[Detection]:
        """Missed faces first, those unseen for longest first; at most half of the crops go to new faces."""
        if crowd:
            for_new = min(len(new), 1)
            for_missed = _MAX_CROPS_IN_CROWD - _NEW_COST * for_new
        else:
            for_new = min(len(new), max(_MAX_CROPS // 2, _MAX_CROPS - len(missed)))
            for_missed = _MAX_CROPS - for_new
        found = [self._short.locate(image, box, _KNOWN_SCORE) for box in missed[:for_missed]]
        found += [self._check_new(image, box) for box in new[:for_new]]
        return [d for d in found if d is not None]

    def _check_new(self, image: Image, box: Box) -> Detection | None:
        """A face where none was expected must pass at several scales and with both models; its score is their mean.

        Any pattern passes a single check now and then, because the camera's noise changes it in every frame.
        """
        face = self._short.locate(image, box, _KNOWN_SCORE)
        if face is None or face.score < _WORTH_MORE:
            return None
        crops = [(self._short, 1.5), (self._short, 3.0), (self._whole, 3.0)]
        scores = [face.score, *(_score(model, image, face.box, scale) for model, scale in crops)]
        log_odds = [math.log(score / (1 - score)) for score in scores]
        mean = 1 / (1 + math.exp(-sum(log_odds) / len(log_odds)))
        return replace(face, score=mean) if mean >= _NEW_SCORE else None


def _score(model: BlazeFace, image: Image, box: Box, scale: float) -> float:
    """Score of the face in `box` in a square crop `scale` times as large; _NOT_FOUND if it is not found."""
    found = model.find(image, Region.around(box, scale), _NOT_FOUND)
    return max((d.score for d in found if d.box.iou(box) > _SAME_FACE), default=_NOT_FOUND)


@cache
def grid(width: int, height: int, side: int) -> tuple[Box, ...]:
    """Tiles that cover an image: the fewest squares of `side` that overlap by a quarter, then as small as possible.

    The overlap of a quarter holds the smallest face, which is a fifth. An image no larger than a tile needs no tiles.
    """
    if max(width, height) <= side:
        return ()
    columns, rows = _count(width, side), _count(height, side)
    side = min(side, max(_smallest(width, columns), _smallest(height, rows)))
    corners = [(left, top) for top in _starts(height, side, rows) for left in _starts(width, side, columns)]
    return tuple(Box(left, top, left + side, top + side) for left, top in corners)


def _count(length: int, side: int) -> int:
    return 1 + max(0, math.ceil((length - side) / (_STEP * side)))


def _smallest(length: int, count: int) -> int:
    return math.ceil(length / (1 + _STEP * (count - 1)))


def _starts(length: int, side: int, count: int) -> list[int]:
    if count == 1:
        return [(length - side) // 2]
    return [round(n * (length - side) / (count - 1)) for n in range(count)]


def _overlaps(box: Box, others: Sequence[Box]) -> bool:
    return any(box.iou(other) > _SAME_FACE for other in others)


def _as_short_range(box: Box) -> Box:
    x, y = box.centre
    half_width, half_height = box.width / 2 / _WHOLE_SIZE, box.height / 2 / _WHOLE_SIZE
    y += 2 * half_height * _WHOLE_HIGHER
    return Box(x - half_width, y - half_height, x + half_width, y + half_height)


def _cut(box: Box, tile: Box, image: Image) -> bool:
    """Whether the face extends beyond the tile, at an edge that is not the image's edge."""
    height, width = image.shape[:2]
    return (
        (tile.left > 0 and box.left < tile.left)
        or (tile.top > 0 and box.top < tile.top)
        or (tile.right < width and box.right > tile.right)
        or (tile.bottom < height and box.bottom > tile.bottom)
    )
