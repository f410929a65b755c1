"""What is looked at in each frame: parts of the picture where somebody new may be, and faces that are followed.

A part is searched when something has changed in it since its last look, those first that have just begun to change.
A face that moves evenly is looked at a few times a second, and the tracker says where it is between.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeface.core.types import Box, DetectionRequest, SearchGrid
from edgeface.recognition.motion import CELL, Motion

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence
    from typing import TypeAlias

    from edgeface.core.types import Image
    from edgeface.recognition.motion import Change
    from edgeface.recognition.tracker import Track


if TYPE_CHECKING:
    Patience: TypeAlias = Mapping[Change, float]

# Seconds from one look at a part to the next, by what has changed in it. The whole picture costs as much as three
# tiles, and finds the near faces, which have come nearer first; where there are no tiles it is all there is.
_TILE: Patience = {"fresh": 0.0, "below": 0.2, "explained": 1.0, "none": 10.0}
_WHOLE: Patience = {"fresh": 0.25, "below": 0.25, "explained": 1.0, "none": 3.0}
_ALONE: Patience = {"fresh": 0.0, "below": 0.0, "explained": 0.2, "none": 1.0}
# The whole picture is looked at, or over, so often whatever has changed.
_GLANCE = 1.0
# When something begins to move, its tiles are searched for so long before the whole is.
_HEAD_START = 0.1
# Frames come a little early at times.
_EARLY = 0.01
# A part in which something new has moved counts as changed for so long: whoever stops is looked for a few more times.
_AFTERGLOW = 1.0
# Smallest face that is looked for in a tile, in the whole picture beside tiles, and in it alone, as a share of the
# tile's or the picture's shorter side. Fewer changed cells than a quarter of it are no new face.
_IN_TILE, _BESIDE_TILES, _IN_WHOLE = 1 / 7, 1 / 2, 1 / 10
_LEAST_CELLS = 3

# Seconds between two looks at a face that is easy to follow: every third frame of 15 a second.
_STEADY = 0.19
# Most of those in one frame, so that a crowd is spread over frames; whoever has waited for so long is put off no more.
_STEADY_LOOKS, _LONGEST = 2, 0.4
# Hits before a track's velocity is known.
_SETTLED = 5
# Faces a second: who walks faster may stop within a frame, and is looked at in every one,
_SLOW = 1.5
# and so is a face that was so far from where it was expected, in faces,
_SURPRISE = 0.15
# and two that are nearer to each other than this, in faces.
_NEAR = 1.5

# What moves with a face, in faces: hair around it, and a body with arms from the chin down to the picture's edge.
_HAIR, _ABOVE, _ARMS, _CHIN = 0.8, 1.0, 1.6, 0.3


@dataclass(slots=True, eq=False)
class _Part:
    """One part of the picture, and when it was looked at."""

    box: Box
    patience: Patience
    least: int
    """Changed cells that may be a new face."""
    looked: float = -math.inf
    began: float = -math.inf
    """When something new began to move in it."""
    moved: float = -math.inf
    """When something new last did."""
    how: Change = "fresh"

    def take(self, change: Change, now: float) -> None:
        """Note what has changed in this frame; what nobody has ever looked at is fresh, and has not moved."""
        if self.looked == -math.inf:
            self.how = "fresh"
        elif change in {"fresh", "below"}:
            self.began = now if now - self.moved > _AFTERGLOW else self.began
            self.moved, self.how = now, change
        elif now - self.moved > _AFTERGLOW:
            self.how = change

    def due(self, now: float) -> bool:
        """Whether it has waited for long enough."""
        return now - self.looked >= self.patience[self.how] - _EARLY

    @property
    def new(self) -> bool:
        """Nobody has looked since something began to move that does not go on above."""
        return self.how == "fresh" and self.began > self.looked


class DetectionScheduler:
    """One camera's; only the vision thread writes it."""

    def __init__(self) -> None:
        self._parts: SearchGrid | None = None
        self._motion = Motion()
        self._whole: _Part | None = None
        self._tiles: list[_Part] = []
        self._glanced = -math.inf

    def plan(
        self, image: Image, parts: SearchGrid, tracks: Sequence[Track], due: Container[int], now: float
    ) -> tuple[DetectionRequest, frozenset[int]]:
        """Choose what to look at in this frame, and tell the ids of the tracks that are looked for.

        `tracks` are all that are followed, where they are expected now, those unseen for longest first; those whose
        ids are in `due` are looked for in any case.
        """
        asked = _asked(tracks, due, now)
        wanted = tuple(track.box for track in tracks if track.id in asked)
        others = tuple(track.box for track in tracks if track.id not in asked)
        known = [track.box for track in tracks if track.confirmed and not track.misses]
        self._motion.see(image, [zone for box in known for zone in _zones(box, image.shape[0])])
        search = self._search(parts, now)
        return DetectionRequest(search, wanted, others, glance=self._glance(search, parts.whole, now)), asked

    def _glance(self, search: tuple[Box, ...], whole: Box, now: float) -> bool:
        """Whether the whole picture must be looked over for want of a look at it."""
        glance = whole not in search and now - self._glanced >= _GLANCE - _EARLY
        if glance or whole in search:
            self._glanced = now
        return glance

    def _search(self, parts: SearchGrid, now: float) -> tuple[Box, ...]:
        if self._whole is None or parts != self._parts:
            self._parts, self._whole, self._tiles = parts, _whole(parts), _tiles(parts)
        chosen = self._choose(self._whole, parts.per_frame, now)
        for part in chosen:
            part.looked = now
            self._motion.looked(part.box)
        return tuple(part.box for part in chosen)

    def _choose(self, whole: _Part, per_frame: int, now: float) -> list[_Part]:
        """The whole picture, or as many tiles as are due and as one frame has time for."""
        for part in (whole, *self._tiles):
            part.take(self._motion.since(part.box, part.least), now)
        tiles = [tile for tile in self._tiles if tile.due(now)]
        # A tile in which something has just begun to move goes first, but not for long.
        first = any(tile.new for tile in tiles) and now - whole.began < _HEAD_START
        if whole.due(now) and (whole.looked == -math.inf or not first):
            return [whole]
        return sorted(tiles, key=lambda tile: (not tile.new, tile.looked))[:per_frame]


