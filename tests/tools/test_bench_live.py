"""The figures of a live run: every frame, visit and announcement is counted in its place."""

import math
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks import figures, flat, live, trace, visits
from benchmarks.site import Run, Site
from benchmarks.trace import Dealt
from benchmarks.visits import Clip, Visit
from edgeface.cameras.video_file import read_frames
from tools.faults.listener import Received
from tools.faults.soak import Samples

CLIP = Clip(Path("clip.mp4"), 30, (Visit("obama", 0, 15), Visit("biden", 15, 30)))
"""Two seconds; no one leaves before the next person arrives."""
PORCH = {"porch": CLIP}


def run(*received: Received, lost: tuple[int, ...] = (), frames: int = 60) -> Run:
    """A run at 15 fps from 100 s, each frame processed within 20 ms."""
    dealt = [Dealt("porch", n, 100 + n / 15, 100.02 + n / 15) for n in range(frames) if n not in lost]
    samples = Samples([1.0, 2.0, 3.0, 4.0], [90.0, 99.0, 100.0, 101.0], [5] * 4, [9] * 4)
    return Run(99.0, samples, dealt, list(received), cpu=0.6, since=100.0, until=100 + frames / 15, peak=110.0)


def match(person: str, frame: int, after: float, camera: str = "porch") -> Received:
    # Times in the event are in milliseconds, and of another clock than the trace's.
    return Received(f"{frame}", "match", person, False, after + 0.0004, 100 + frame / 15 + after, camera)


def test_an_announcement_is_timed_from_its_frame_and_from_the_visits_first() -> None:
    (one,) = figures.announced(run(match("biden", 48, 0.05)), PORCH)
    assert (one.camera, one.round, one.visit, one.right) == ("porch", 1, CLIP.visits[1], True)
    assert one.received == pytest.approx(0.05)
    assert one.decided == pytest.approx(0.02)
    assert one.usable == pytest.approx(0.05 + 3 / 15), "frame 48 is the fourth of the visit that begins at 45"


def test_the_summary_counts_frames_visits_and_names() -> None:
    received = (
        match("obama", 5, 0.03),
        match("obama", 20, 0.03),
        match("obama", 33, 0.03),
        match("obama", 6, 0.9, "back"),
    )
    found = figures.summary(run(*received, lost=(7, 8, 9)), PORCH)
    assert found["frames"] == 57
    assert found["handled"] == 57 / 60
    assert (found["visits"], found["right"], found["wrong"]) == (4, 2, 1)
    assert found["received_ms"] == {"p50": 30.0, "p95": 30.0, "most": 30.0}
    assert found["after_ms"]["p50"] == 10.0
    assert found["cpu_ms"] == pytest.approx(600 / 57)
    assert (found["rss_peak"], found["rss_steady"]) == (110.0, 100.5)


def test_a_visit_that_was_seen_in_part_is_not_expected() -> None:
    frames = [frame for frame in run().dealt if 3 <= frame.seq < 45]
    assert [(lap, visit.person) for _, lap, visit in figures.visits(frames, PORCH)] == [(0, "biden"), (1, "obama")]


def test_nothing_has_no_percentiles() -> None:
    assert all(math.isnan(value) for value in figures.percentiles([]).values())
    assert figures.percentiles([0.01, 0.02, 0.03])["p50"] == 20.0
    assert math.isnan(Run(0.0).start)


def test_a_trace_is_read_as_far_as_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "trace.txt"
    assert trace.read(file) == []
    with file.open("w") as out:
        trace.write(out, "porch", 7, 12.5)
        out.write("porch 8 12.")
    (one,) = trace.read(file)
    assert (one.camera, one.seq, one.captured) == ("porch", 7, 12.5)
    assert one.done <= time.monotonic()


