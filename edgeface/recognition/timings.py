"""How long each stage takes: counted in fixed buckets as it happens, read at any time.

Only a daemon with a web page measures. The pipeline gets `Timings.measure`, and reads no clock itself.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from typing import TYPE_CHECKING, get_args

from edgeface.core.types import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgeface.core.clock import Clock
    from edgeface.core.types import FrameResult

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Upper ends in seconds."""

RECENT = 600
"""Frames of each camera that the percentiles cover: 40 s at 15 a second."""


class Histogram:
    """One thread counts, any may read."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0
        """Seconds."""

    def add(self, seconds: float) -> None:
        """Count one time."""
        self._counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds

    @property
    def counts(self) -> tuple[int, ...]:
        """How many times each bucket has, and last, how many are above them all."""
        return tuple(self._counts)


class _Stopwatch:
    """A context whose time is counted when it ends without an error."""

    __slots__ = ("_add", "_now", "_started")

    def __init__(self, now: Callable[[], float], add: Callable[[float], None]) -> None:
        self._now, self._add = now, add

    def __enter__(self) -> None:
        self._started = self._now()

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._add(self._now() - self._started)


class Timings:
    """What the daemon's threads have measured; each stage is counted by one thread.

    As an observer of Vision it also counts events and follows the age of frames.
    """

    def __init__(self, clock: Clock) -> None:
        self._now = clock.monotonic
        self.stages: Mapping[Stage, Histogram] = {stage: Histogram() for stage in get_args(Stage)}
        self.events: Counter[tuple[str, str]] = Counter()
        """Events by camera and kind."""
        self.tracks: dict[str, int] = {}
        """Faces tracked in the newest frame, by camera."""
        self.people: int | None = None
        """Enrolled, as the pipeline knows them; None before it has read the gallery."""
        self._ages: dict[str, deque[float]] = {}

    def measure(self, stage: Stage) -> _Stopwatch:
        """Give a context whose time counts for `stage`, unless it fails."""
        return _Stopwatch(self._now, self.stages[stage].add)

    def __call__(self, result: FrameResult) -> None:
        """Count the result of a frame, right after it."""
        camera, age = result.frame.camera, self._now() - result.frame.monotonic
        self._ages.setdefault(camera, deque(maxlen=RECENT)).append(age)
        self.tracks[camera] = len(result.faces)
        for event in result.events:
            self.events[camera, event.type] += 1
            # `left` comes some time after the face was last seen: that is no delay.
            if event.type != "left":
                self.stages["event"].add(age)

    def latency(self, camera: str | None = None) -> dict[str, float] | None:
        """p50 and p95, in seconds from capture until a frame is handled, of recent frames; None before the first."""
        chosen = list(self._ages.values()) if camera is None else [self._ages.get(camera, deque())]
        ages = sorted(age for one in chosen for age in tuple(one))
        if not ages:
            return None
        return {f"p{rank}": round(ages[min(len(ages) - 1, len(ages) * rank // 100)], 4) for rank in (50, 95)}
