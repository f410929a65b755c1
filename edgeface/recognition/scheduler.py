"""What to detect in each frame: new faces where something has changed, and tracked faces when they need it.

A part of the picture is searched when something has changed in it since its last search, and first where the change
has just begun. Changes add up until a search, so that slow motion counts as well as fast motion. A face that moves
evenly is detected only a few times a second; between those, the tracker predicts where it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeface.core.types import Box
from edgeface.faces.protocols import DetectionRequest, SearchGrid

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from edgeface.core.types import Image
    from edgeface.recognition.tracker import Track

    Intervals: TypeAlias = Mapping["Change", float]

Grey: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]

Change: TypeAlias = Literal["fresh", "below", "explained", "none"]
"""fresh: an untracked face may be there; below: likewise, but the motion continues above the part, where the head will
be; explained: only tracked people move there."""

# Seconds from one search of a part to the next, by what has changed in it. The whole picture costs as much as three
# tiles, and finds near faces, which were far ones before; without tiles it is all there is.
_TILE: Intervals = {"fresh": 0.0, "below": 0.2, "explained": 1.0, "none": 10.0}
_WHOLE: Intervals = {"fresh": 0.25, "below": 0.25, "explained": 1.0, "none": 3.0}
_ALONE: Intervals = {"fresh": 0.0, "below": 0.0, "explained": 0.2, "none": 1.0}
# The whole picture is searched this often, or at a glance, even without any change.
_GLANCE = 1.0
# When motion begins, its tiles are searched for this long before the whole is.
_HEAD_START = 0.1
# Frames sometimes come a little early.
_EARLY = 0.01
# A part counts as changed for this long after the last new motion: a person who stops is searched for a few more times.
_AFTERGLOW = 1.0
# The smallest face to find in a tile, in the whole picture where there are tiles, and in it alone, as a share of the
# shorter side. Fewer changed cells than a quarter of such a face are not a new face.
_IN_TILE, _BESIDE_TILES, _IN_WHOLE = 1 / 7, 1 / 2, 1 / 10
_MIN_CELLS = 3

# Seconds between two detections of a face that is easy to follow: every third frame of 15 a second.
_STEADY = 0.19
# How many of those a frame may have, which spreads a crowd over frames, and how long each may wait at most.
_MAX_STEADY, _MAX_WAIT = 2, 0.4
# Hits before the velocity of a track is known.
_SETTLED = 5
# Faces a second: a faster face may stop within a frame, and is detected in every one;
_SLOW = 1.5
# so is a face that was this far from where it was expected, in faces,
_SURPRISE = 0.15
# and so are two that are nearer to each other than this, in faces.
_NEAR = 1.5

# What moves with a face, in faces: hair around it, and a body with arms from the chin down to the edge of the picture.
_HAIR, _ABOVE, _ARMS, _CHIN = 0.8, 1.0, 1.6, 0.3

CELL = 8
"""Side of the squares of which one brightness each is kept, in pixels: the smallest face that a tile finds has 26."""

# A cell has changed from this many levels of 255 (docs/detection.md).
_MIN_LEVELS = 5
# At night there is more noise: this many times the median difference of two frames, which is 0.67 of its deviation,
_NOISE = 7
# but no more than this, or a picture that shakes as a whole would count as noise.
_MAX_LEVELS = 20
# In a cut, more than half of the cells differ by more than this many levels between two pictures.
_CUT_LEVELS, _CUT_SHARE = 20, 0.5
# A face is compared with itself in so many places across and down.
_GLIMPSE = 8
# With a standard deviation of fewer levels, there is mostly noise in it.
_CONTRAST = 4.0
# Noise is measured at every so many cells, in every so many pictures.
_NOISE_STEP, _NOISE_EVERY = 4, 5
# So many rows of cells at the upper edge of a part show whether the motion continues above.
_EDGE = 2


class DetectionScheduler:
    """The schedule of one camera; only the vision thread writes it."""

    def __init__(self) -> None:
        self._grid: SearchGrid | None = None
        self._motion = Motion()
        self._whole: _Part | None = None
        self._tiles: list[_Part] = []
        self._glanced = -math.inf

    def plan(
        self, image: Image, grid: SearchGrid, tracks: Sequence[Track], due: Container[int], now: float
    ) -> tuple[DetectionRequest, frozenset[int]]:
        """Choose what to detect in this frame; gives also the ids of the tracks that must be found.

        `tracks` are all tracks, where they are expected now, those unseen for longest first; those whose ids are in
        `due` must be found in any case.
        """
        asked = _asked(tracks, due, now)
        wanted = tuple(track.box for track in tracks if track.id in asked)
        others = tuple(track.box for track in tracks if track.id not in asked)
        known = [track.box for track in tracks if track.confirmed and not track.misses]
        self._motion.update(image, [zone for box in known for zone in _zones(box, image.shape[0])])
        parts = self._search(grid, now)
        return DetectionRequest(parts, wanted, others, glance=self._glance(parts, grid.whole, now)), asked

    @property
    def cut(self) -> bool:
        """Whether the last picture shows another scene than the one before it."""
        return self._motion.cut

    def glimpse(self, box: Box) -> Floats | None:
        """What is in a box of the last picture, coarsely; None where that is hard to see."""
        return self._motion.glimpse(box)

    def _search(self, grid: SearchGrid, now: float) -> tuple[Box, ...]:
        """The parts to search."""
        if self._whole is None or grid != self._grid:
            self._grid = grid
            self._whole, self._tiles = _parts(grid)
        chosen = self._choose(self._whole, grid.per_frame, now)
        for part in chosen:
            part.searched = now
            self._motion.reset(part.box)
        return tuple(part.box for part in chosen)

    def _choose(self, whole: _Part, per_frame: int, now: float) -> list[_Part]:
        """The whole picture, or as many tiles as are due and as one frame has time for."""
        for part in (whole, *self._tiles):
            part.update(self._motion.change(part.box, part.min_cells), now)
        tiles = [tile for tile in self._tiles if tile.due(now)]
        # A tile in which motion has just begun goes first, but not for long.
        tiles_first = any(tile.new for tile in tiles) and now - whole.motion_began < _HEAD_START
        if whole.due(now) and (whole.searched == -math.inf or not tiles_first):
            return [whole]
        return sorted(tiles, key=lambda tile: (not tile.new, tile.searched))[:per_frame]

    def _glance(self, parts: tuple[Box, ...], whole: Box, now: float) -> bool:
        """Whether the whole picture must be searched at a glance, because nothing else has for a while."""
        glance = whole not in parts and now - self._glanced >= _GLANCE - _EARLY
        if glance or whole in parts:
            self._glanced = now
        return glance


@dataclass(slots=True, eq=False)
class _Part:
    """One part of the picture, and when it was searched."""

    box: Box
    intervals: Intervals
    min_cells: int
    """Changed cells that may be a new face."""
    searched: float = -math.inf
    motion_began: float = -math.inf
    last_motion: float = -math.inf
    """New motion only, not that of tracked people."""
    change: Change = "fresh"

    def update(self, change: Change, now: float) -> None:
        """Add the change of this frame; a part that was never searched is fresh, without any motion."""
        if self.searched == -math.inf:
            self.change = "fresh"
        elif change in {"fresh", "below"}:
            self.motion_began = now if now - self.last_motion > _AFTERGLOW else self.motion_began
            self.last_motion, self.change = now, change
        elif now - self.last_motion > _AFTERGLOW:
            self.change = change

    def due(self, now: float) -> bool:
        """Whether it has waited for long enough."""
        return now - self.searched >= self.intervals[self.change] - _EARLY

    @property
    def new(self) -> bool:
        """Whether it was not searched since motion began that does not continue above."""
        return self.change == "fresh" and self.motion_began > self.searched


def _parts(grid: SearchGrid) -> tuple[_Part, list[_Part]]:
    """The whole picture, and the tiles that are searched."""
    if not (grid.tiles and grid.per_frame):
        return _Part(grid.whole, _ALONE, _cells_of(_IN_WHOLE * min(grid.whole.width, grid.whole.height))), []
    tiles = [_Part(tile, _TILE, _cells_of(_IN_TILE * tile.width)) for tile in grid.tiles]
    return _Part(grid.whole, _WHOLE, _cells_of(_BESIDE_TILES * grid.tiles[0].width)), tiles


def _cells_of(face: float) -> int:
    """A quarter of the cells that a face of this height covers."""
    return max(_MIN_CELLS, round((face / CELL) ** 2 / 4))


def _asked(tracks: Sequence[Track], due: Container[int], now: float) -> frozenset[int]:
    """The ids of the tracks that must be found."""
    late = {track.id for track in tracks if now - track.last_seen >= _MAX_WAIT}
    urgent = late | {track.id for track in tracks if track.id in due or not _steady(track, tracks)}
    waiting = [track.id for track in tracks if track.id not in urgent and now - track.last_seen >= _STEADY]
    return frozenset(urgent | set(waiting[:_MAX_STEADY]))


def _steady(track: Track, others: Sequence[Track]) -> bool:
    """Whether the velocity of a track predicts it well enough for some frames."""
    settled = track.confirmed and not track.misses and track.hits >= _SETTLED and track.surprise <= _SURPRISE
    slow = math.hypot(*track.velocity) <= _SLOW * track.box.height
    return settled and slow and not any(other is not track and _near(track.box, other.box) for other in others)


def _near(one: Box, other: Box) -> bool:
    (x, y), (u, v) = one.centre, other.centre
    reach = _NEAR * max(one.height, other.height)
    return abs(x - u) < reach and abs(y - v) < reach


def _zones(box: Box, bottom: float) -> tuple[Box, Box]:
    """Head and body of a person whose face is in `box`, in a picture that ends at `bottom`."""
    hair, arms = _HAIR * box.width, _ARMS * box.width
    head = Box(box.left - hair, box.top - _ABOVE * box.height, box.right + hair, box.bottom)
    return head, Box(box.left - arms, box.bottom - _CHIN * box.height, box.right + arms, bottom)


class _Cells(NamedTuple):
    """The cells of one part among those of all parts, row by row."""

    span: slice
    columns: int
    at_top: bool
    """Nothing is above the part."""


class Motion:
    """The pictures of one camera, small and grey, as they were when each part was last searched."""

    def __init__(self) -> None:
        self._now: Grey = np.zeros((0, 0), np.uint8)
        self._pictures = 0
        self.cut = False
        """Whether the last picture is another one altogether."""
        self._min_levels = _MIN_LEVELS
        self._clear()

    def _clear(self) -> None:
        # The cells of all parts in one array, so that one comparison serves for all of them.
        self._index = np.zeros(0, np.intp)
        self._before = np.zeros(0, np.uint8)
        self._parts: dict[Box, _Cells] = {}

    def update(self, image: Image, explained: Sequence[Box] = ()) -> None:
        """Take the next picture; `explained` are the places where motion is expected.

        With a picture of another size, everything has changed.
        """
        before, self._now = self._now, thumbnail(image)
        self.cut = _is_cut(before, self._now)
        if before.shape != self._now.shape:
            self._clear()
        elif self._pictures % _NOISE_EVERY == 1:
            self._min_levels = _noise(before, self._now)
        self._pictures += 1
        self._changed = _over(self._now.ravel()[self._index], self._before, self._min_levels)
        self._fresh = self._changed
        if explained and self._changed is not None:
            free = np.ones_like(self._now)
            for box in explained:
                free[_cells(box, self._now)] = 0
            self._fresh = self._changed * free.ravel()[self._index]

    def glimpse(self, box: Box) -> Floats | None:
        """What is in a box, as a unit vector of few brightnesses; None without contrast. Takes 5 us."""
        from edgeface.imaging.opencv import cv2

        if not self._now.size:
            return None
        across, down = box.width / CELL / _GLIMPSE, box.height / CELL / _GLIMPSE
        corner = (box.left / CELL + across / 2 - 0.5, box.top / CELL + down / 2 - 0.5)
        place = np.array([[across, 0, corner[0]], [0, down, corner[1]]], np.float32)
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        seen = cv2.warpAffine(self._now, place, (_GLIMPSE, _GLIMPSE), flags=how, borderMode=cv2.BORDER_REPLICATE)
        centred = seen.astype(np.float32).ravel() - np.float32(seen.mean())
        contrast = float(np.linalg.norm(centred)) / _GLIMPSE
        return np.asarray(centred / (contrast * _GLIMPSE), np.float32) if contrast >= _CONTRAST else None

    def change(self, part: Box, min_cells: int) -> Change:
        """What has changed in a part since its `reset`; fewer than `min_cells` are nothing."""
        cells = self._parts.get(part)
        if cells is None:
            return "fresh"
        if self._changed is None or self._fresh is None or np.count_nonzero(self._changed[cells.span]) < min_cells:
            return "none"
        fresh = self._fresh[cells.span]
        if np.count_nonzero(fresh) < min_cells:
            return "explained"
        edge = np.count_nonzero(fresh[: _EDGE * cells.columns])
        return "below" if not cells.at_top and 2 * edge >= min(min_cells, cells.columns) else "fresh"

    def reset(self, part: Box) -> None:
        """Compare the part with this picture from now on."""
        if part not in self._parts:
            rows, columns = cells = _cells(part, self._now)
            index = np.arange(self._now.size).reshape(self._now.shape)[cells].ravel()
            span = slice(len(self._index), len(self._index) + len(index))
            self._parts[part] = _Cells(span, columns.stop - columns.start, rows.start == 0)
            self._index = np.concatenate([self._index, index])
            self._before = np.concatenate([self._before, np.zeros(len(index), np.uint8)])
        span = self._parts[part].span
        self._before[span] = self._now.ravel()[self._index[span]]


def thumbnail(image: Image) -> Grey:
    """The brightness of each cell; takes 37 us for 640 x 480, where the mean of all pixels takes 470."""
    from edgeface.imaging.opencv import cv2

    height, width = image.shape[:2]
    size = (-(-width // CELL), -(-height // CELL))
    small = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.blur(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), (3, 3)), np.uint8)


def _over(now: Grey, before: Grey, min_levels: int) -> Grey | None:
    """1 for each cell that differs by more than `min_levels`; None when none does."""
    from edgeface.imaging.opencv import cv2

    if not now.size:
        return None
    _, over = cv2.threshold(cv2.absdiff(now, before), min_levels, 1, cv2.THRESH_BINARY)
    return np.asarray(over.ravel(), np.uint8) if cv2.countNonZero(over) else None


def _is_cut(before: Grey, now: Grey) -> bool:
    if before.shape != now.shape:
        return before.size > 0
    over = _over(now, before, _CUT_LEVELS)
    return over is not None and bool(np.count_nonzero(over) > _CUT_SHARE * now.size)


def _noise(before: Grey, now: Grey) -> int:
    """The levels by which a cell must differ to be no noise."""
    from edgeface.imaging.opencv import cv2

    sample = np.s_[::_NOISE_STEP, ::_NOISE_STEP]
    differences = cv2.absdiff(now[sample], before[sample]).ravel()
    half = differences.size // 2
    return min(_MAX_LEVELS, max(_MIN_LEVELS, _NOISE * int(np.partition(differences, half)[half])))


def _cells(box: Box, grey: Grey) -> tuple[slice, slice]:
    """The cells that a box touches, rows and columns; at least one."""
    return _span(box.top, box.bottom, grey.shape[0]), _span(box.left, box.right, grey.shape[1])


def _span(start: float, end: float, count: int) -> slice:
    first = min(count - 1, max(0, math.floor(start / CELL)))
    return slice(first, min(count, max(first + 1, math.ceil(end / CELL))))
