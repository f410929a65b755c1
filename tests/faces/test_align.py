from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.faces.embedder import SIZE, TEMPLATE, align, similarity

EIGHT = np.vstack([TEMPLATE[:3], TEMPLATE[3:].mean(axis=0, keepdims=True), np.full((2, 2), np.nan), TEMPLATE[3:]])


def placed(points: np.ndarray, scale: float, degrees: float, shift: tuple[float, float]) -> np.ndarray:
    angle = math.radians(degrees)
    turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return np.asarray(points @ turn.T + shift, np.float32)


@given(st.floats(0.05, 20), st.floats(-180, 180), st.floats(-500, 500), st.floats(-500, 500))
def test_a_similarity_is_found_again(scale: float, degrees: float, x: float, y: float) -> None:
    points = placed(TEMPLATE, scale, degrees, (x, y)).astype(np.float64)
    matrix = similarity(points, TEMPLATE)
    assert points @ matrix[:, :2].T + matrix[:, 2] == pytest.approx(TEMPLATE, abs=0.05)


def test_a_similarity_never_mirrors() -> None:
    mirrored = TEMPLATE * [-1, 1]
    assert np.linalg.det(similarity(mirrored, TEMPLATE)[:, :2]) >= 0


@pytest.mark.parametrize("landmarks", [EIGHT, EIGHT[:6]])
def test_a_face_that_is_in_place_stays_there(landmarks: np.ndarray) -> None:
    image = np.random.default_rng(1).integers(0, 255, (SIZE, SIZE, 3), np.uint8)
    crop = align(image, landmarks.astype(np.float32))
    assert crop.shape == (SIZE, SIZE, 3)
    assert crop.dtype == np.uint8
    assert np.abs(crop.astype(int) - image).max() <= 2


def test_the_landmarks_come_to_stand_on_the_template() -> None:
    eight = placed(EIGHT, 2.5, 20, (200, 60))
    image = np.zeros((480, 640, 3), np.uint8)
    for x, y in eight[np.isfinite(eight[:, 0])]:
        cv2.circle(image, (round(float(x)), round(float(y))), 5, (255, 255, 255), -1)
    crop = align(image, eight)
    for x, y in TEMPLATE:
        assert crop[round(float(y)), round(float(x))].min() > 200


def test_a_large_face_is_averaged_and_not_skipped_through() -> None:
    noise = np.random.default_rng(2).integers(0, 255, (1200, 1200, 3), np.uint8)
    crop = align(noise, placed(EIGHT, 8, 0, (100, 100)))
    # Of 16 independent pixels the mean spreads a quarter as much as each.
    assert crop.std() < 0.3 * noise.std()


def test_a_large_face_is_cut_where_a_small_one_is() -> None:
    image = np.asarray(cv2.resize(np.eye(16, dtype=np.uint8) * 255, (896, 896), interpolation=cv2.INTER_CUBIC))
    large = np.repeat(image[:, :, np.newaxis], 3, axis=2)
    small = np.asarray(cv2.resize(large, (112, 112), interpolation=cv2.INTER_AREA))
    # Pixels' middles: (x + 0.5) * 8 - 0.5.
    crop = align(large.astype(np.uint8), placed(EIGHT, 8, 0, (3.5, 3.5)))
    assert np.abs(crop.astype(int) - small).mean() < 1.5


def test_what_lies_outside_is_black() -> None:
    white = np.full((SIZE, SIZE, 3), 255, np.uint8)
    crop = align(white, placed(EIGHT, 1, 0, (60, 0)))
    assert crop[:, :45].min() > 250
    assert crop[:, 60:].max() == 0


@pytest.mark.parametrize("value", [math.nan, math.inf, 7.0])
def test_points_that_make_no_face_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="landmarks are"):
        align(np.zeros((9, 9, 3), np.uint8), np.full((8, 2), value, np.float32))
