"""BlazeFace's decoding, and the default detector's search."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edgeface.core.types import Box, Detection
from edgeface.faces.blazeface import BlazeFace, Region, _draw, merge
from edgeface.faces.detectors.tiled_blazeface import BlazefaceDetector, grid
from edgeface.faces.protocols import DetectionRequest, Detector
from tests.support.photos import PHOTOS, at_turn, photo, scene

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgeface.core.types import Image

NO_LANDMARKS = np.full((6, 2), np.nan, np.float32)


@pytest.fixture(scope="module")
def short() -> BlazeFace:
    return BlazeFace.short_range()


@pytest.fixture(scope="module")
def sparse() -> BlazeFace:
    return BlazeFace.full_range_sparse()


@pytest.fixture(scope="module")
def detector() -> Detector:
    return BlazefaceDetector().open()


def smooth(height: int, width: int) -> Image:
    """A picture with every brightness, and no edges."""
    y, x = np.arange(height)[:, np.newaxis, np.newaxis], np.arange(width)[:, np.newaxis]
    waves = np.sin(x / [17, 23, 31]) * np.cos(y / [29, 19, 13])
    return np.asarray(np.round(127.5 + 127.5 * waves), np.uint8)


def drawn_in_floats(picture: Image, region: Region, size: int) -> NDArray[np.float64]:
    """What `_draw` should draw, but for rounding; the region has whole numbers."""
    height, width = picture.shape[:2]
    halvings = int(np.log2(region.side / size))
    left, top = int(max(0, region.left)), int(max(0, region.top))
    right, bottom = int(min(width, region.left + region.side)), int(min(height, region.top + region.side))
    right, bottom = right - (right - left) % 2**halvings, bottom - (bottom - top) % 2**halvings
    part = picture[top:bottom, left:right].astype(np.float64)
    for _ in range(halvings):
        # Each half is rounded to whole levels, halves of a level upwards.
        part = np.floor((part[::2, ::2] + part[1::2, ::2] + part[::2, 1::2] + part[1::2, 1::2]) / 4 + 0.5)
    x0, x1 = (round((x - region.left) * size / region.side) for x in (left, right))
    y0, y1 = (round((y - region.top) * size / region.side) for y in (top, bottom))
    canvas = np.zeros((size, size, 3))
    canvas[y0:y1, x0:x1] = stretched(stretched(part, y1 - y0).swapaxes(0, 1), x1 - x0).swapaxes(0, 1)
    return canvas


def stretched(rows: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Rows between rows, by linear interpolation from middle to middle."""
    places = np.clip((np.arange(count) + 0.5) * len(rows) / count - 0.5, 0, len(rows) - 1)
    first = np.minimum(places.astype(int), len(rows) - 2)
    share = (places - first)[:, np.newaxis, np.newaxis]
    return np.asarray(rows[first] * (1 - share) + rows[first + 1] * share)


@pytest.mark.parametrize("name", PHOTOS)
def test_the_landmarks_lie_as_in_a_face(sparse: BlazeFace, name: str) -> None:
    image = photo(name)
    (face,) = sparse.find(image, Region.whole(image), 0.6)
    right_eye, left_eye, nose, mouth, right_ear, left_ear = face.landmarks
    assert right_ear[0] < right_eye[0] < left_eye[0] < left_ear[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < mouth[1]
    assert face.box.left < nose[0] < face.box.right
    assert face.box.top < nose[1] < face.box.bottom
    assert face.landmarks.dtype == np.float32
    assert face.landmarks.shape == (6, 2)


def test_both_models_find_the_same_face(short: BlazeFace, sparse: BlazeFace) -> None:
    image = photo("astronaut")
    (near,) = short.find(image, Region(100, 0, 256), 0.6)
    (far,) = sparse.find(image, Region.whole(image), 0.6)
    assert near.box.iou(far.box) > 0.75
    assert near.landmarks == pytest.approx(far.landmarks, abs=0.12 * near.box.height)


def test_a_region_gives_the_pictures_own_pixels(short: BlazeFace) -> None:
    image = scene("obama", 200, 100, 300)
    region = Region(190, 80, 250)
    (one,) = short.find(image, region, 0.6)
    moved = np.roll(image, (37, 53), axis=(0, 1))
    (other,) = short.find(moved, Region(region.left + 53, region.top + 37, region.side), 0.6)
    assert other.box == pytest.approx(one.box.moved(53, 37), abs=0.01)


def test_a_region_over_the_edge_is_black_beyond(short: BlazeFace) -> None:
    image = scene("obama", 0, 0, 300)
    framed = np.zeros((780, 940, 3), np.uint8)
    framed[100:580, 100:740] = image
    (one,) = short.find(image, Region(-60, -40, 300), 0.5)
    (other,) = short.find(framed, Region(40, 60, 300), 0.5)
    assert other.box.moved(-100, -100).iou(one.box) > 0.95


@pytest.mark.parametrize("region", [Region(0, 0, 300), Region(30, 20, 203), Region(100, 60, 400), Region(0, -80, 640)])
def test_a_region_is_drawn_without_a_bias(region: Region) -> None:
    """Pixels rounded down, as plain linear interpolation rounds them on x86-64 only, moved landmarks by 4 pixels."""
    picture = smooth(480, 640)
    canvas = np.empty((1, 128, 128, 3), np.float32)
    _draw(picture, region, canvas)
    off = (canvas[0] + 1) * 127.5 - drawn_in_floats(picture, region, 128)
    assert abs(off.mean()) < 0.01
    assert np.abs(off).max() < 1


@pytest.mark.parametrize("region", [Region(-500, -500, 100), Region(9000, 0, 50), Region(639.9, 479.9, 300)])
def test_a_region_outside_has_no_face(short: BlazeFace, region: Region) -> None:
    assert short.find(photo("obama"), region, 0.5) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 640), (480, 1), (3, 2)])
