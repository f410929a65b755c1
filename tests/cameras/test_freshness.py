from __future__ import annotations

import numpy as np
import pytest

from edgeface.cameras.freshness import DARK_SECONDS, Freshness, is_dark, same
from edgeface.core.types import CameraImage


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
