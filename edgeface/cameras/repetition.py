"""Detects a recording in place of a camera: pictures that it gave before, and timestamps that run in a loop.

The noise of a sensor never comes twice, so a live camera gives no picture again while something moves in it. A still
scene proves nothing: encoders give the same few pictures of it again and again, in the same order, 99 % of all in the
worst case (docs/liveness.md).
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgeface.core.types import CameraImage, Image

REPEATED_PICTURES = "repeats pictures that it gave before: is this a recording in place of the camera?"
REPEATED_TIMES = "repeats its timestamps: is this a recording in place of the camera?"
DOUBTFUL = "pictures or timestamps repeat now and then: no match and no door rests on them"

DOUBT_SECONDS = 5.0
"""After a moving picture that was seen before, or a timestamp that went back, no picture causes a match or a claim."""

DOUBTFUL_SECONDS = 30.0
"""A camera that has been doubtful for this long without a break has a problem."""

EVIDENCE = 10
"""Different moving pictures that were seen before, at least a second apart, and ..."""

EVIDENCE_SECONDS = 30.0
"""... within this time: a recording. A server that greets each connection with its last second of pictures gives one
for each connection."""

QUIET_SECONDS = 300.0
"""A recording counts as ended when nothing has repeated for this long."""

_KEPT = 4096
"""Fingerprints of 8 bytes: the newest pictures, 136 s at 30 per second; and one for each second in which something
moved. 64 kB in all."""

_NEAR = 8
"""A picture that came so few pictures ago is an encoder's or a driver's, not a recording's."""

_SAMPLES = 6144
"""Pixels of a picture that count, at most: every eighth across and down at 640 x 480, every 19th in full HD."""

# A tile is 5 x 5 samples: 40 pixels wide at 640 x 480, 95 in full HD. Something moves when the means of eight tiles, of
# 0 to 255, have changed by 8 within one or two seconds, beyond what light does: fewer may be a lamp that blinks.
# Measured: 4 tiles of still scenes without noise change by 5.2 at most in 13 encoders; 8 change by 8 or more in 90 % of
# the seconds of the demo's clip, and in each second of a face of 100 pixels that sways by 4 at 640 x 480.
_TILE = 5
_MOVED_TILES = 8
_MOVED = 8.0
_REFERENCE_SECONDS = 1.0

_JUMP_SECONDS = 1.0
"""A smaller step back is a picture out of order."""

_LOOPS = 3
"""Jumps over the same stretch that prove a loop: once may be a camera that starts again."""

_MAX_LOOP_SECONDS = 6 * 3600.0
"""A counter of 32 bits at 90 kHz starts again after 13 hours."""


class _Jump(NamedTuple):
    """A timestamp that went back."""

    at: float
    """Monotonic seconds."""
    end: float
    start: float
    """The timestamps before and after, in seconds."""

    @property
    def length(self) -> float:
        return self.end - self.start

    def repeats(self, other: _Jump) -> bool:
        """Whether it ends the same stretch, once more, and there was time to play it."""
        same = abs(self.end - other.end) <= _JUMP_SECONDS and abs(self.start - other.start) <= _JUMP_SECONDS
        return same and self.at - other.at >= self.length / 2


