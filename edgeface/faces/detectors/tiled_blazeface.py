"""The default detector: MediaPipe's BlazeFace models on LiteRT, in looks at several scales.

The whole frame is searched for near faces, and tiles for far ones. Wherever one face is expected, or a new one is
suspected, the short-range model looks again at a crop of twice the face. Almost all of
BlazeFace's false findings fail that second look, and real faces pass it with the same score at every size
(docs/detection.md has the figures).
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from edgeface.core.settings import Settings
from edgeface.core.types import Box, Detection, SearchGrid
from edgeface.faces.blazeface import BlazeFace, CropRefiner, Region, merge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.core.types import DetectionRequest, Detector, Image

# Scores were chosen on faces of LFW and on photographs without faces (docs/detection.md).
# From these on, a face in the whole frame or in a tile is looked at again.
_WHOLE_SCORE = 0.4
_TILE_SCORE = 0.5
# Lowest score of a face where none was expected, over four looks (the mean of their log odds), and where one is.
_NEW_SCORE = 0.7
_KNOWN_SCORE = 0.5
# Most closer looks in a frame; a crowd takes turns with fewer, so that its frames cost about twice one face's.
_CLOSE_LOOKS, _CLOSE_LOOKS_IN_CROWD = 6, 4
# What a new face costs in a crowd's looks: it takes one model's three and the other's one.
_NEW_COST = 3

# Short range finds a face of a fifth of its region's side, and most of a seventh (docs/detection.md).
_TILE = 5
# From one tile to the next, in sides, at most.
_STEP = 0.75
# Boxes that meet by more (IoU) are the same face.
_SAME_FACE = 0.3
# From this many expected faces on, one whole frame costs less than a closer look at each,
_CROWD = 4
# if they are no smaller than this share of the picture's side: the whole frame finds 84 in 100 of that size.
_NEAR = 1 / 8
# A new face that scores less at the closer look is not worth three more: 1 in 200 faces of LFW of 41 px does.
_WORTH_MORE = 0.6
# Stands for the score of what is not found at all.
_NONE = 0.02
# The whole frame's model draws its box 1.09 times as large as the other looks do, and higher by 0.045 of a face:
# medians over 397 faces of LFW.
_WHOLE_SIZE = 1.09
_WHOLE_HIGHER = 0.045


class Blazeface(Settings):
    """Whole frames for near faces and tiles for far ones, and a closer look at every face."""

    type: Literal["blazeface"] = "blazeface"
    smallest_face: Annotated[int, Field(ge=16, le=1000)] = 60
    """Smallest face to find, pixels from chin to crown (from chin to brow it is three quarters of that); tiles are
    five times as large."""
    tiles_per_frame: Annotated[int, Field(ge=0, le=64)] = 2
    """Tiles searched in one frame at most; 0 searches whole frames only."""

    def open(self, threads: int = 1) -> Detector:
        """Load the models; ModelError when one is missing or altered."""
        return _Looks(self, threads)


class _Looks:
    """Not for two threads at once."""

    def __init__(self, settings: Blazeface, threads: int) -> None:
        self._settings = settings
        self._whole = BlazeFace.full_range_sparse(threads)
        self._short = BlazeFace.short_range(threads)
        self._close = CropRefiner(self._short, _KNOWN_SCORE)

    def grid(self, width: int, height: int) -> SearchGrid:
        """Tiles of five times the smallest face; none in a picture that is no larger than one."""
        return _parts(width, height, _TILE * self._settings.smallest_face, self._settings.tiles_per_frame)

    def detect(self, image: Image, look: DetectionRequest) -> list[Detection]:
        """Find the faces of `image` as types.Detector says; boxes are the short-range model's, chin to brow."""
        followed = (*look.asked, *look.known)
        near = sum(box.height >= _NEAR * max(image.shape[:2]) for box in look.asked)
        suspected = merge(self._search(image, look, crowd=near >= _CROWD))
        found = [d for d in suspected if d.score >= _KNOWN_SCORE and _meets(d.box, followed)]
        missed = [box for box in look.asked if not _meets(box, [d.box for d in found])]
        new = [d.box for d in suspected if not _meets(d.box, followed)]
        found += self._look_closer(image, missed, new, crowd=len(followed) >= _CROWD)
        return merge(found)

    def _search(self, image: Image, look: DetectionRequest, *, crowd: bool) -> list[Detection]:
        whole = Box(0, 0, image.shape[1], image.shape[0])
        found = [d for tile in look.parts if tile != whole for d in self._in_tile(image, tile)]
        if look.glance:
            found += self._short.find(image, Region.whole(image), _TILE_SCORE)
        return found + self._in_whole(image) if crowd or whole in look.parts else found

    def _in_whole(self, image: Image) -> list[Detection]:
        found = self._whole.find(image, Region.whole(image), _WHOLE_SCORE)
        return [Detection(_as_short_range(d.box), d.score, d.landmarks) for d in found]

    def _in_tile(self, image: Image, tile: Box) -> list[Detection]:
        found = self._short.find(image, Region(tile.left, tile.top, tile.width), _TILE_SCORE)
        return [d for d in found if not _cut(d.box, tile, image)]

    def _look_closer(self, image: Image, missed: Sequence[Box], new: Sequence[Box], *, crowd: bool) -> list[Detection]:
        """Missed ones first, which begin with those unseen for longest; half of the looks at most go to new ones."""
        if crowd:
            for_new = min(len(new), 1)
            for_missed = _CLOSE_LOOKS_IN_CROWD - _NEW_COST * for_new
        else:
            for_new = min(len(new), max(_CLOSE_LOOKS // 2, _CLOSE_LOOKS - len(missed)))
            for_missed = _CLOSE_LOOKS - for_new
        found = [self._close.locate(image, box) for box in missed[:for_missed]]
        found += [self._new(image, box) for box in new[:for_new]]
        return [d for d in found if d is not None]

    def _new(self, image: Image, box: Box) -> Detection | None:
        """A face where none was expected must convince at several scales, and both models; its score is their mean.

        Any pattern passes one look now and then, the more so as the camera's noise draws it anew in each frame.
        """
        face = self._close.locate(image, box)
        if face is None or face.score < _WORTH_MORE:
            return None
        looks = [(self._short, 1.5), (self._short, 3.0), (self._whole, 3.0)]
        scores = [face.score, *(_score(model, image, face.box, scale) for model, scale in looks)]
        mean = 1 / (1 + math.exp(-sum(map(_log_odds, scores)) / len(scores)))
        return replace(face, score=mean) if mean >= _NEW_SCORE else None


def _score(model: BlazeFace, image: Image, box: Box, scale: float) -> float:
    """Score of the face in `box` in a look at the square `scale` times as large; _NONE when it is not found."""
    found = model.find(image, Region.around(box, scale), _NONE)
    return max((d.score for d in found if d.box.iou(box) > _SAME_FACE), default=_NONE)


def _log_odds(score: float) -> float:
    return math.log(score / (1 - score))


@cache
def _parts(width: int, height: int, side: int, per_frame: int) -> SearchGrid:
    return SearchGrid(Box(0, 0, width, height), grid(width, height, side), per_frame)


def grid(width: int, height: int, side: int) -> tuple[Box, ...]:
    """Tiles that cover a picture: as few squares of `side` as overlap by a quarter, made as small as they then can be.

    A quarter holds a face of the smallest size, a fifth. A picture no larger than a tile needs none: the whole frame
    does as well.
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


def _meets(box: Box, others: Sequence[Box]) -> bool:
    return any(box.iou(other) > _SAME_FACE for other in others)


def _as_short_range(box: Box) -> Box:
    x, y = box.centre
    half_width, half_height = box.width / 2 / _WHOLE_SIZE, box.height / 2 / _WHOLE_SIZE
    y += 2 * half_height * _WHOLE_HIGHER
    return Box(x - half_width, y - half_height, x + half_width, y + half_height)


def _cut(box: Box, tile: Box, image: Image) -> bool:
    """Whether the face goes on outside the tile: only where the tile's edge is not the picture's."""
    height, width = image.shape[:2]
    return (
        (tile.left > 0 and box.left < tile.left)
        or (tile.top > 0 and box.top < tile.top)
        or (tile.right < width and box.right > tile.right)
        or (tile.bottom < height and box.bottom > tile.bottom)
    )
