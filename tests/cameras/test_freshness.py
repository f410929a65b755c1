from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks import still_scenes
from edgeface.cameras.freshness import DARK_SECONDS, Freshness, is_dark, same
from edgeface.core.types import CameraImage
from edgeface.imaging import photos
from edgeface.imaging.opencv import cv2
from tests.support.film import DATA

if TYPE_CHECKING:
    from numpy.typing import NDArray

SECONDS = 40 if os.environ.get("EDGEFACE_HEAVY") else 12
"""Of a scene; after 5 s, a picture is frozen."""
PHOTO = np.asarray(cv2.resize(photos.load(DATA / "obama.jpg"), (320, 240)), np.uint8)


def picture(seed: int, timestamp: float | None = None) -> CameraImage:
    return CameraImage(np.random.default_rng(seed).integers(0, 256, (64, 48, 3), np.uint8), timestamp)


def opened() -> Freshness:
    fresh = Freshness()
    fresh.opened(0.0)
    return fresh


def test_runs_of_identical_pictures_as_healthy_h264_has_them_are_no_trouble() -> None:
    fresh = opened()
    new = 0
    for number in range(600):
        now = number / 30
        new += fresh.is_new(picture(number // 18, now), now)
        assert fresh.problem(now) is None
    assert new == 34
    assert fresh.repeats == 566


@pytest.mark.parametrize(
    ("kind", "limit", "why"),
    [("silent", 2.0, "no picture"), ("standing", 2.0, "timestamp"), ("same", 2.5, "picture has not changed")],
)
def test_each_trouble_begins_at_its_limit(kind: str, limit: float, why: str) -> None:
    fresh = opened()
    assert fresh.is_new(picture(0, 0.0), 0.0)
    for step in range(1, int(limit * 100) + 1):
        now = step / 100
        if kind == "standing":
            assert not fresh.is_new(picture(step, 0.0), now)
        if kind == "same":
            assert not fresh.is_new(picture(0, now), now)
        assert fresh.problem(now) is None
    assert why in (fresh.problem(limit + 0.011) or "")
    assert fresh.age(limit) == limit


def test_a_source_without_times_is_judged_by_its_pictures_alone() -> None:
    fresh = opened()
    assert all(fresh.is_new(picture(number), number / 10) for number in range(100))
    assert fresh.problem(9.9) is None


def test_opening_begins_the_timers_again_but_remembers_the_picture() -> None:
    fresh = opened()
    fresh.is_new(picture(0), 0.0)
    fresh.opened(100.0)
    assert fresh.problem(101.9) is None
    assert not fresh.is_new(picture(0), 101.9)
    assert fresh.age(101.9) == 101.9


def test_pictures_that_differ_in_one_byte_are_not_the_same() -> None:
    a = picture(0).image
    for row in (0, 1, 31, 63):
        b = a.copy()
        assert same(a, b)
        b[row, 20, 1] ^= 1
        assert not same(a, b)
    assert not same(a, a[:32])


def test_the_rate_is_over_the_last_five_seconds() -> None:
    fresh = opened()
    assert fresh.fps(0.0) == 0.0
    for number in range(300):
        fresh.is_new(picture(number), number / 20)
    assert fresh.fps(299 / 20) == pytest.approx(20)
    assert 0 < fresh.fps(299 / 20 + 2.5) < 12
    assert fresh.fps(299 / 20 + 6) == 0.0


@pytest.mark.parametrize("fps", [0.5, 0.8, 1.0, 3.0])
def test_the_rate_of_a_slow_camera_is_steady(fps: float) -> None:
    fresh = Freshness()
    for number in range(12):
        assert fresh.is_new(noise(100, number), number / fps)
        between = [fresh.fps((number + part) / fps) for part in (0.0, 0.4, 0.9)] if number >= 5 * fps else []
        assert between == pytest.approx([fps] * len(between))


def noise(level: int, seed: int, size: tuple[int, int] = (480, 640)) -> CameraImage:
    image = np.random.default_rng(seed).integers(0, level + 1, (*size, 3), np.uint8)
    return CameraImage(image, None)


def lit(seed: int) -> CameraImage:
    """A night with one lamp in a corner."""
    picture = noise(20, seed)
    picture.image[:40, :50] = 110
    return picture


def test_pictures_of_nothing_but_noise_are_dark_after_a_while_and_one_lamp_ends_it() -> None:
    fresh = opened()
    assert not fresh.dark(10.0), "nothing has come yet"
    for step in range(40):
        assert fresh.is_new(noise(30, step), step / 10), "a covered lens is no frozen camera"
        assert fresh.dark(step / 10) == (step / 10 > DARK_SECONDS)
        assert fresh.problem(step / 10) is None
    fresh.is_new(lit(1), 4.6)
    assert not fresh.dark(4.6)


@pytest.mark.parametrize("size", [(48, 64), (480, 640), (1080, 1920), (7, 9), (13, 4000)])
def test_dark_is_judged_at_every_size(size: tuple[int, int]) -> None:
    assert is_dark(noise(10, 1, size).image)
    assert not is_dark(np.random.default_rng(2).integers(0, 256, (*size, 3), np.uint8))
    assert not is_dark(np.full((*size, 3), 120, np.uint8)), "a bare wall in daylight shows a wall"


def encoded(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """As MJPEG gives it."""
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], 1), np.uint8)


