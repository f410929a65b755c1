"""Which parts are searched and which faces are looked for, frame by frame."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from edgeface.core.types import Box, DetectionRequest, Image, SearchGrid
from edgeface.faces.analyzer import round_robin
from edgeface.faces.detectors.tiled_blazeface import Blazeface
from edgeface.recognition.scheduler import DetectionScheduler
from edgeface.recognition.tracker import Track
from tests.recognition.test_motion import room, with_square

PARTS = Blazeface().open().grid(640, 480)
ALONE = SearchGrid(PARTS.whole)
FPS = 15
TILE_AT_THE_RIGHT = PARTS.tiles[2]


def track(number: int, x: float = 300, y: float = 200, size: float = 60, **state: Any) -> Track:
    made = Track(number, Box(x, y, x + size, y + size), (0.0, 0.0), 0.0, None, hits=9, confirmed=True)
    for name, value in state.items():
        setattr(made, name, value)
    return made


class Camera:
    """A schedule, and the time of its camera."""

    def __init__(self, parts: SearchGrid = PARTS) -> None:
        self.schedule, self.parts, self.frames = DetectionScheduler(), parts, 0

    def see(self, image: Image, *tracks: Track, due: tuple[int, ...] = ()) -> tuple[DetectionRequest, frozenset[int]]:
        now = self.frames / FPS
        self.frames += 1
        return self.schedule.plan(image, self.parts, tracks, due, now)

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
    parts = Blazeface(tiles_per_frame=each).open().grid(width, height)
    length = -(-len(parts.tiles) // each) + 1
    looks = [round_robin(parts, number) for number in range(7 * length, 8 * length)]
    assert looks[0] == (parts.whole,)
    assert [tile for look in looks[1:] for tile in look] == list(parts.tiles)


def test_without_tiles_every_turn_is_the_wholes() -> None:
    parts = Blazeface(tiles_per_frame=0).open().grid(640, 480)
    assert {round_robin(parts, number) for number in range(5)} == {(parts.whole,)}
