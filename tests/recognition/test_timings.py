from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeface.cameras.replay import ReplayCamera
from edgeface.config.configuration import Configuration
from edgeface.core.clock import SystemClock
from edgeface.core.types import Event, Frame, FrameResult
from edgeface.daemon.session import RecognitionSession
from edgeface.recognition.timings import BUCKETS, RECENT, Histogram, Timings
from tests.support.clock import FixedClock
from tests.support.film import film


def result(clock: FixedClock, age: float, *events: Event) -> FrameResult:
    return FrameResult(Frame("porch", 0, clock.now - age, 0.0, np.zeros((2, 2, 3), np.uint8)), (), events)


def test_a_histogram_counts_each_time_once() -> None:
    histogram = Histogram()
    for seconds in (0.0, 0.001, 0.0011, 5.0, 60.0):
        histogram.add(seconds)
    assert histogram.counts == (2, 1, *([0] * 9), 1, 1)
    assert len(histogram.counts) == len(BUCKETS) + 1
    assert histogram.total == pytest.approx(65.0021)


def test_a_stage_is_measured() -> None:
    clock = FixedClock()
    timings = Timings(clock)
    with timings.measure("detect"):
        clock.sleep(0.03)
    assert timings.stages["detect"].total == pytest.approx(0.03)
    assert sum(timings.stages["detect"].counts) == 1
    assert sum(timings.stages["embed"].counts) == 0


def test_what_fails_is_not_counted() -> None:
    timings = Timings(FixedClock())
    with pytest.raises(LookupError), timings.measure("detect"):
        raise LookupError
    assert sum(timings.stages["detect"].counts) == 0


def test_latency_is_told_of_the_last_frames_by_camera_and_of_all() -> None:
    clock = FixedClock(100.0)
    timings = Timings(clock)
    assert timings.latency() is None
    assert timings.latency("porch") is None
    for _ in range(RECENT):
        timings(result(clock, 9.0))
    for n in range(1, RECENT + 1):
        timings(result(clock, n / RECENT))
    assert timings.latency("porch") == pytest.approx({"p50": 0.5, "p95": 0.95}, abs=0.01)
    assert timings.latency() == timings.latency("porch")
    assert timings.latency("yard") is None


def test_a_measured_pipeline_decides_the_same_and_has_measured_every_stage(tmp_path: Path) -> None:
    configuration = Configuration(
        data=tmp_path / "a", cameras={"porch": ReplayCamera(type="replay", path=Path("clip.mp4"))}
    )
    timings = Timings(SystemClock())
    other = configuration.model_copy(update={"data": tmp_path / "b"})
    events: dict[RecognitionSession, list[Event]] = {}
    frames = list(film((1.0, (("obama", 200, 60),))))
    with (
        closing(RecognitionSession(configuration, "boot", 1e9, synced=lambda: True)) as plain,
        closing(RecognitionSession(other, "boot", 1e9, synced=lambda: True, timings=timings)) as timed,
    ):
        for frame in frames:
            for session in (plain, timed):
                made = session.pipeline.process(frame)
                events.setdefault(session, []).extend(replace(event, unknown=None) for event in made.events)
                if session is timed:
                    timings(made)
    assert events[plain] == events[timed]
    assert [event.type for event in events[timed]] == ["unknown"]
    counts = {stage: sum(timings.stages[stage].counts) for stage in ("detect", "landmark", "embed", "match")}
    assert counts["detect"] == len(frames)
    assert 0 < counts["match"] == counts["embed"] <= counts["landmark"]
    assert timings.events == {("porch", "unknown"): 1}
    assert timings.tracks == {"porch": 1}
    assert timings.people == 0
