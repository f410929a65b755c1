from __future__ import annotations

import tracemalloc
from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks import still_scenes
from edgeface.cameras import repetition
from edgeface.cameras.freshness import Freshness
from edgeface.cameras.repetition import (
    DOUBT_SECONDS,
    EVIDENCE,
    EVIDENCE_SECONDS,
    QUIET_SECONDS,
    REPEATED_PICTURES,
    REPEATED_TIMES,
    Repetition,
)
from edgeface.core.types import CameraImage
from edgeface.imaging import photos
from edgeface.imaging.opencv import cv2
from tests.support import gst
from tests.support.film import DATA
from tests.support.moving import SIZE, loop, moving

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from edgeface.core.types import Image

FPS = 15
MINUTE = 60 * FPS
GST = gst.why_not()


class Watch:
    """One camera on a clock that moves with its pictures, judged as Capture does."""

    def __init__(self, fps: float = FPS) -> None:
        self.now, self.fps = 0.0, fps
        self.fresh, self.repetition = Freshness(parts=False), Repetition()
        self.fresh.opened(0.0)

    def opened(self) -> None:
        self.fresh.opened(self.now)
        self.repetition.opened()

    def show(self, pictures: Iterable[CameraImage]) -> list[bool]:
        """Whether each new picture is doubtful."""
        found = []
        for picture in pictures:
            self.now += 1 / self.fps
            if self.fresh.is_new(picture, self.now):
                found.append(self.repetition.doubts(picture, self.now))
        return found

    @property
    def replayed(self) -> str | None:
        return self.repetition.replayed(self.now)

    def until_replay(self, pictures: Iterator[CameraImage], seconds: float) -> float:
        """Seconds until the pictures count as a recording."""
        began = self.now
        while self.replayed is None:
            assert self.now - began < seconds, "it was not noticed in time"
            self.show(islice(pictures, 1))
        return self.now - began


def live(count: int, first: int = 0) -> Iterator[CameraImage]:
    return (moving(first + number) for number in range(count))


