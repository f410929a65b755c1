"""Follows faces from frame to frame: an alpha-beta filter, and greedy pairing by IoU and gated centre distance.

Small on purpose: at 15 frames a second and more, on crossing faces, a tracker of this kind made fewer identity
switches than ByteTrack, motpy and norfair, in a quarter of a millisecond (docs/detection.md). It reads no clock:
times are the frames' own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edgeface.core.types import Box

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from edgeface.core.types import Detection

# Shares of the residual that go into position and velocity: beta = alpha^2 / (2 - alpha) is the critically damped
# filter of Benedict and Bordner, 1962. Found on the crossing faces of tests/recognition/test_tracker.py.
_ALPHA = 0.75
_BETA = _ALPHA**2 / (2 - _ALPHA)
# Size changes slowly compared with its noise.
_SIZE = 0.4
# Seconds after which an unseen face has lost all but a third of its velocity: people stop and turn.
_SLOWDOWN = 0.8
# A velocity predicts no further than so many seconds: with few pictures per second, it is mostly that of a sway.
_REACH = 0.4
# A detection pairs with a track up to this many face sizes away; the gate widens with the time unseen.
_GATE = 0.7
_GATE_PER_SECOND = 1.5
_MAX_GATE = 1.5
# A face does not grow or shrink by more between two detections; two people at one place often differ by more.
_MAX_RATIO = 1.6
# A track is confirmed by so many hits, or by a first one of this score.
_HITS, _SURE = 2, 0.85
# Without a hit for so many seconds and so many intervals of the camera, a confirmed track ends, and an unconfirmed one.
_COAST, _SLOW_COAST = 0.8, 2.5
_DOUBT, _SLOW_DOUBT = 0.3, 1.5
# Share of the newest interval in the camera's usual one, and the most seconds that it counts: a camera that is slower
# is stalled.
_SMOOTHING, _PAUSE = 0.2, 2.0
# Two frames with the same time would cause a division by zero.
_MIN_SECONDS = 1e-3


@dataclass(slots=True, eq=False)
class Track:
    """One face followed over frames; only the tracker changes it."""

    id: int
    """Counts from 1 and is never used again."""
    box: Box
    """Filtered; predicted when this frame's detections do not have the face."""
    velocity: tuple[float, float]
    """Of the centre, pixels a second."""
    last_seen: float
    """Monotonic seconds of the last hit."""
    detection: Detection | None
    """This frame's, unfiltered; None when the face was missed, or not asked for."""
    hits: int = 1
    misses: int = 0
    """Frames since the last hit in which it was asked for."""
    surprise: float = 0.0
    """How far the last hit was from where the face was expected, in faces."""
    steadiness: float = 1.0
    """The smaller height over the larger one, of the last hit and of the box before it: 1 is no change of size."""
    confirmed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class TrackUpdate:
    """The tracks after one frame, without unconfirmed ones."""

    live: tuple[Track, ...]
    """Confirmed tracks, oldest first, found in this frame or not."""
    ended: tuple[Track, ...]
    """Confirmed tracks that have just ended; their ids are not used again."""


