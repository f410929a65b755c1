"""Which parts are searched and which tracked faces are detected, frame by frame; what counts as a change."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.core.types import Box, Image
from edgeface.faces.analyzer import round_robin
from edgeface.faces.detectors.tiled_blazeface import BlazefaceDetector
from edgeface.faces.protocols import DetectionRequest, SearchGrid
from edgeface.recognition.scheduler import CELL, DetectionScheduler, Motion, thumbnail
from edgeface.recognition.tracker import Track

PARTS = BlazefaceDetector().open().grid(640, 480)
ALONE = SearchGrid(PARTS.whole)
FPS = 15
TILE_AT_THE_RIGHT = PARTS.tiles[2]

WHOLE = Box(0, 0, 640, 480)
LEFT, RIGHT = Box(0, 0, 320, 480), Box(320, 0, 640, 480)
MIN_CELLS = 6


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


def track(number: int, x: float = 300, y: float = 200, size: float = 60, **state: Any) -> Track:
    made = Track(number, Box(x, y, x + size, y + size), (0.0, 0.0), 0.0, None, hits=9, confirmed=True)
    for name, value in state.items():
        setattr(made, name, value)
    return made


class Camera:
    """A scheduler, and the time of its camera."""

    def __init__(self, grid: SearchGrid = PARTS) -> None:
        self.scheduler, self.grid, self.frames = DetectionScheduler(), grid, 0

    def see(self, image: Image, *tracks: Track, due: tuple[int, ...] = ()) -> tuple[DetectionRequest, frozenset[int]]:
        now = self.frames / FPS
        self.frames += 1
        return self.scheduler.plan(image, self.grid, tracks, due, now)

    def parts_of(self, image: Image, frames: int, *tracks: Track) -> list[tuple[Box, ...]]:
        return [self.see(image, *tracks)[0].parts for _ in range(frames)]


def settled(parts: SearchGrid = PARTS) -> Camera:
    """A camera that has seen its room for some seconds."""
    camera = Camera(parts)
    camera.parts_of(room(), 3 * FPS)
    return camera


def test_everything_is_searched_at_first_the_whole_before_its_tiles() -> None:
    looks = Camera().parts_of(room(), 4)
    assert looks[0] == (PARTS.whole,)
    assert {tile for look in looks[1:] for tile in look} == set(PARTS.tiles)
    assert all(len(look) <= PARTS.per_frame for look in looks)


@pytest.mark.parametrize(("parts", "seconds"), [(PARTS, 3), (ALONE, 1)])
def test_a_still_room_is_looked_over_each_second_and_its_parts_now_and_then(parts: SearchGrid, seconds: int) -> None:
    camera = settled(parts)
    looks = [camera.see(room())[0] for _ in range(60 * FPS)]
    count = Counter(part for look in looks for part in look.parts)
    over = [n for n, look in enumerate(looks) if look.glance or parts.whole in look.parts]
    assert np.diff(over).max() <= FPS
    assert len(over) <= 61
    assert count[parts.whole] == pytest.approx(60 / seconds, abs=1)
    assert all(5 <= count[tile] <= 7 for tile in parts.tiles)
    assert sum(look.glance or bool(look.parts) for look in looks) <= 61 + 7 * len(parts.tiles)


def test_the_tile_that_changes_is_searched_in_that_very_frame() -> None:
    camera = settled()
    visitor = with_square(room(), 560, 60, 60)
    (first, _) = camera.see(visitor)
    assert TILE_AT_THE_RIGHT in first.parts
    later = camera.parts_of(visitor, 4)
    assert PARTS.whole in {part for look in later for part in look}


def test_whoever_stops_is_looked_for_a_few_more_times() -> None:
    camera = settled()
    visitor = with_square(room(), 560, 60, 60)
    looks = camera.parts_of(visitor, 2 * FPS)
    times = [n for n, look in enumerate(looks) if TILE_AT_THE_RIGHT in look]
    assert len(times) >= 8
    assert max(times) <= FPS + 1


def test_motion_everywhere_gives_each_part_its_turn() -> None:
    rng = np.random.default_rng(0)
    camera = settled()
    pictures = [np.repeat(np.repeat(rng.integers(0, 255, (60, 80, 3), np.uint8), 8, 0), 8, 1) for _ in range(30)]
    looks = [camera.see(picture)[0].parts for picture in pictures]
    last = {part: [n for n, look in enumerate(looks) if part in look] for part in (PARTS.whole, *PARTS.tiles)}
    assert all(np.diff(times).max() <= 5 for times in last.values()), "within a round and one frame"


def test_somebody_known_does_not_keep_the_tiles_busy() -> None:
    camera = Camera()
    me = track(1)
    looks = []
    for n in range(20 * FPS):
        me.last_seen = n / FPS
        shown = with_square(room(), 300 + round(8 * np.sin(n / 3)), 200, 60)
        looks.append(camera.see(shown, me)[0].parts)
    steady = looks[5 * FPS :]
    assert sum(map(len, steady)) / len(steady) < 0.45
    # Somebody else may show a face within that place: each tile where it moves is still searched, in a second or so.
    for tile in (PARTS.tiles[1], PARTS.tiles[4]):
        assert np.diff([n for n, look in enumerate(steady) if tile in look]).max() < 1.5 * FPS
    # Somebody else is looked for at once all the same.
    (first, _) = camera.see(with_square(shown, 560, 60, 60), me)
    assert TILE_AT_THE_RIGHT in first.parts


def test_without_tiles_every_change_is_searched_in_the_whole() -> None:
    camera = settled(ALONE)
    changes = [camera.see(with_square(room(), 100 + 20 * n, 60, 60))[0].parts for n in range(10)]
    assert changes == [(PARTS.whole,)] * 10


def asked_for(camera: Camera, frames: int, *tracks: Track, due: tuple[int, ...] = ()) -> Counter[int]:
    """How often each is asked for, when every look finds it."""
    count: Counter[int] = Counter()
    for _ in range(frames):
        look, asked = camera.see(room(), *sorted(tracks, key=lambda t: t.last_seen), due=due)
        assert {*look.asked, *look.known} == {t.box for t in tracks}
        assert set(look.asked) == {t.box for t in tracks if t.id in asked}
        for one in tracks:
            if one.id in asked:
                one.last_seen = (camera.frames - 1) / FPS
                count[one.id] += 1
    return count


def test_a_steady_face_is_looked_for_in_every_third_frame() -> None:
    assert asked_for(Camera(), 300, track(1)) == {1: pytest.approx(100, abs=1)}


@pytest.mark.parametrize(
    "state",
    [{"confirmed": False}, {"misses": 1}, {"hits": 3}, {"surprise": 0.3}, {"velocity": (120.0, 0.0)}],
    ids=lambda state: next(iter(state)),
)
def test_a_face_that_may_be_lost_is_looked_for_in_every_frame(state: dict[str, Any]) -> None:
    assert asked_for(Camera(), 30, track(1, **state)) == {1: 30}


def test_a_face_that_is_due_is_looked_for_in_every_frame() -> None:
    assert asked_for(Camera(), 30, track(1), track(2, x=20), due=(2,)) == {1: pytest.approx(10, abs=1), 2: 30}


def test_two_that_are_near_to_each_other_are_looked_for_in_every_frame() -> None:
    assert asked_for(Camera(), 30, track(1), track(2, x=370)) == {1: 30, 2: 30}


def test_a_crowd_is_spread_over_the_frames() -> None:
    crowd = [track(n, x=20 + 110 * (n % 5), y=20 + 150 * (n // 5), last_seen=-n / 30) for n in range(10)]
    camera, most = Camera(), 0
    for _ in range(50):
        look, asked = camera.see(room(), *sorted(crowd, key=lambda t: t.last_seen))
        most = max(most, len(look.asked))
        for one in crowd:
            one.last_seen = (camera.frames - 1) / FPS if one.id in asked else one.last_seen
    assert most <= 3
    assert all(one.last_seen > camera.frames / FPS - 0.5 for one in crowd)


def test_nobody_in_a_crowd_waits_until_the_tracker_gives_up() -> None:
    crowd = [track(n, x=20 + 110 * (n % 5), y=20 + 110 * (n // 5), size=40) for n in range(20)]
    camera, longest = Camera(), 0.0
    for _ in range(60):
        _, asked = camera.see(room(), *sorted(crowd, key=lambda t: t.last_seen))
        now = (camera.frames - 1) / FPS
        for one in crowd:
            longest = max(longest, now - one.last_seen)
            one.last_seen = now if one.id in asked else one.last_seen
    assert longest < 0.5


@pytest.mark.parametrize(("width", "height", "each"), [(640, 480, 2), (1280, 720, 4), (1280, 720, 5), (320, 240, 1)])
def test_a_round_of_turns_has_each_tile_once_and_once_the_whole(width: int, height: int, each: int) -> None:
    parts = BlazefaceDetector(tiles_per_frame=each).open().grid(width, height)
    length = -(-len(parts.tiles) // each) + 1
    looks = [round_robin(parts, number) for number in range(7 * length, 8 * length)]
    assert looks[0] == (parts.whole,)
    assert [tile for look in looks[1:] for tile in look] == list(parts.tiles)


def test_without_tiles_every_turn_is_the_wholes() -> None:
    parts = BlazefaceDetector(tiles_per_frame=0).open().grid(640, 480)
    assert {round_robin(parts, number) for number in range(5)} == {(parts.whole,)}


def searched(image: Image, *parts: Box) -> Motion:
    motion = Motion()
    motion.update(image)
    for part in parts:
        motion.reset(part)
    return motion


def test_what_nobody_has_looked_at_is_fresh() -> None:
    motion = searched(room(), LEFT)
    assert motion.change(LEFT, MIN_CELLS) == "none"
    assert motion.change(RIGHT, MIN_CELLS) == "fresh"


def test_a_change_is_seen_in_its_part_until_somebody_looks() -> None:
    motion = searched(room(), LEFT, RIGHT)
    for _ in range(3):
        motion.update(with_square(room(), 400, 200, 48))
        assert motion.change(LEFT, MIN_CELLS) == "none"
        assert motion.change(RIGHT, MIN_CELLS) == "fresh"
    motion.reset(RIGHT)
    motion.update(with_square(room(), 400, 200, 48))
    assert motion.change(RIGHT, MIN_CELLS) == "none"
    motion.update(room())
    assert motion.change(RIGHT, MIN_CELLS) == "fresh", "it has gone"


def test_what_comes_slowly_adds_up() -> None:
    motion = searched(room(), WHOLE)
    changes = []
    for n in range(40):
        motion.update(with_square(room(), 200, 200, 64, 132 - n))
        changes.append(motion.change(WHOLE, MIN_CELLS))
    assert changes[0] == "none"
    assert changes[-1] == "fresh"


@pytest.mark.parametrize("noise", [0.0, 3.0, 10.0, 25.0])
def test_noise_is_no_change_and_a_face_in_it_is_one(noise: float) -> None:
    motion = searched(room(noise), WHOLE)
    still = []
    for n in range(1, 8):
        motion.update(room(noise, seed=n))
        still.append(motion.change(WHOLE, MIN_CELLS))
    assert set(still) == {"none"}
    motion.update(with_square(room(noise, seed=99), 300, 200, 48, 60))
    assert motion.change(WHOLE, MIN_CELLS) == "fresh"


def test_a_picture_that_shakes_as_a_whole_has_changed() -> None:
    pattern = np.random.default_rng(3).integers(0, 255, (30, 40), np.uint8)
    image = np.repeat(np.repeat(pattern, 16, axis=0), 16, axis=1)[..., None].repeat(3, axis=2)
    motion = searched(image, WHOLE)
    for n in range(1, 6):
        motion.update(np.roll(image, 8 * n, axis=1))
        assert motion.change(WHOLE, MIN_CELLS) == "fresh"


def test_what_moves_with_a_known_face_is_explained_and_no_more() -> None:
    motion = searched(room(), WHOLE)
    person = with_square(room(), 200, 200, 64)
    motion.update(person, [Box(180, 180, 290, 290)])
    assert motion.change(WHOLE, MIN_CELLS) == "explained"
    motion.update(with_square(person, 450, 100, 48), [Box(180, 180, 290, 290)])
    assert motion.change(WHOLE, MIN_CELLS) == "fresh"
    motion.update(person)
    assert motion.change(WHOLE, MIN_CELLS) == "fresh", "nobody explains it now"


def test_what_goes_on_above_a_part_has_its_head_there() -> None:
    upper, lower = Box(0, 0, 640, 240), Box(0, 240, 640, 480)
    motion = searched(room(), upper, lower)
    person = room().copy()
    person[120:480, 200:280] = 60
    motion.update(person)
    assert motion.change(upper, MIN_CELLS) == "fresh"
    assert motion.change(lower, MIN_CELLS) == "below"
    motion.update(with_square(room(), 200, 300, 80))
    assert motion.change(lower, MIN_CELLS) == "fresh", "it is all in this part"


def test_less_than_a_face_is_nothing() -> None:
    motion = searched(room(), WHOLE)
    motion.update(with_square(room(), 300, 200, 48))
    assert motion.change(WHOLE, 200) == "none"


def test_pictures_of_another_size_begin_anew() -> None:
    motion = searched(room(), LEFT)
    motion.update(room()[:240])
    assert motion.change(LEFT, MIN_CELLS) == "fresh"
    motion.update(room())
    assert motion.change(LEFT, MIN_CELLS) == "fresh"


@given(st.integers(1, 90), st.integers(1, 90), st.floats(-900, 900), st.floats(-900, 900), st.floats(1, 900))
def test_any_box_of_any_picture_can_be_asked_for(width: int, height: int, left: float, top: float, side: float) -> None:
    motion, image = Motion(), np.zeros((height, width, 3), np.uint8)
    box = Box(left, top, left + side, top + side)
    motion.update(image, [box])
    motion.reset(box)
    motion.update(image, [box])
    assert motion.change(box, 1) == "none"


def test_a_cell_is_the_brightness_of_its_place() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    image[:, 320:] = 200
    grey = thumbnail(image)
    assert grey.shape == (480 // CELL, 640 // CELL)
    assert grey[:, :38].max() == 0
    assert grey[:, 42:].min() == 200
