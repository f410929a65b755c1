"""What has changed in a camera's picture since each part of it was last looked at.

A part that has not changed has no new face in it. Changes add up until somebody looks, so that what moves slowly is
seen as well as what moves fast.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.core.types import Box, Image

Grey: TypeAlias = NDArray[np.uint8]

Change: TypeAlias = Literal["fresh", "below", "explained", "none"]
"""fresh: somebody may be there whom nobody knows of; below: likewise, but what moves goes on above the part, where its
head will be; explained: only where people move who are followed."""

CELL = 8
"""Side of the squares of which one brightness each is kept, in pixels: the smallest face that a tile finds has 26."""

# A cell has changed from this many levels of 255 on (docs/detection.md).
_LEAST = 5
# At night noise is more: this many times the median difference of two frames, which is 0.67 of its standard deviation,
_NOISE = 7
# and no more than this, or a picture that shakes as a whole would count as noise.
_MOST = 20
# Every so many cells, and in every so many pictures, the noise is measured.
_SAMPLE, _OFTEN = 4, 5
# So many rows of cells at a part's upper edge show whether what moves goes on above.
_EDGE = 2


class _Part(NamedTuple):
    """Where a part's cells stand among those of all parts, row by row."""

    span: slice
    columns: int
    at_top: bool
    """Nothing is above it."""


class Motion:
    """One camera's pictures, small and grey, as they were when each part was last looked at."""

    def __init__(self) -> None:
        self._now: Grey = np.zeros((0, 0), np.uint8)
        self._pictures = 0
        self._least = _LEAST
        self._begin()

    def _begin(self) -> None:
        # The cells of all parts after one another, so that one comparison serves for all of them.
        self._index = np.zeros(0, np.intp)
        self._before = np.zeros(0, np.uint8)
        self._parts: dict[Box, _Part] = {}

    def see(self, image: Image, explained: Sequence[Box] = ()) -> None:
        """Take in the next picture; `explained` are the places where something moves that is known.

        Pictures of another size begin anew: everything has changed.
        """
        before, self._now = self._now, thumbnail(image)
        if before.shape != self._now.shape:
            self._begin()
        elif self._pictures % _OFTEN == 1:
            self._least = _noise(before, self._now)
        self._pictures += 1
        self._changed = _over(self._now.ravel()[self._index], self._before, self._least)
        self._fresh = self._changed
        if explained and self._changed is not None:
            free = np.ones_like(self._now)
            for box in explained:
                free[_cells(box, self._now)] = 0
            self._fresh = self._changed * free.ravel()[self._index]

    def since(self, part: Box, least: int) -> Change:
        """What has changed in a part since `looked`; fewer than `least` cells are nothing."""
        place = self._parts.get(part)
        if place is None:
            return "fresh"
        if self._changed is None or self._fresh is None or np.count_nonzero(self._changed[place.span]) < least:
            return "none"
        fresh = self._fresh[place.span]
        if np.count_nonzero(fresh) < least:
            return "explained"
        edge = np.count_nonzero(fresh[: _EDGE * place.columns])
        return "below" if not place.at_top and 2 * edge >= min(least, place.columns) else "fresh"

    def looked(self, part: Box) -> None:
        """Somebody looks at the part in this picture."""
        if part not in self._parts:
            rows, columns = cells = _cells(part, self._now)
            index = np.arange(self._now.size).reshape(self._now.shape)[cells].ravel()
            span = slice(len(self._index), len(self._index) + len(index))
            self._parts[part] = _Part(span, columns.stop - columns.start, rows.start == 0)
            self._index = np.concatenate([self._index, index])
            self._before = np.concatenate([self._before, np.zeros(len(index), np.uint8)])
        span = self._parts[part].span
        self._before[span] = self._now.ravel()[self._index[span]]


def thumbnail(image: Image) -> Grey:
    """The brightness of each cell; 37 us for 640 x 480 where the mean of all its pixels takes 470."""
    from edgeface.imaging.opencv import cv2

    height, width = image.shape[:2]
    size = (-(-width // CELL), -(-height // CELL))
    few = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.blur(cv2.cvtColor(few, cv2.COLOR_RGB2GRAY), (3, 3)), np.uint8)


def _over(now: Grey, before: Grey, least: int) -> Grey | None:
    """1 for each cell that differs by more than `least`; None when none does."""
    from edgeface.imaging.opencv import cv2

    if not now.size:
        return None
    _, over = cv2.threshold(cv2.absdiff(now, before), least, 1, cv2.THRESH_BINARY)
    return np.asarray(over.ravel(), np.uint8) if cv2.countNonZero(over) else None


def _noise(before: Grey, now: Grey) -> int:
    from edgeface.imaging.opencv import cv2

    few = np.s_[::_SAMPLE, ::_SAMPLE]
    differences = cv2.absdiff(now[few], before[few]).ravel()
    half = differences.size // 2
    return min(_MOST, max(_LEAST, _NOISE * int(np.partition(differences, half)[half])))


def _cells(box: Box, grey: Grey) -> tuple[slice, slice]:
    """The cells that a box touches, rows and columns; at least one."""
    return _span(box.top, box.bottom, grey.shape[0]), _span(box.left, box.right, grey.shape[1])


def _span(start: float, end: float, count: int) -> slice:
    first = min(count - 1, max(0, math.floor(start / CELL)))
    return slice(first, min(count, max(first + 1, math.ceil(end / CELL))))