def noisy(count: int, *, level: int = 3, seed: int = 0) -> Iterator[CameraImage]:
    """A still wall with noise."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        yield CameraImage(100 + random.integers(0, level + 1, (*SIZE, 3), np.uint8), None)


def test_a_live_camera_is_never_doubtful() -> None:
    watch = Watch()
    assert not any(watch.show(live(6 * MINUTE)))
    assert (watch.replayed, watch.repetition.repeated) == (None, 0)


@pytest.mark.parametrize(("length", "fps"), [(12, 15), (75, 15), (600, 30), (30, 1)])
def test_a_clip_in_a_loop_is_doubtful_at_its_first_repetition_and_a_recording_soon_after(length: int, fps: int) -> None:
    watch, clip = Watch(fps), loop(length)
    assert not any(watch.show(islice(clip, length)))
    assert all(watch.show(islice(clip, fps)))
    assert watch.replayed is None
    assert watch.until_replay(clip, 2 * EVIDENCE + 2) >= EVIDENCE - 2
    assert watch.replayed == REPEATED_PICTURES


def test_a_loop_that_is_longer_than_the_memory_of_all_pictures_is_noticed_by_those_that_are_kept_for_longer() -> None:
    watch, length = Watch(), 6 * MINUTE
    assert not any(watch.show(live(length)))
    again = watch.show(live(40 * FPS))
    assert watch.replayed == REPEATED_PICTURES
    assert np.mean(again) > 0.9, "between two pictures that are kept, the others are doubtful too"


def test_what_was_recorded_at_this_door_an_hour_ago_is_doubtful_when_it_is_played_once() -> None:
    watch = Watch()
    watch.show(noisy(2 * FPS, seed=3))
    watch.show(live(10 * FPS))
    watch.show(noisy(2 * MINUTE))
    watch.now += 3600
    watch.show(noisy(4 * MINUTE, seed=1))
    played = watch.show(live(10 * FPS))
    assert all(played[round(1.2 * FPS) :]), "what comes before the first picture that was kept may pass"
    seen_after = watch.show(noisy(round((DOUBT_SECONDS + 1) * FPS), seed=2))
    assert not any(seen_after[-FPS // 2 :])


def test_a_recording_counts_as_ended_five_minutes_after_the_last_repetition() -> None:
    watch, clip = Watch(), loop(60)
    watch.until_replay(clip, 20)
    watch.show(islice(clip, 20 * FPS))
    watch.show(live(round((QUIET_SECONDS - 1) * FPS), first=10_000))
    assert watch.replayed == REPEATED_PICTURES
    watch.show(live(2 * FPS, first=20_000))
    assert watch.replayed is None


def test_opening_the_camera_again_forgets_nothing_that_was_seen() -> None:
    watch, clip = Watch(), loop(4 * FPS)
    for _ in range(8):
        watch.opened()
        watch.show(islice(clip, 4 * FPS))
        watch.now += 3
    assert watch.replayed == REPEATED_PICTURES


def test_a_server_that_begins_each_connection_with_its_last_pictures_is_no_recording() -> None:
    """Some send what they have since the last key frame, so that a viewer sees something at once."""
    watch, number = Watch(), 0
    for _ in range(12):
        watch.show(live(10 * FPS, first=number))
        number += 10 * FPS
        watch.opened()
        watch.fps = 300
        assert any(watch.show(live(4 * FPS, first=number - 4 * FPS)))
        watch.fps = FPS
    assert watch.replayed is None


def test_a_driver_that_delivers_an_old_buffer_now_and_then_is_no_recording() -> None:
    watch = Watch()
    order = (number - 3 * (number % 10 == 9) for number in range(MINUTE))
    found = watch.show(moving(number) for number in order)
    assert watch.replayed is None
    assert watch.repetition.repeated == MINUTE // 10
    assert np.mean(found) < 0.11, "only the old picture itself is doubtful"


def test_two_pictures_in_turn_are_doubtful_and_no_evidence() -> None:
    watch = Watch()
    found = watch.show(moving(number % 2 * 20) for number in range(MINUTE))
    assert all(found[2:])
    assert watch.replayed is None


def test_a_scene_without_noise_in_which_lights_go_on_and_off_is_no_recording() -> None:
    watch, wall = Watch(), moving(0).image
    lamp = wall.copy()
    lamp[10:16, 10:16] = 255
    pictures = [wall, lamp, (wall // 2).astype(np.uint8), np.minimum(wall + np.uint8(60), 255).astype(np.uint8)]
    watch.show(CameraImage(pictures[number // FPS % 4] + np.uint8(number % 3), None) for number in range(5 * MINUTE))
    assert watch.repetition.repeated > 3 * MINUTE
    assert watch.replayed is None


def test_noise_alone_is_never_doubtful() -> None:
    watch = Watch()
    assert not any(watch.show(noisy(5 * MINUTE, level=2)))
    assert watch.replayed is None


def h264(pictures: Iterator[Image], encoder: str) -> Iterator[CameraImage]:
    return (CameraImage(image, None) for image in still_scenes.coded(pictures, encoder))


@pytest.mark.needs_gstreamer
@pytest.mark.skipif(GST is not None, reason=str(GST))
@pytest.mark.slow(seconds=10)
@pytest.mark.parametrize("encoder", ["H.264 1500 kbit/s", "H.264 QP 42, B", "MPEG-4 300 kbit/s"])
@pytest.mark.parametrize("brightness", [1.0, 0.08])
def test_encoders_that_repeat_the_pictures_of_a_still_scene_raise_no_alarm(encoder: str, brightness: float) -> None:
    from gi.repository import Gst

    Gst.init(None)
    photo = cv2.resize(photos.load(DATA / "obama.jpg"), (320, 240))
    scene = still_scenes.still(np.asarray(photo, np.uint8), 40 * FPS, brightness, 0.0, lamp=True)
    watch = Watch()
    watch.show(h264(scene, still_scenes.ENCODERS[encoder]))
    assert watch.repetition.repeated > EVIDENCE, "this encoder shows nothing then"
    assert watch.replayed is None


@pytest.mark.needs_gstreamer
@pytest.mark.skipif(GST is not None, reason=str(GST))
def test_pictures_of_a_moving_scene_that_are_encoded_live_do_not_repeat_and_a_loop_of_the_bytes_does() -> None:
    from gi.repository import Gst

    Gst.init(None)
    encoder = still_scenes.ENCODERS["H.264 100 kbit/s"]
    decoded = list(h264((moving(number, noise=0).image for number in range(20 * FPS)), encoder))
    watch = Watch()
    watch.show(decoded)
    assert watch.repetition.repeated < FPS, "a scene without noise that comes back to the same place"
    assert watch.replayed is None
    watch.show(decoded)
    assert watch.replayed == REPEATED_PICTURES


def test_a_clip_written_by_a_common_encoder_and_decoded_twice_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, SIZE[::-1])
    for number in range(6 * FPS):
        writer.write(moving(number).image)
    writer.release()

    def played() -> Iterator[CameraImage]:
        while True:
            capture = cv2.VideoCapture(str(path))
            while (answer := capture.read())[0]:
                yield CameraImage(np.asarray(answer[1], np.uint8), None)
            capture.release()

    watch, clip = Watch(), played()
    assert not any(watch.show(islice(clip, 6 * FPS)))
    watch.until_replay(clip, 2 * EVIDENCE)


def timed(stamps: Iterable[float], first: int = 0) -> Iterator[CameraImage]:
    """New pictures with these timestamps."""
    return (CameraImage(moving(first + number).image, stamp) for number, stamp in enumerate(stamps))


def laps(seconds: float, count: int, start: float = 100.0) -> list[float]:
    return [start + number / FPS for _ in range(count) for number in range(round(seconds * FPS))]


@pytest.mark.parametrize("seconds", [2.0, 20.0, 100.0])
def test_timestamps_that_run_through_the_same_stretch_four_times_are_a_recording(seconds: float) -> None:
    watch = Watch()
    watch.show(timed(laps(seconds, 3)))
    assert watch.replayed is None, "a camera may start again, even twice"
    watch.show(timed(laps(seconds, 1), first=10_000))
    assert watch.replayed == REPEATED_TIMES


def test_a_picture_without_a_timestamp_hides_no_jump() -> None:
    watch = Watch()
    lap = [None, *laps(5.0, 1, start=1 / FPS)]
    watch.show(CameraImage(moving(number).image, stamp) for number, stamp in enumerate(lap * 4))
    assert watch.replayed == REPEATED_TIMES


@pytest.mark.parametrize("kind", ["two pictures", "two clocks"])
def test_a_camera_that_is_doubtful_all_the_time_has_a_problem_and_one_repetition_is_none(kind: str) -> None:
    watch = Watch()
    watch.show(live(40 * FPS))
    assert not watch.repetition.doubtful(watch.now)
    for turn in range(2):
        shown = []
        for number in range(35 * FPS):
            image = moving(number % 2 * 20) if kind == "two pictures" else moving(2000 + 1000 * turn + number)
            stamp = None if kind == "two pictures" else number % 2 * 900.0
            watch.show([CameraImage(image.image, stamp)])
            shown.append(watch.repetition.doubtful(watch.now))
        assert not any(shown[: 29 * FPS])
        assert shown[-1]
        watch.show(live(10 * FPS, first=10_000 + 1000 * turn))
        assert not watch.repetition.doubtful(watch.now)
    assert watch.replayed is None


def test_a_long_loop_of_timestamps_does_not_begin_and_end_as_a_recording_in_each_round() -> None:
    watch = Watch(fps=1)
    lap = [float(second) for second in range(1000)]
    watch.show(timed(lap * 4))
    seen = []
    for number in range(3):
        watch.show(timed(lap[:500], first=5000 + 1000 * number))
        seen.append(watch.replayed)
        watch.show(timed(lap[500:], first=5500 + 1000 * number))
        seen.append(watch.replayed)
    assert seen == [REPEATED_TIMES] * 6


def test_a_timestamp_that_goes_back_makes_the_next_five_seconds_doubtful_and_no_more() -> None:
    watch = Watch()
    stamps = [number / FPS for number in range(300)]
    found = watch.show(timed([*stamps, *(stamp - 3600 for stamp in stamps)]))
    assert not any(found[:300])
    assert all(found[300 : 300 + round(DOUBT_SECONDS * FPS)])
    assert not any(found[302 + round(DOUBT_SECONDS * FPS) :])
    assert watch.replayed is None


@pytest.mark.parametrize(
    "stamps",
    [
        [number / FPS - 0.5 * (number % 2) for number in range(MINUTE)],
        [*laps(100.0, 1), *laps(60.0, 1), *laps(80.0, 1), *laps(30.0, 1), *laps(100.0, 1)],
        [number / FPS + 900 * (number % 2) for number in range(MINUTE)],
        [number / FPS + 1e6 * (number > 300) for number in range(MINUTE)],
    ],
    ids=["out of order", "a camera that starts again", "two clocks in turn", "a leap ahead"],
)
def test_other_odd_timestamps_are_no_recording(stamps: list[float]) -> None:
    watch = Watch()
    watch.show(timed(stamps))
    assert watch.replayed is None


def test_a_counter_that_starts_again_after_half_a_day_is_no_recording() -> None:
    wrap = 2**32 / 90_000
    watch = Watch(fps=0.01)
    watch.show(timed(number * 100 % wrap for number in range(2500)))
    assert watch.replayed is None


def test_timestamps_start_again_with_each_opening() -> None:
    watch = Watch()
    for number in range(6):
        watch.opened()
        found = watch.show(timed(laps(5.0, 1), first=1000 * number))
        assert not any(found)
    assert watch.replayed is None


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (7, 900), (480, 640), (1080, 1920)])
def test_pictures_of_every_size_are_compared(size: tuple[int, int]) -> None:
    random = np.random.default_rng(3)
    pictures = [CameraImage(random.integers(0, 256, (*size, 3), np.uint8), None) for _ in range(20)]
    repetition = Repetition()
    doubts = [repetition.doubts(one, float(number)) for number, one in enumerate(chain(pictures, pictures))]
    if size != (1, 1):
        assert doubts == [False] * 20 + [True] * 20


def test_a_change_of_resolution_changes_nothing() -> None:
    watch = Watch()
    big = (CameraImage(np.asarray(cv2.resize(one.image, (640, 480)), np.uint8), None) for one in live(300, first=5000))
    assert not any(watch.show(chain(live(300), big, live(300, first=9000))))


def test_what_is_kept_of_a_camera_is_small_and_does_not_grow() -> None:
    watch = Watch()
    watch.show(live(100))
    tracemalloc.start()
    kept = Repetition()
    for number in range(6000):
        kept.doubts(moving(number), number / FPS)
    # Other threads of the test process allocate, too.
    own = [tracemalloc.Filter(inclusive=True, filename_pattern=file) for file in (__file__, repetition.__file__)]
    size = sum(one.size for one in tracemalloc.take_snapshot().filter_traces(own).statistics("filename"))
    tracemalloc.stop()
    assert 10_000 < size < 100_000


def test_evidence_must_come_within_half_a_minute() -> None:
    """A moving picture that repeats now and then, whatever the reason, is doubtful but no recording."""
    watch, number = Watch(), MINUTE
    watch.show(live(MINUTE))
    for turn in range(3 * EVIDENCE):
        watch.show(live(round(EVIDENCE_SECONDS / EVIDENCE * FPS) + FPS, first=number))
        number += 1000
        watch.show([moving(30 * turn % MINUTE)])
    assert watch.replayed is None
    assert watch.repetition.repeated == 3 * EVIDENCE
