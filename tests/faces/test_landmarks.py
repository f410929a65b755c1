"""O-Net's landmarks."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from edgeface.core.types import Box, Detection, Image
from edgeface.faces.embedder import align, open_embedder
from edgeface.faces.landmarks import Onet
from tests.faces.test_crop_refiner import whole
from tests.support.photos import PHOTOS, photo

FIVE = [0, 1, 2, 6, 7]


@pytest.fixture(scope="module")
def onet() -> Onet:
    return Onet()


def located(onet: Onet, image: Image, face: Detection) -> Detection:
    found = onet.locate(image, face)
    assert found is not None
    return found


@pytest.mark.parametrize("name", PHOTOS)
def test_the_points_lie_as_in_a_face(onet: Onet, name: str) -> None:
    points = located(onet, photo(name), whole(name)).landmarks
    right, left, nose, mouth, _, _, right_corner, left_corner = points
    assert points.shape == (8, 2)
    assert points.dtype == np.float32
    assert right[0] < nose[0] < left[0]
    assert right_corner[0] < left_corner[0]
    assert max(right[1], left[1]) < nose[1] < min(right_corner[1], left_corner[1])
    assert mouth == pytest.approx((right_corner + left_corner) / 2)


@pytest.mark.parametrize("name", PHOTOS)
def test_score_and_ears_are_the_detectors_and_the_box_is_nearly(onet: Onet, name: str) -> None:
    face = whole(name)
    found = located(onet, photo(name), face)
    assert found.score == face.score
    assert found.box.iou(face.box) > 0.7
    assert (found.landmarks[4:6] == face.landmarks[4:6]).all()
    eyes = float(np.hypot(*(face.landmarks[0] - face.landmarks[1])))
    assert np.abs(found.landmarks[:4] - face.landmarks[:4]).max() < 0.25 * eyes


@pytest.mark.parametrize("name", PHOTOS)
def test_a_detector_without_landmarks_is_enough(onet: Onet, name: str) -> None:
    face = whole(name)
    bare = Detection(face.box, face.score, np.full((6, 2), np.nan, np.float32))
    found, exact = located(onet, photo(name), bare), located(onet, photo(name), face)
    eyes = float(np.hypot(*(exact.landmarks[0] - exact.landmarks[1])))
    assert np.abs(found.landmarks[FIVE] - exact.landmarks[FIVE]).max() < 0.15 * eyes


@pytest.mark.parametrize("degrees", [-25, 25])
def test_the_points_turn_with_the_face(onet: Onet, degrees: float) -> None:
    image, face = photo("obama"), whole("obama")
    upright = located(onet, image, face).landmarks[FIVE]
    matrix = cv2.getRotationMatrix2D(face.box.centre, degrees, 1.0)
    size = (image.shape[1], image.shape[0])
    landmarks = (face.landmarks @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    turned = Detection(face.box, face.score, landmarks)
    found = located(onet, np.asarray(cv2.warpAffine(image, matrix, size), np.uint8), turned).landmarks[FIVE]
    eyes = float(np.hypot(*(upright[0] - upright[1])))
    assert np.abs(found - (upright @ matrix[:, :2].T + matrix[:, 2])).max() < 0.12 * eyes


@pytest.mark.parametrize("height", [50, 90, 400])
def test_a_face_is_the_same_at_every_size(onet: Onet, height: int) -> None:
    embedder = open_embedder()
    image, face = photo("obama"), whole("obama")
    scale = height / face.box.height
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=how), np.uint8)
    one = embedder.embed(align(image, located(onet, image, face).landmarks))
    scaled = located(onet, resized, face.placed(scale))
    assert float(one @ embedder.embed(align(resized, scaled.landmarks))) > 0.85


@pytest.mark.parametrize("box", [Box(50, 50, 150, 150), Box(5, 5, 5, 90), Box(-500, -500, -400, -400)])
def test_there_is_nothing_where_no_face_is(onet: Onet, box: Box) -> None:
    wall = np.random.default_rng(0).integers(60, 120, (200, 200, 3), np.uint8)
    assert onet.locate(wall, Detection(box, 0.9, np.zeros((6, 2), np.float32))) is None


def test_a_face_at_the_edge_has_finite_points(onet: Onet) -> None:
    image, face = photo("obama"), whole("obama")
    cut = np.ascontiguousarray(image[int(face.box.top) :, int(face.box.left) :])
    found = onet.locate(cut, face.placed(1.0, -int(face.box.left), -int(face.box.top)))
    assert found is None or all(math.isfinite(n) for n in found.landmarks.ravel())
