"""The closer look."""

from __future__ import annotations

import numpy as np
import pytest

from edgeface.core.types import Box, Detection
from edgeface.faces.blazeface import BlazeFace, Region
from tests.support.photos import PHOTOS, photo, scene


@pytest.fixture(scope="module")
def closer() -> BlazeFace:
    return BlazeFace.short_range()


def whole(name: str) -> Detection:
    image = photo(name)
    return BlazeFace.full_range_sparse().find(image, Region.whole(image), 0.6)[0]


@pytest.mark.parametrize("name", PHOTOS)
def test_it_finds_the_face_that_the_detector_found(closer: BlazeFace, name: str) -> None:
    rough = whole(name)
    fine = closer.locate(photo(name), rough.box)
    assert fine is not None
    assert fine.box.iou(rough.box) > 0.6
    assert fine.landmarks == pytest.approx(rough.landmarks, abs=0.15 * rough.box.height)


@pytest.mark.parametrize("height", [150, 250, 400])
def test_the_landmarks_scale_with_the_face(closer: BlazeFace, height: int) -> None:
    big, small = photo("obama"), scene("obama", 30, 20, height)
    scale = height / big.shape[0]
    fine = closer.locate(big, whole("obama").box)
    assert fine is not None
    box = Box(*(n * scale for n in fine.box)).moved(30, 20)
    found = closer.locate(small, box)
    assert found is not None
    eyes = np.linalg.norm(found.landmarks[0] - found.landmarks[1])
    assert np.abs(found.landmarks - (fine.landmarks * scale + [30, 20])).max() < 0.12 * eyes


@pytest.mark.parametrize(("dx", "dy", "scale"), [(0.2, 0, 1), (0, 0.2, 1), (-0.15, 0.15, 1), (0, 0, 1.3), (0, 0, 0.8)])
def test_a_rough_box_is_enough(closer: BlazeFace, dx: float, dy: float, scale: float) -> None:
    image, box = photo("astronaut"), whole("astronaut").box
    half = box.height / 2 * scale
    x, y = box.centre
    rough = Box(x - half, y - half, x + half, y + half).moved(dx * box.width, dy * box.height)
    exact, found = closer.locate(image, box), closer.locate(image, rough)
    assert exact is not None
    assert found is not None
    assert found.box.iou(exact.box) > 0.8


def test_a_neighbour_is_not_taken_for_the_face(closer: BlazeFace) -> None:
    box = whole("astronaut").box
    assert closer.locate(photo("astronaut"), box.moved(box.width, 0)) is None


@pytest.mark.parametrize(
    "box", [Box(0, 0, 0, 0), Box(50, 50, 20, 20), Box(-300, -300, -200, -200), Box(0, 0, 1e-3, 1e-3)]
)
def test_an_impossible_box_has_no_face(closer: BlazeFace, box: Box) -> None:
    assert closer.locate(photo("obama"), box) is None


def test_an_empty_wall_has_no_face(closer: BlazeFace) -> None:
    assert closer.locate(np.full((480, 640, 3), 128, np.uint8), Box(200, 200, 300, 300)) is None