class Tracker:
    """Follows the faces of one camera."""

    def __init__(self) -> None:
        self.interval = 0.0
        """The usual time between two frames, in seconds; 0 before the second frame."""
        self._tracks: list[Track] = []
        self._next = 1
        self._now = math.inf

    def update(
        self, detections: Sequence[Detection], monotonic: float, asked: Container[int] | None = None
    ) -> TrackUpdate:
        """Match the faces of a frame with the tracks; gives those that live and those that have ended.

        `asked` are the ids that the detector had to find, all by default; the others stay where they are expected.
        """
        since = max(_MIN_SECONDS, monotonic - self._now)
        before, self._tracks = self._tracks, self._alive(monotonic)
        ended = [track for track in before if track not in self._tracks]
        self.interval += (_SMOOTHING if self.interval else 1.0) * (self._newest(monotonic) - self.interval)
        self._now = monotonic
        for track in self._tracks:
            _predict(track, since, missed=asked is None or track.id in asked)
        for detection in self._pair(detections, monotonic):
            self._start(detection, monotonic)
        return TrackUpdate(tuple(t for t in self._tracks if t.confirmed), tuple(t for t in ended if t.confirmed))

    def expected(self, monotonic: float) -> list[Track]:
        """Copies of the tracks, unconfirmed ones included, where they are at that time; those unseen longest first."""
        since = max(0.0, monotonic - self._now)
        alive = sorted(self._alive(monotonic), key=lambda track: (track.last_seen, track.id))
        return [replace(track, box=_moved(track, since)) for track in alive]

    def finish(self) -> tuple[Track, ...]:
        """End every track, as when the camera stops; gives the confirmed ones."""
        ended = tuple(track for track in self._tracks if track.confirmed)
        self._tracks = []
        return ended

    def _alive(self, monotonic: float) -> list[Track]:
        """The tracks that a frame at that time may still find, by the usual interval before it."""
        interval = self.interval or self._newest(monotonic)
        return [track for track in self._tracks if not _lost(track, monotonic, interval)]

    def _newest(self, monotonic: float) -> float:
        """The interval that ends at that time; 0 for the first frame."""
        return min(_PAUSE, max(0.0, monotonic - self._now))

    def _pair(self, detections: Sequence[Detection], now: float) -> list[Detection]:
        """Give each track its detection, nearest pairs first; returns the detections that are left."""
        pairs = [
            (not track.confirmed, -score, t, d)
            for t, track in enumerate(self._tracks)
            for d, detection in enumerate(detections)
            if (score := _likeness(track, detection.box, now)) > 0
        ]
        tracks: set[int] = set()
        taken: set[int] = set()
        for _, _, t, d in sorted(pairs):
            if t not in tracks and d not in taken:
                tracks.add(t)
                taken.add(d)
                _hit(self._tracks[t], detections[d], now)
        return [detection for d, detection in enumerate(detections) if d not in taken]

    def _start(self, detection: Detection, now: float) -> None:
        sure = detection.score >= _SURE
        self._tracks.append(Track(self._next, detection.box, (0.0, 0.0), now, detection, confirmed=sure))
        self._next += 1


def _lost(track: Track, now: float, interval: float) -> bool:
    seconds, intervals = (_COAST, _SLOW_COAST) if track.confirmed else (_DOUBT, _SLOW_DOUBT)
    return now - track.last_seen > max(seconds, intervals * interval)


def _hit(track: Track, detection: Detection, now: float) -> None:
    _correct(track, detection.box, max(_MIN_SECONDS, now - track.last_seen))
    track.detection = detection
    track.last_seen = now
    track.hits += 1
    track.misses = 0
    track.confirmed = track.confirmed or track.hits >= _HITS


def _predict(track: Track, since: float, *, missed: bool) -> None:
    """Move to where the face is expected, and count a miss if it was asked for; a hit corrects both."""
    track.box = _moved(track, since)
    slowed = math.exp(-since / _SLOWDOWN) if track.misses else 1.0
    track.velocity = (track.velocity[0] * slowed, track.velocity[1] * slowed)
    track.detection = None
    track.misses += missed


def _moved(track: Track, since: float) -> Box:
    since = min(since, _REACH)
    return track.box.moved(track.velocity[0] * since, track.velocity[1] * since)


def _correct(track: Track, seen: Box, since: float) -> None:
    """One step of the alpha-beta filter, `since` seconds after the last hit."""
    x, y = track.box.centre
    dx, dy = seen.centre[0] - x, seen.centre[1] - y
    track.surprise = math.hypot(dx, dy) / max(seen.height, 1.0)
    track.steadiness = min(seen.height, track.box.height) / max(seen.height, track.box.height, 1.0)
    # The first step has no velocity to correct: all of the shift is velocity.
    beta = 1.0 if track.hits == 1 else _BETA
    track.velocity = (track.velocity[0] + beta * dx / since, track.velocity[1] + beta * dy / since)
    half_width = (track.box.width + _SIZE * (seen.width - track.box.width)) / 2
    half_height = (track.box.height + _SIZE * (seen.height - track.box.height)) / 2
    x, y = x + _ALPHA * dx, y + _ALPHA * dy
    track.box = Box(x - half_width, y - half_height, x + half_width, y + half_height)


def _likeness(track: Track, seen: Box, now: float) -> float:
    """0 when the two cannot be the same face, otherwise up to 2: IoU, and how near the centres are within the gate."""
    size = (track.box.height + seen.height) / 2
    ratio = seen.height / max(track.box.height, 1e-6)
    if size <= 0 or not 1 / _MAX_RATIO < ratio < _MAX_RATIO:
        return 0.0
    gate = size * min(_MAX_GATE, _GATE + _GATE_PER_SECOND * (now - track.last_seen))
    distance = math.dist(track.box.centre, seen.centre)
    likeness = track.box.iou(seen) + 1 - distance / gate - abs(math.log(ratio))
    return max(0.0, likeness) if distance < gate else 0.0
