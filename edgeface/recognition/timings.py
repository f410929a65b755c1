"""How long each stage takes: counted in fixed buckets as it happens, read whenever somebody asks.

Nothing of it is there unless somebody wants to know: the pipeline then works with the wrappers made here, and stays a
pure function of frames.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, ParamSpec, TypeVar

from edgeface.faces.analyzer import FaceAnalyzer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgeface.core.clock import Clock
    from edgeface.core.types import (
        Detection,
        DetectionRequest,
        Detector,
        Embedder,
        Embedding,
        FrameResult,
        Image,
        SearchGrid,
    )

Stage = Literal["detect", "landmark", "embed", "match", "frame", "event", "publish"]

STAGES: tuple[Stage, ...] = ("detect", "landmark", "embed", "match", "frame", "event", "publish")
"""frame: all that the pipeline does with one; event: from capture to the event; publish: from sending an event to the
broker's answer."""

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Upper ends in seconds."""

RECENT = 600
"""Frames of a camera of which percentiles are told: 40 s at 15 a second."""

Given = ParamSpec("Given")
Result = TypeVar("Result")


class Histogram:
    """One thread counts, any may read."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0
        """Seconds."""

    def add(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds

    @property
    def counts(self) -> tuple[int, ...]:
        """How many fell into each bucket, and in the last place how many above them all."""
        return tuple(self._counts)


class Timings:
    """What the daemon's threads have measured; each stage is counted by one thread.

    As an observer of Vision it also counts events and follows the age of frames.
    """

    def __init__(self, clock: Clock) -> None:
        self.now = clock.monotonic
        self.stages: Mapping[Stage, Histogram] = {stage: Histogram() for stage in STAGES}
        self.events: Counter[tuple[str, str]] = Counter()
        """Events by camera and kind."""
        self.tracks: dict[str, int] = {}
        """Faces that are followed in the newest frame, by camera."""
        self.people: int | None = None
        """Enrolled, as the pipeline knows them; None before it has looked."""
        self._ages: dict[str, deque[float]] = {}

    def add(self, stage: Stage, seconds: float) -> None:
        """Count one time of a stage."""
        self.stages[stage].add(seconds)

    def __call__(self, outcome: FrameResult) -> None:
        """Take in what was made of a frame, right after it."""
        camera, age = outcome.frame.camera, self.now() - outcome.frame.monotonic
        self._ages.setdefault(camera, deque(maxlen=RECENT)).append(age)
        self.tracks[camera] = len(outcome.faces)
        for event in outcome.events:
            self.events[camera, event.type] += 1
            # Somebody leaves some time after they were last seen: that is no delay.
            if event.type != "left":
                self.add("event", age)

    def latency(self, camera: str | None = None) -> dict[str, float] | None:
        """p50 and p95 in seconds from a frame's capture until it is dealt with, of the last frames; None before one."""
        chosen = list(self._ages.values()) if camera is None else [self._ages.get(camera, deque())]
        ages = sorted(age for one in chosen for age in tuple(one))
        if not ages:
            return None
        return {f"p{rank}": round(ages[min(len(ages) - 1, len(ages) * rank // 100)], 4) for rank in (50, 95)}

    def around(self, stage: Stage, work: Callable[Given, Result]) -> Callable[Given, Result]:
        """The same function, timed."""
        now, add = self.now, self.stages[stage].add

        def timed(*arguments: Given.args, **named: Given.kwargs) -> Result:
            began = now()
            result = work(*arguments, **named)
            add(now() - began)
            return result

        return timed

    def analyzer(self, analyzer: FaceAnalyzer) -> FaceAnalyzer:
        """The same chain, whose detector, landmarker and embedder are timed."""
        return FaceAnalyzer(
            self.detector(analyzer.detector),
            _Landmarker(self.around("landmark", analyzer.landmarker.locate)),
            _Embedder(analyzer.embedder, self.around("embed", analyzer.embedder.embed)),
            analyzer.limits,
        )

    def detector(self, detector: Detector) -> Detector:
        """The same detector, timed."""
        return _Detector(detector, self.around("detect", detector.detect))


def counter(timings: Timings | None, stage: Stage) -> Callable[[float], None]:
    """What counts one time of a stage, if anybody wants to know."""
    return (lambda _: None) if timings is None else timings.stages[stage].add


@dataclass(frozen=True, slots=True, eq=False)
class _Detector:
    plain: Detector
    detect_timed: Callable[[Image, DetectionRequest], list[Detection]]

    def parts(self, width: int, height: int) -> SearchGrid:
        return self.plain.parts(width, height)

    def detect(self, image: Image, look: DetectionRequest) -> list[Detection]:
        return self.detect_timed(image, look)


@dataclass(frozen=True, slots=True, eq=False)
class _Landmarker:
    locate_timed: Callable[[Image, Detection], Detection | None]

    def locate(self, image: Image, face: Detection) -> Detection | None:
        return self.locate_timed(image, face)


@dataclass(frozen=True, slots=True, eq=False)
class _Embedder:
    plain: Embedder
    embed_timed: Callable[[Image], Embedding]

    @property
    def name(self) -> str:
        return self.plain.name

    def embed(self, crop: Image) -> Embedding:
        return self.embed_timed(crop)