class Repetition:
    """Follows one camera's new images; one thread at a time writes, any thread may read."""

    def __init__(self) -> None:
        self.repeated = 0
        """Images that are identical to an earlier one, other than the last."""
        # In one array, which takes one comparison: the newest pictures, then those in which something moved.
        self._marks: NDArray[np.int64] = np.zeros(2 * _KEPT, np.int64)
        self._count = self._count_moving = self._since_new = 0
        # The tiles of one to two seconds ago, and those that will take their place, with their time.
        self._reference: NDArray[np.float64] | None = None
        self._next: tuple[float, NDArray[np.float64]] | None = None
        self._evidence: deque[tuple[float, int]] = deque(maxlen=EVIDENCE)
        self._stamp: float | None = None
        self._jumps: deque[_Jump] = deque(maxlen=_LOOPS)
        self._doubtful_since = self._doubtful_until = self._replay_until = -math.inf
        self._quiet = QUIET_SECONDS
        self._why = ""

    def opened(self) -> None:
        """Take note that the device has been opened again: its timestamps may start over. What was seen is kept."""
        self._stamp = self._reference = self._next = None
        self._jumps.clear()

    def doubts(self, picture: CameraImage, now: float) -> bool:
        """Record a new image; whether it may be an old one, so that it must not cause a match or a claim.

        Takes about 40 us at 640 x 480 and 100 us in full HD (x86-64).
        """
        samples = _thinned(picture.image)
        mark = hash(samples.tobytes()) or 1
        self._follow_time(picture.timestamp, now)
        known = self._look_up(mark, samples, now)
        if not known:
            self._marks[self._count % _KEPT] = mark
            self._count, self._since_new = self._count + 1, 0
        self._refer(mark, samples, now, new=not known)
        return known or now < self._doubtful_until

    def doubtful(self, now: float) -> bool:
        """Whether moving pictures or timestamps have repeated for a while, though too few for a recording."""
        return now < self._doubtful_until and now - self._doubtful_since > DOUBTFUL_SECONDS

    def replayed(self, now: float) -> str | None:
        """Why the camera counts as replaced by a recording at this moment; None if it does not."""
        return self._why if now < self._replay_until else None

    def _look_up(self, mark: int, samples: NDArray[np.uint8], now: float) -> bool:
        places = np.flatnonzero(self._marks == mark)
        if not places.size:
            return False
        self.repeated += 1
        first, last = int(places[0]), int(places[-1])
        self._since_new += 1
        near = first < _KEPT and (self._count - 1 - first) % _KEPT + self._since_new < _NEAR
        if not near and (last >= _KEPT or _moved(_tiles(samples), self._reference)):
            self._suspect(mark, now)
        return True

    def _doubt(self, now: float) -> None:
        if now >= self._doubtful_until:
            self._doubtful_since = now
        self._doubtful_until = now + DOUBT_SECONDS

    def _suspect(self, mark: int, now: float) -> None:
        self._doubt(now)
        if self.replayed(now) is not None:
            self._replay_until = max(self._replay_until, now + self._quiet)
        last = self._evidence[-1][0] if self._evidence else -math.inf
        if now - last < 1 or any(mark == other for _, other in self._evidence):
            return
        self._evidence.append((now, mark))
        if len(self._evidence) == EVIDENCE and now - self._evidence[0][0] <= EVIDENCE_SECONDS:
            self._conclude(REPEATED_PICTURES, now, QUIET_SECONDS)

    def _conclude(self, why: str, now: float, quiet: float) -> None:
        if self.replayed(now) is None:
            self._why, self._quiet = why, quiet
        self._replay_until = max(self._replay_until, now + quiet)

    def _follow_time(self, timestamp: float | None, now: float) -> None:
        # OpenCV gives none for a frame at 0, where a loop begins.
        if timestamp is None:
            return
        last, self._stamp = self._stamp, timestamp
        if last is None or last - timestamp < _JUMP_SECONDS:
            return
        self._doubt(now)
        jump = _Jump(now, last, timestamp)
        if jump.length > _MAX_LOOP_SECONDS or (self._jumps and not jump.repeats(self._jumps[-1])):
            self._jumps.clear()
        self._jumps.append(jump)
        if len(self._jumps) == _LOOPS:
            # It must not end and begin again in each round.
            self._conclude(REPEATED_TIMES, now, max(QUIET_SECONDS, 2 * jump.length))

    def _refer(self, mark: int, samples: NDArray[np.uint8], now: float, *, new: bool) -> None:
        """Once a second, take over what motion is measured against, and remember a picture in which something moves."""
        if self._next is not None and now - self._next[0] < _REFERENCE_SECONDS:
            return
        tiles = _tiles(samples)
        if new and _moved(tiles, self._reference):
            self._marks[_KEPT + self._count_moving % _KEPT] = mark
            self._count_moving += 1
        self._reference = None if self._next is None else self._next[1]
        self._next = now, tiles


def _thinned(image: Image) -> NDArray[np.uint8]:
    """At most _SAMPLES pixels of the green channel, evenly spaced."""
    step = max(1, math.ceil(math.sqrt(image.shape[0] * image.shape[1] / _SAMPLES)))
    return np.ascontiguousarray(image[step // 2 :: step, step // 2 :: step, 1])


def _tiles(samples: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The means of the tiles, in one row."""
    rows, columns = samples.shape[0] // _TILE, samples.shape[1] // _TILE
    whole = samples[: rows * _TILE, : columns * _TILE].reshape(rows, _TILE, columns, _TILE)
    return np.asarray(whole.sum(axis=1, dtype=np.int32).sum(axis=2).ravel() / _TILE**2, np.float64)


def _moved(now: NDArray[np.float64], before: NDArray[np.float64] | None) -> bool:
    """Whether some tiles have changed, and not only the light on all of them."""
    if before is None or now.size != before.size or now.size < _MOVED_TILES:
        return False
    # Light that changes scales and shifts all tiles: a straight line explains that, and leaves what has moved. A lamp
    # in one tile tilts the line, so the plain difference counts too.
    centred, then = now - now.mean(), before - before.mean()
    gain = float(then @ centred) / max(float(then @ then), 1.0)
    change = np.minimum(np.abs(now - before), np.abs(centred - gain * then))
    return int((change >= _MOVED).sum()) >= _MOVED_TILES
