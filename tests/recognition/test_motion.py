"""What counts as a change, and what does not."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.core.types import Box, Image
from edgeface.recognition.motion import CELL, Motion, thumbnail

WHOLE = Box(0, 0, 640, 480)
LEFT, RIGHT = Box(0, 0, 320, 480), Box(320, 0, 640, 480)
LEAST = 6


@cache
def room(noise: float = 0.0, seed: int = 0) -> Image:
    picture = np.full((480, 640, 3), 110.0) + np.linspace(0, 60, 640)[:, None]
    picture += np.random.default_rng(seed).normal(0, noise, picture.shape)
    shown = np.asarray(np.clip(picture, 0, 255), np.uint8)
    shown.flags.writeable = False
    return shown


def with_square(image: Image, x: int, y: int, side: int, brightness: int = 60) -> Image:
    shown: Image = image.copy()
    shown[y : y + side, x : x + side] = brightness
    return shown


def looked(image: Image, *parts: Box) -> Motion:
    motion = Motion()
    motion.see(image)
    for part in parts:
        motion.looked(part)
    return motion


def test_what_nobody_has_looked_at_is_fresh() -> None:
    motion = looked(room(), LEFT)
    assert motion.since(LEFT, LEAST) == "none"
    assert motion.since(RIGHT, LEAST) == "fresh"


def test_a_change_is_seen_in_its_part_until_somebody_looks() -> None:
    motion = looked(room(), LEFT, RIGHT)
    for _ in range(3):
        motion.see(with_square(room(), 400, 200, 48))
        assert motion.since(LEFT, LEAST) == "none"
        assert motion.since(RIGHT, LEAST) == "fresh"
    motion.looked(RIGHT)
    motion.see(with_square(room(), 400, 200, 48))
    assert motion.since(RIGHT, LEAST) == "none"
    motion.see(room())
    assert motion.since(RIGHT, LEAST) == "fresh", "it has gone"


def test_what_comes_slowly_adds_up() -> None:
    motion = looked(room(), WHOLE)
    changes = []
    for n in range(40):
        motion.see(with_square(room(), 200, 200, 64, 132 - n))
        changes.append(motion.since(WHOLE, LEAST))
    assert changes[0] == "none"
    assert changes[-1] == "fresh"


@pytest.mark.parametrize("noise", [0.0, 3.0, 10.0, 25.0])
def test_noise_is_no_change_and_a_face_in_it_is_one(noise: float) -> None:
    motion = looked(room(noise), WHOLE)
    still = []
    for n in range(1, 8):
        motion.see(room(noise, seed=n))
        still.append(motion.since(WHOLE, LEAST))
    assert set(still) == {"none"}
    motion.see(with_square(room(noise, seed=99), 300, 200, 48, 60))
    assert motion.since(WHOLE, LEAST) == "fresh"


def test_a_picture_that_shakes_as_a_whole_has_changed() -> None:
    pattern = np.random.default_rng(3).integers(0, 255, (30, 40), np.uint8)
    image = np.repeat(np.repeat(pattern, 16, axis=0), 16, axis=1)[..., None].repeat(3, axis=2)
    motion = looked(image, WHOLE)
    for n in range(1, 6):
        motion.see(np.roll(image, 8 * n, axis=1))
        assert motion.since(WHOLE, LEAST) == "fresh"


def test_what_moves_with_a_known_face_is_explained_and_no_more() -> None:
    motion = looked(room(), WHOLE)
    person = with_square(room(), 200, 200, 64)
    motion.see(person, [Box(180, 180, 290, 290)])
    assert motion.since(WHOLE, LEAST) == "explained"
    motion.see(with_square(person, 450, 100, 48), [Box(180, 180, 290, 290)])
    assert motion.since(WHOLE, LEAST) == "fresh"
    motion.see(person)
    assert motion.since(WHOLE, LEAST) == "fresh", "nobody explains it now"


def test_what_goes_on_above_a_part_has_its_head_there() -> None:
    upper, lower = Box(0, 0, 640, 240), Box(0, 240, 640, 480)
    motion = looked(room(), upper, lower)
    person = room().copy()
    person[120:480, 200:280] = 60
    motion.see(person)
    assert motion.since(upper, LEAST) == "fresh"
    assert motion.since(lower, LEAST) == "below"
    motion.see(with_square(room(), 200, 300, 80))
    assert motion.since(lower, LEAST) == "fresh", "it is all in this part"


def test_less_than_a_face_is_nothing() -> None:
    motion = looked(room(), WHOLE)
    motion.see(with_square(room(), 300, 200, 48))
    assert motion.since(WHOLE, 200) == "none"


def test_pictures_of_another_size_begin_anew() -> None:
    motion = looked(room(), LEFT)
    motion.see(room()[:240])
    assert motion.since(LEFT, LEAST) == "fresh"
    motion.see(room())
    assert motion.since(LEFT, LEAST) == "fresh"


@given(st.integers(1, 90), st.integers(1, 90), st.floats(-900, 900), st.floats(-900, 900), st.floats(1, 900))
def test_any_box_of_any_picture_can_be_asked_for(width: int, height: int, left: float, top: float, side: float) -> None:
    motion, image = Motion(), np.zeros((height, width, 3), np.uint8)
    box = Box(left, top, left + side, top + side)
    motion.see(image, [box])
    motion.looked(box)
    motion.see(image, [box])
    assert motion.since(box, 1) == "none"


def test_a_cell_is_the_brightness_of_its_place() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    image[:, 320:] = 200
    grey = thumbnail(image)
    assert grey.shape == (480 // CELL, 640 // CELL)
    assert grey[:, :38].max() == 0
    assert grey[:, 42:].min() == 200