@pytest.mark.parametrize("brightness", [0.08, 1.0])
@pytest.mark.parametrize("noise", [0.4, 4.0])
@pytest.mark.parametrize("mjpeg", [False, True])
def test_a_still_scene_with_the_noise_of_a_sensor_is_never_frozen(
    brightness: float, noise: float, *, mjpeg: bool
) -> None:
    fresh = opened()
    for number, image in enumerate(still_scenes.still(PHOTO, SECONDS * 15, brightness, noise, lamp=False)):
        now = number / 15
        fresh.is_new(CameraImage(encoded(image) if mjpeg else image, now), now)
        assert fresh.problem(now) is None


@pytest.mark.parametrize("kind", ["pixel", "lamp", "clock"])
@pytest.mark.parametrize("mjpeg", [False, True])
def test_a_frozen_picture_in_which_a_small_part_changes_is_frozen_until_the_rest_changes(
    kind: str, *, mjpeg: bool
) -> None:
    fresh, now = opened(), 0.0
    for number, image in enumerate(still_scenes.frozen(PHOTO, 20 * 15, kind)):
        now = number / 15
        new = fresh.is_new(CameraImage(encoded(image) if mjpeg else image, now), now)
        assert not (new and now > 5.5), "5 s and one comparison"
        if number == 10 * 15:
            fresh.opened(now)  # as a reopened device that is frozen still
    assert fresh.problem(now) == "only a small part of the picture has changed for 5 s"
    live = next(still_scenes.still(PHOTO, 1, 1.0, 4.0, lamp=False))
    assert fresh.is_new(CameraImage(live, now + 1), now + 1)
    assert fresh.problem(now + 1) is None


def test_a_slow_camera_of_a_still_scene_is_not_frozen() -> None:
    fresh = opened()
    for number, image in enumerate(still_scenes.still(PHOTO, 40, 0.08, 0.4, lamp=False)):
        assert fresh.is_new(CameraImage(image, 2.0 * number), 2.0 * number)
    assert fresh.problem(78.0) is None


def test_a_sensor_of_16_bits_is_judged_by_its_values() -> None:
    fresh, random = opened(), np.random.default_rng(4)
    shown = np.zeros((120, 160, 3), np.uint8)
    for number in range(300):
        shown = shown.copy()
        shown[0, 0] = number % 256
        values = random.integers(29_990, 30_010, (120, 160)).astype(np.uint16)
        assert fresh.is_new(CameraImage(shown, None, values), number / 10)


def test_a_drawn_scene_may_stand_still_if_the_configuration_says_that_it_is_one() -> None:
    fresh = Freshness(parts=False)
    fresh.opened(0.0)
    for number, image in enumerate(still_scenes.frozen(PHOTO, 300, "pixel")):
        fresh.is_new(CameraImage(image, None), number / 15)
        assert fresh.problem(number / 15) is None
