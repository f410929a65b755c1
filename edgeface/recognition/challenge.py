"""Head turns on demand: whether the yaw of a face follows what was asked.

Few still pictures can follow: turned before a camera, the nose of a flat picture does not move against eyes and mouth
as far as a head's does (docs/liveness.md). The module reads no clock: times are the frames' own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from edgeface.core.types import Turn

EMBED_YAW = 35.0
"""Degrees up to which every frame is embedded and must show the person; beyond it a frame may, and one must."""

TURN_SECONDS, ALL_SECONDS = 8.0, 16.0
"""The longest for one turn, and for all of them."""

REST_YAW, REST_FRAMES, REST_SPREAD = 15.0, 3, 10.0
"""Rest is the median of the first so many frames in succession that face the camera and differ by no more than this.
From a picture that is held turned, a turn to the other side would count twice."""

FAR, BETWEEN, BACK = 25.0, 12.0, 10.0
"""Degrees from rest: a turn reaches the first in FAR_FRAMES frames, passes through the second and comes back within the
third."""

FAR_FRAMES = 2

FAST, FAST_BETWEEN = 0.11, 2
"""A camera with this usual interval in seconds, or a shorter one, shows a living turn in at least so many frames
between BETWEEN and FAR, out and back together, and one of them on the way out; a slower one in at least one."""

JUMP, JUMP_SPEED = 30.0, 400.0
"""Degrees, and degrees a second: a head moves by less from one frame to the next. The fastest of the four living heads
in tests/data reaches 320."""

GAP, SLOW_GAP, MOST_GAP = 0.3, 3.5, 0.7
"""The longest time without a frame that counts: seconds, intervals of the camera, and at most so many seconds. At five
frames a second two missed frames are 0.6 s, and 0.7 leaves a sixth for late ones; three missed frames fail."""

MAX_YAW = 75.0
"""Degrees beyond which `pose` does not measure: it gives 90 where the landmarks are not those of a face."""

LEAST_WIDTH = 0.85
"""A head that turns by an angle narrows the distance of its eyes by the angle's cosine: of the frames from FAR on, the
median must have at least this share of that. A picture that measures FAR is itself turned further, so its eyes come
closer. None of 185 faces of LFW that are turned by 25 to 45 degrees is below 0.85, measured against other photos of
the same people; of the pictures that would pass, most are (docs/liveness.md)."""

ChallengeFailure: TypeAlias = Literal["late", "wrong_side", "jump", "lost", "another_face", "company"]
"""Why it failed: not turned in time; turned to the other side; faster than a head; the face was not seen; it is not the
person's; someone else is in view."""


class PoseSample(NamedTuple):
    """One frame of the visit that is asked to turn."""

    monotonic: float
    yaw: float
    """Degrees, as `Quality.yaw`: positive towards the right of the image, which is the person's own left."""
    width: float
    """The distance of the eyes over their height above the mouth, as `eye_width` gives it."""
    same: bool | None
    """Whether the face is the person's; None where it was not embedded."""
    alone: bool
    """Whether no other face is in view."""


class _Rest(NamedTuple):
    """The head before it turns."""

    yaw: float
    width: float

    def narrowed(self, sample: PoseSample) -> float:
        """How wide a turned face is, as a share of what a head has at this angle; 0 if it cannot be measured."""
        front, turned = (width / math.cos(math.radians(yaw)) for yaw, width in (self, (sample.yaw, sample.width)))
        return turned / front if front > 0 else 0.0


@dataclass(slots=True)
class _Excursion:
    """What was seen of one turn since the face was last at rest."""

    between: int = 0
    """Frames between BETWEEN and FAR."""
    shown: bool = False
    """Whether a frame from FAR on shows the person."""
    unseen: bool = False
    """Whether it went from below BETWEEN to FAR without a frame between."""
    widths: list[float] = field(default_factory=list)
    """Of the frames from FAR on: the width over that at rest and the cosine of the turn."""

    @property
    def reached(self) -> bool:
        """Whether it has gone far enough."""
        return len(self.widths) >= FAR_FRAMES

    def counts(self, interval: float) -> bool:
        """Whether it is a living head's turn, for a camera of this usual interval."""
        fast = interval <= FAST
        seen = self.between >= (FAST_BETWEEN if fast else 1) and not (fast and self.unseen)
        return self.reached and self.shown and seen and median(self.widths) >= LEAST_WIDTH


