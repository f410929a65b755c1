from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeface.cameras.replay import ReplayCamera
from edgeface.config.configuration import Configuration
from edgeface.core.clock import FixedClock, SystemClock
from edgeface.core.types import Detection, Event, Frame, FrameResult, Image
from edgeface.daemon.session import RecognitionSession
from edgeface.faces.analyzer import FaceAnalyzer
from edgeface.recognition.timings import BUCKETS, RECENT, Histogram, Timings, counter
from tests.support.film import film


def outcome(clock: FixedClock, age: float, *events: Event) -> FrameResult:
    return FrameResult(Frame("porch", 0, clock.now - age, 0.0, np.zeros((2, 2, 3), np.uint8)), (), events)


def test_a_histogram_counts_each_time_once() -> None:
    histogram = Histogram()
    for seconds in (0.0, 0.001, 0.0011, 5.0, 60.0):
        histogram.add(seconds)
    assert histogram.counts == (2, 1, *([0] * 9), 1, 1)
    assert len(histogram.counts) == len(BUCKETS) + 1
    assert histogram.total == pytest.approx(65.0021)


def test_a_function_is_timed_and_does_what_it_did() -> None:
    clock = FixedClock()
    timings = Timings(clock)

    def work(seconds: float) -> str:
        clock.sleep(seconds)
        return "done"

    assert timings.around("detect", work)(0.03) == "done"
    assert timings.stages["detect"].total == pytest.approx(0.03)
    assert sum(timings.stages["embed"].counts) == 0


def test_what_fails_is_not_counted() -> None:
    timings = Timings(FixedClock())

    def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        timings.around("detect", fail)()
    assert sum(timings.stages["detect"].counts) == 0


def test_latency_is_told_of_the_last_frames_by_camera_and_of_all() -> None:
    clock = FixedClock(100.0)
    timings = Timings(clock)
    assert timings.latency() is None
    assert timings.latency("porch") is None
    for _ in range(RECENT):
        timings(outcome(clock, 9.0))
    for n in range(1, RECENT + 1):
        timings(outcome(clock, n / RECENT))
    assert timings.latency("porch") == pytest.approx({"p50": 0.5, "p95": 0.95}, abs=0.01)
    assert timings.latency() == timings.latency("porch")
    assert timings.latency("yard") is None


def test_nobody_counts_when_nobody_wants_to_know() -> None:
    counter(None, "publish")(1.0)
    timings = Timings(FixedClock())
    counter(timings, "publish")(1.0)
    assert timings.stages["publish"].total == 1.0


def test_a_timed_pipeline_says_the_same_and_has_measured_every_stage(tmp_path: Path) -> None:
    configuration = Configuration(
        data=tmp_path / "a", cameras={"porch": ReplayCamera(type="replay", path=Path("clip.mp4"))}
    )
    timings = Timings(SystemClock())
    other = configuration.model_copy(update={"data": tmp_path / "b"})
    with (
        closing(RecognitionSession(configuration, "boot", 1e9, synced=lambda: True)) as plain,
        closing(RecognitionSession(other, "boot", 1e9, synced=lambda: True, timings=timings)) as timed,
    ):
        said: dict[RecognitionSession, list[Event]] = {plain: [], timed: []}
        for frame in film((1.0, (("obama", 200, 60),))):
            for bench, events in said.items():
                made = bench.pipeline.process(frame)
                events += [replace(event, unknown=None) for event in made.events]
                if bench is timed:
                    timings(made)
    assert said[plain] == said[timed]
    assert [event.type for event in said[timed]] == ["unknown"]
    assert all(sum(timings.stages[stage].counts) for stage in ("detect", "landmark", "embed", "match"))
    assert timings.stages["detect"].counts != timings.stages["embed"].counts
    assert timings.events == {("porch", "unknown"): 1}
    assert timings.tracks == {"porch": 1}
    assert timings.people == 0


def test_a_timed_chain_is_the_chain(tmp_path: Path) -> None:
    configuration = Configuration(data=tmp_path, cameras={"porch": ReplayCamera(type="replay", path=Path("x"))})
    analyzer = configuration.open_analyzer()
    timed = Timings(SystemClock()).analyzer(analyzer)
    (frame,) = list(film((0.04, (("obama", 200, 60),))))[:1]
    assert timed.embedder.name == analyzer.embedder.name
    assert timed.limits is analyzer.limits

    def embedded(one: FaceAnalyzer, image: Image) -> tuple[Detection, bytes]:
        ((face, _),) = one.faces(image)
        return face, one.embed(image, face).tobytes()

    assert embedded(timed, frame.image)[1] == embedded(analyzer, frame.image)[1]
