"""O-Net's landmarks."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from edgeface.align import align
from edgeface.embedder import open_embedder
from edgeface.onet import Onet
from edgeface.types import Box, Detection, Image
from tests.photos import PHOTOS, photo
from tests.test_landmarks import whole

FIVE = [0, 1, 2, 6, 7]


@pytest.fixture(scope="module")
def onet() -> Onet:
    return Onet()


def located(onet: Onet, image: Image, box: Box) -> Detection:
    found = onet.locate(image, box)
    assert found is not None
    return found


@pytest.mark.parametrize("name", PHOTOS)
def test_the_points_lie_as_in_a_face(onet: Onet, name: str) -> None:
    points = located(onet, photo(name), whole(name).box).landmarks
    right, left, nose, mouth, _, _, right_corner, left_corner = points
    assert points.shape == (8, 2)
    assert points.dtype == np.float32
    assert right[0] < nose[0] < left[0]
    assert right_corner[0] < left_corner[0]
    assert max(right[1], left[1]) < nose[1] < min(right_corner[1], left_corner[1])
    assert mouth == pytest.approx((right_corner + left_corner) / 2)


@pytest.mark.parametrize("name", PHOTOS)
def test_box_score_and_ears_are_those_of_the_closer_look(onet: Onet, name: str) -> None:
    box = whole(name).box
    close = onet._look.locate(photo(name), box)
    found = located(onet, photo(name), box)
    assert close is not None
    assert (found.box, found.score) == (close.box, close.score)
    assert (found.landmarks[4:6] == close.landmarks[4:6]).all()
    eyes = float(np.hypot(*(close.landmarks[0] - close.landmarks[1])))
    assert np.abs(found.landmarks[:4] - close.landmarks[:4]).max() < 0.25 * eyes


@pytest.mark.parametrize("degrees", [-25, 25])
def test_the_points_turn_with_the_face(onet: Onet, degrees: float) -> None:
    image, box = photo("obama"), whole("obama").box
    upright = located(onet, image, box).landmarks[FIVE]
    matrix = cv2.getRotationMatrix2D(box.centre, degrees, 1.0)
    size = (image.shape[1], image.shape[0])
    turned = located(onet, np.asarray(cv2.warpAffine(image, matrix, size), np.uint8), box).landmarks[FIVE]
    eyes = float(np.hypot(*(upright[0] - upright[1])))
    assert np.abs(turned - (upright @ matrix[:, :2].T + matrix[:, 2])).max() < 0.12 * eyes


@pytest.mark.parametrize("height", [50, 90, 400])
def test_a_face_is_the_same_at_every_size(onet: Onet, height: int) -> None:
    embedder = open_embedder()
    image, box = photo("obama"), whole("obama").box
    scale = height / box.height
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=how), np.uint8)
    one = embedder.embed(align(image, located(onet, image, box).landmarks))
    scaled = located(onet, resized, Box(*(side * scale for side in box)))
    assert float(one @ embedder.embed(align(resized, scaled.landmarks))) > 0.85


def test_there_is_nothing_where_the_closer_look_sees_nothing(onet: Onet) -> None:
    assert onet.locate(np.full((200, 200, 3), 90, np.uint8), Box(50, 50, 150, 150)) is None
    assert onet.locate(photo("obama"), Box(5, 5, 5, 90)) is None


def test_a_face_at_the_edge_has_finite_points(onet: Onet) -> None:
    image, box = photo("obama"), whole("obama").box
    cut = np.ascontiguousarray(image[int(box.top) :, int(box.left) :])
    found = onet.locate(cut, Box(0, 0, box.width, box.height))
    assert found is None or all(math.isfinite(n) for n in found.landmarks.ravel())