class HeadTurns:
    """The state of one challenge; one thread feeds it every frame of the visit.

    A turn that does not count, because too few frames show how it came about, may be made again until the time is up.
    """

    def __init__(self, turns: tuple[Turn, ...], monotonic: float) -> None:
        """Ask for `turns`, of which there is at least one, from `monotonic` on."""
        self._turns = list(turns)
        self._ends = monotonic + ALL_SECONDS
        self._seen = monotonic
        self._yaw: float | None = None
        self._depth = 0.0
        self._settling: list[PoseSample] = []
        self._rest: _Rest | None = None
        self._excursion = _Excursion()
        self.until = 0.0
        """By when this turn must be done, in monotonic seconds."""
        self.result: Literal["passed", "failed"] | None = None
        """None while it is under way."""
        self.reason: ChallengeFailure | None = None
        """Why it failed."""
        self._ask(monotonic)

    @property
    def turn(self) -> Turn | None:
        """The turn that is asked for now; None once the challenge has ended."""
        return self._turns[0] if self.result is None else None

    @property
    def reached(self) -> bool:
        """Whether the face has turned far enough, so that it only has to come back."""
        return self.result is None and self._excursion.reached

    def add(self, sample: PoseSample, interval: float) -> None:
        """Judge one more frame; `interval` is the usual time between two frames of this camera, in seconds."""
        if self.result is not None:
            return
        measured = abs(sample.yaw) <= MAX_YAW
        embedded = sample.same is not None or abs(sample.yaw) > EMBED_YAW
        if not sample.alone:
            self._fail("company")
        elif sample.same is False and abs(sample.yaw) <= EMBED_YAW:
            self._fail("another_face")
        elif not (measured and embedded):
            self.missing(sample.monotonic, interval)
        elif sample.monotonic > self._seen or self._yaw is None:
            # A frame with the time of the one before is no other frame.
            self._add(sample, interval)

    def missing(self, monotonic: float, interval: float) -> None:
        """Take note of a frame without the face, or of the time: too long a gap and the end of the time fail it."""
        if self.result is not None:
            return
        if monotonic > self.until:
            self._fail("late")
        elif monotonic - self._seen > min(max(GAP, SLOW_GAP * interval), MOST_GAP):
            self._fail("lost")

    def _add(self, sample: PoseSample, interval: float) -> None:
        self.missing(sample.monotonic, interval)
        elapsed, self._seen = sample.monotonic - self._seen, sample.monotonic
        step, self._yaw = abs(sample.yaw - (sample.yaw if self._yaw is None else self._yaw)), sample.yaw
        if self.result is None and step > max(JUMP, JUMP_SPEED * elapsed):
            self._fail("jump")
        if self.result is not None:
            return
        if self._rest is None:
            self._settle(sample)
        else:
            self._follow(sample, self._rest, interval)

    def _settle(self, sample: PoseSample) -> None:
        """Find the rest: of the first frames in succession that face the camera and do not move."""
        self._settling = [*self._settling, sample][-REST_FRAMES:] if abs(sample.yaw) <= REST_YAW else []
        yaws = [one.yaw for one in self._settling]
        if len(yaws) == REST_FRAMES and max(yaws) - min(yaws) <= REST_SPREAD:
            self._rest = _Rest(median(yaws), median(one.width for one in self._settling))

    def _follow(self, sample: PoseSample, rest: _Rest, interval: float) -> None:
        """Follow the turn, whose depth is measured from rest or from the front, whichever asks for more."""
        side = 1.0 if self._turns[0] == "left" else -1.0
        moved = (sample.yaw - rest.yaw) * side
        before, self._depth = self._depth, min(moved, sample.yaw * side)
        if moved <= -FAR:
            self._fail("wrong_side")
        elif abs(moved) <= BACK:
            self._come_back(sample.monotonic, interval)
        else:
            self._observe(before, sample, rest)

    def _observe(self, before: float, sample: PoseSample, rest: _Rest) -> None:
        turn, depth = self._excursion, self._depth
        if depth >= FAR:
            turn.widths.append(rest.narrowed(sample))
        turn.between += BETWEEN <= depth < FAR
        turn.shown = turn.shown or (depth >= FAR and sample.same is True)
        turn.unseen = turn.unseen or (before < BETWEEN and depth >= FAR)

    def _come_back(self, monotonic: float, interval: float) -> None:
        done, self._excursion = self._excursion.counts(interval), _Excursion()
        if not done:
            return
        self._turns.pop(0)
        if self._turns:
            self._ask(monotonic)
        else:
            self.result = "passed"

    def _ask(self, monotonic: float) -> None:
        self.until = min(monotonic + TURN_SECONDS, self._ends)

    def _fail(self, reason: ChallengeFailure) -> None:
        self.result, self.reason = "failed", reason
