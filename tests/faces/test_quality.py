from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from edgeface.core.types import Box, Detection, Image
from edgeface.faces.embedder import TEMPLATE
from edgeface.faces.landmarks import Onet
from edgeface.faces.quality import judge, pose
from edgeface.faces.settings import QualityLimits
from tests.faces.test_crop_refiner import whole
from tests.support.photos import PHOTOS, photo

LIMITS = QualityLimits()
FRONTAL = np.vstack([TEMPLATE[:3], TEMPLATE[3:].mean(axis=0, keepdims=True)]).astype(np.float32)


@pytest.fixture(scope="module")
def face() -> Detection:
    found = Onet().locate(photo("obama"), whole("obama"))
    assert found is not None
    return found


def changed(points: np.ndarray, nose: tuple[float, float]) -> np.ndarray:
    moved: np.ndarray = points.copy()
    moved[2] += np.array(nose, np.float32)
    return moved


@pytest.mark.parametrize("name", PHOTOS)
def test_a_portrait_is_good(name: str) -> None:
    found = Onet().locate(photo(name), whole(name))
    assert found is not None
    quality = judge(photo(name), found, LIMITS)
    assert quality.reason is None
    assert quality.height_px == round(found.box.height)
    assert 0 < quality.sharpness < 1
    assert 0 < quality.brightness < 1


def test_a_frontal_face_looks_straight_ahead() -> None:
    yaw, pitch = pose(FRONTAL)
    assert abs(yaw) < 2
    assert abs(pitch) < 2


def test_yaw_and_pitch_follow_the_nose() -> None:
    assert pose(changed(FRONTAL, (8, 0)))[0] > 15
    assert pose(changed(FRONTAL, (-8, 0)))[0] < -15
    assert pose(changed(FRONTAL, (0, -8)))[1] > 15
    assert pose(changed(FRONTAL, (0, 8)))[1] < -15


@pytest.mark.parametrize("degrees", [-30, 30, 120])
def test_a_tilted_head_is_not_a_turned_one(degrees: float) -> None:
    angle = math.radians(degrees)
    turn = 3 * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    turned = (changed(FRONTAL, (5, 3)) @ turn.T + [40, 50]).astype(np.float32)
    assert pose(turned) == pytest.approx(pose(changed(FRONTAL, (5, 3))), abs=0.01)


@pytest.mark.parametrize(
    "points",
    [np.full((6, 2), np.nan), np.zeros((6, 2)), FRONTAL[[1, 0, 2, 3]], FRONTAL[[0, 1, 2, 0]]],
)
def test_points_that_make_no_face_are_turned_away(points: np.ndarray) -> None:
    assert pose(points.astype(np.float32)) == (90.0, 90.0)


def small(image: Image, box: Box) -> tuple[Image, Box]:
    scale = (LIMITS.height - 3) / box.height
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale), np.uint8), Box(*(side * scale for side in box))


def dimmed(image: Image, box: Box) -> tuple[Image, Box]:
    return (image * 0.15).astype(np.uint8), box


def bleached(image: Image, box: Box) -> tuple[Image, Box]:
    return (250 + image * 0.02).astype(np.uint8), box


def smeared(image: Image, box: Box) -> tuple[Image, Box]:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.1 * box.width), np.uint8), box


def cut(image: Image, box: Box) -> tuple[Image, Box]:
    left = int(box.left + box.width / 4)
    return np.ascontiguousarray(image[:, left:]), box.moved(-left, 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [(small, "small"), (dimmed, "dark"), (bleached, "bright"), (smeared, "blurred"), (cut, "cut")],
)
def test_a_face_that_is_of_no_use_is_refused_with_the_reason(face: Detection, change: object, reason: str) -> None:
    assert callable(change)
    image, box = change(photo("obama"), face.box)
    assert judge(image, Detection(box, 0.9, face.landmarks), LIMITS).reason == reason


def test_a_turned_face_is_refused(face: Detection) -> None:
    eyes = float(np.hypot(*(face.landmarks[0] - face.landmarks[1])))
    turned = Detection(face.box, 0.9, changed(face.landmarks, (0.6 * eyes, 0)))
    quality = judge(photo("obama"), turned, LIMITS)
    assert (quality.reason, quality.yaw > LIMITS.yaw) == ("turned", True)


def test_sharpness_falls_as_the_picture_smears(face: Detection) -> None:
    image = photo("obama")
    found = [
        judge(np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8), face, LIMITS).sharpness
        for sigma in (0.5, 2.0, 4.0, 8.0)
    ]
    assert found == sorted(found, reverse=True)
    assert found[0] > 2 * found[-1]


def test_dim_light_alone_does_not_smear(face: Detection) -> None:
    image = photo("obama")
    bright, dim = (judge((image * gain).astype(np.uint8), face, LIMITS) for gain in (1.0, 0.4))
    assert dim.sharpness == pytest.approx(bright.sharpness, abs=0.15)
    assert dim.brightness < bright.brightness


def test_a_box_outside_the_picture_is_cut(face: Detection) -> None:
    away = Detection(Box(-900, -900, -700, -650), 0.9, face.landmarks)
    assert judge(photo("obama"), away, LIMITS).reason == "cut"