def _tiles(parts: SearchGrid) -> list[_Part]:
    if not parts.per_frame:
        return []
    return [_Part(tile, _TILE, _cells(_IN_TILE * tile.width)) for tile in parts.tiles]


def _whole(parts: SearchGrid) -> _Part:
    if parts.tiles and parts.per_frame:
        return _Part(parts.whole, _WHOLE, _cells(_BESIDE_TILES * parts.tiles[0].width))
    return _Part(parts.whole, _ALONE, _cells(_IN_WHOLE * min(parts.whole.width, parts.whole.height)))


def _cells(face: float) -> int:
    """A quarter of the cells that a face of this height covers."""
    return max(_LEAST_CELLS, round((face / CELL) ** 2 / 4))


def _asked(tracks: Sequence[Track], due: Container[int], now: float) -> frozenset[int]:
    late = {track.id for track in tracks if now - track.last_seen >= _LONGEST}
    urgent = late | {track.id for track in tracks if track.id in due or not _steady(track, tracks)}
    waiting = [track.id for track in tracks if track.id not in urgent and now - track.last_seen >= _STEADY]
    return frozenset(urgent | set(waiting[:_STEADY_LOOKS]))


def _steady(track: Track, others: Sequence[Track]) -> bool:
    """Whether a track can be left to its velocity for some frames."""
    settled = track.confirmed and not track.misses and track.hits >= _SETTLED and track.surprise <= _SURPRISE
    slow = math.hypot(*track.velocity) <= _SLOW * track.box.height
    return settled and slow and not any(other is not track and _near(track.box, other.box) for other in others)


def _near(one: Box, other: Box) -> bool:
    (x, y), (u, v) = one.centre, other.centre
    reach = _NEAR * max(one.height, other.height)
    return abs(x - u) < reach and abs(y - v) < reach


def _zones(box: Box, bottom: float) -> tuple[Box, Box]:
    """Head and body of somebody whose face is in `box`, in a picture that ends at `bottom`."""
    hair, arms = _HAIR * box.width, _ARMS * box.width
    head = Box(box.left - hair, box.top - _ABOVE * box.height, box.right + hair, box.bottom)
    return head, Box(box.left - arms, box.bottom - _CHIN * box.height, box.right + arms, bottom)