def test_a_clip_has_the_frames_and_the_people_that_it_says(tmp_path: Path) -> None:
    clip = visits.make(tmp_path / "clip.mp4", seconds=0.4, gap=0.2, visits=2, seed=1)
    pictures = [frame.bgr for frame in read_frames(clip.path, 15.0)]
    assert len(pictures) == clip.frames == 18
    assert clip.visits == (Visit("biden", 0, 6), Visit("astronaut", 9, 15))
    assert [clip.at(n) for n in (5, 6, 18)] == [clip.visits[0], None, clip.visits[0]]
    spread = [float(np.std(picture)) for picture in pictures]
    assert min(spread[:6] + spread[9:15]) > 3 * max(spread[6:9] + spread[15:])


def test_the_tables_have_every_loop_that_was_run() -> None:
    whole = {**figures.summary(run(match("obama", 5, 0.03)), PORCH), "start_s": [0.9, 1.0, 1.1]}
    four = {**whole, "cameras": {f"cam{n}": whole for n in range(4)}}
    text = live.markdown({"date": "2026-11-22", "machine": "a machine", "edgeface": whole, "dlib": whole, "four": four})
    assert "| one camera | edgeface | face_recognition |" in text
    assert "| capture to received, p50 / p95 | 30 / 30 ms | 30 / 30 ms |" in text
    assert "| start to first frame handled | 1.00 s | 1.00 s |" in text
    assert "| all | 100.00% | 20 / 20 ms | 30 / 30 ms |" in text


def test_memory_that_rises_is_found_and_noise_is_not() -> None:
    seconds = [10.0 * n for n in range(160)]
    noise = np.random.default_rng(1).normal(0, 0.05, len(seconds))
    flat_one = Samples(seconds, [*(150 + noise)], [12] * 160, [30] * 160)
    rising = Samples(
        seconds, [*(150 + noise + 5 * np.array(seconds) / 3600)], [12] * 160, [30 + n // 50 for n in range(160)]
    )
    assert flat.judge(flat_one).faults == ()
    assert abs(flat.judge(flat_one).rise) < flat.judge(flat_one).error + 0.5
    found = flat.judge(rising)
    assert found.rise == pytest.approx(5, abs=0.5)
    assert [line.split(" rise")[0] for line in found.faults] == ["memory", "file descriptors"]


def test_a_short_run_says_nothing_of_memory() -> None:
    short = Samples([0.0, 10.0, 20.0], [100.0, 110.0, 120.0], [12] * 3, [30] * 3)
    assert flat.judge(short).faults == ()


def test_memory_that_moves_in_steps_is_less_sure() -> None:
    seconds = [10.0 * n for n in range(160)]
    steps = Samples(seconds, [150.0] * 80 + [151.0] * 80, [12] * 160, [30] * 160)
    noise = [150 + 0.5 * (-1) ** n for n in range(160)]
    found = flat.judge(steps)
    assert found.rise > 2
    assert found.rise - found.error < flat.TARGET
    assert flat.judge(Samples(seconds, noise, [12] * 160, [30] * 160)).error < found.error


@pytest.mark.broker
@pytest.mark.slow(seconds=6)
def test_the_daemon_is_watched_from_its_start_to_what_is_heard(tmp_path: Path) -> None:
    clip = visits.make(tmp_path / "clip.mp4", seconds=1.4, gap=0.6, visits=1)
    with Site(tmp_path / "site", {"porch": clip.path}) as site:
        site.enroll(visits.people(tmp_path / "people"))
        run = site.run(site.daemon(), 3.0, warm=0.0)
    found = figures.summary(run, {"porch": clip})
    assert 0 < run.start < 30
    assert 0 < found["handled"] <= 1
    assert found["cpu_ms"] > 0
    assert 20 < found["rss_steady"] <= found["rss_peak"] < 500
    assert {received.person for received in run.received if received.kind == "match"} <= {"obama"}
    assert run.dealt[0].seq == 0


def test_a_process_that_ends_by_itself_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    with (
        Site(tmp_path, {"porch": tmp_path / "none.mp4"}) as site,
        pytest.raises(RuntimeError, match="no frame was processed: it is broken"),
    ):
        site.run([sys.executable, "-c", "print('it is broken')"], 1.0)