def test_tiny_pictures_are_survived(detector: Detector, shape: tuple[int, int]) -> None:
    image = np.zeros((*shape, 3), np.uint8)
    for look in range(5):
        assert at_turn(detector, image, look, [Box(0, 0, 1, 1), Box(-5, -5, -5, -5)]) == []


def test_a_read_only_picture_is_enough(detector: Detector) -> None:
    image = photo("obama")
    image.flags.writeable = False
    assert len(at_turn(detector, image)) == 1


@pytest.mark.parametrize("name", PHOTOS)
def test_a_near_face_is_found_by_the_first_look(detector: Detector, name: str) -> None:
    (face,) = at_turn(detector, photo(name))
    assert face.score > 0.6


def test_a_far_face_is_found_within_one_round_and_kept(detector: Detector) -> None:
    image = scene("obama", 400, 250, 170)
    looks = [at_turn(detector, image, look) for look in range(4)]
    first = next(found for found in looks if found)
    assert 35 < first[0].box.height < 55
    for look in range(4):
        (again,) = at_turn(detector, image, look, [first[0].box])
        assert again.box.iou(first[0].box) > 0.7


def test_the_box_is_the_same_from_every_look(detector: Detector) -> None:
    image = scene("astronaut", 150, 20, 440)
    boxes = [d.box for look in range(4) for d in at_turn(detector, image, look)]
    assert len(boxes) >= 2
    known = [d.box for look in range(4) for d in at_turn(detector, image, look, boxes[:1])]
    assert len(known) == 4
    for box in known:
        assert box.height == pytest.approx(boxes[0].height, rel=0.12)
        assert box.iou(boxes[0]) > 0.75


def test_two_faces_are_both_found(detector: Detector) -> None:
    image = scene("obama", 20, 20, 400)
    image[:, 320:] = scene("biden", 330, 20, 440)[:, 320:]
    found = at_turn(detector, image)
    assert len(found) == 2
    assert found[0].score >= found[1].score
    assert found[0].box.iou(found[1].box) == 0


def test_no_face_is_found_where_none_is(detector: Detector) -> None:
    rng = np.random.default_rng(1)
    for image in (np.zeros((480, 640, 3), np.uint8), rng.integers(0, 256, (480, 640, 3), np.uint8)):
        known = [Box(100, 100, 160, 160)]
        assert all(at_turn(detector, image, look, known) == [] for look in range(4))


def test_known_boxes_by_the_dozen_cost_no_more_than_the_cap(detector: Detector) -> None:
    image = scene("obama", 400, 250, 170)
    known = [Box(x, y, x + 40, y + 40) for x in range(0, 600, 50) for y in range(0, 440, 50)]
    for look in range(4):
        found = at_turn(detector, image, look, known)
        assert len(found) <= 1


def test_the_same_look_gives_the_same_faces(detector: Detector) -> None:
    image = scene("biden", 60, 10, 430)
    one, other = (at_turn(detector, image, 2, []) for _ in range(2))
    assert [d.box for d in one] == [d.box for d in other]
    assert [d.score for d in one] == [d.score for d in other]


def test_merge_keeps_the_best_of_each_face() -> None:
    whole = Detection(Box(0, 0, 100, 100), 0.9, NO_LANDMARKS)
    part = Detection(Box(60, 0, 100, 100), 0.8, NO_LANDMARKS)
    other = Detection(Box(90, 0, 190, 100), 0.95, NO_LANDMARKS)
    assert merge([part, whole, other]) == [other, whole]


@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(80, 1500))
def test_tiles_cover_the_picture_and_overlap(width: int, height: int, side: int) -> None:
    tiles = grid(width, height, side)
    if max(width, height) <= side:
        assert tiles == ()
        return
    across = sorted({tile.left for tile in tiles})
    down = sorted({tile.top for tile in tiles})
    assert len(tiles) == len(across) * len(down)
    for starts, length in ((across, width), (down, height)):
        real = tiles[0].width
        assert real <= side
        assert starts[0] <= 0
        assert starts[-1] + real >= length
        assert all(b - a <= 0.75 * real + 1 for a, b in itertools.pairwise(starts))


def test_where_nothing_is_asked_nothing_is_looked_at(detector: Detector) -> None:
    image = photo("obama")
    assert detector.detect(image, DetectionRequest(())) == []
    (face,) = at_turn(detector, image)
    assert detector.detect(image, DetectionRequest((), known=(face.box,))) == []
    assert len(detector.detect(image, DetectionRequest((), glance=True))) == 1
    assert len(detector.detect(image, DetectionRequest((), asked=(face.box,)))) == 1


@pytest.mark.parametrize("wrong", [{"smallest_face": 1}, {"tiles_per_frame": -1}, {"smallest_face": 1.5}, {"speed": 3}])
def test_wrong_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        BlazefaceDetector.model_validate(wrong)


def test_settings_load_nothing_heavy() -> None:
    code = (
        "import sys, edgeface.faces.detectors as d; "
        "heavy = {'cv2', 'ai_edge_litert', 'tflite_runtime', 'mediapipe'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
