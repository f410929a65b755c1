from __future__ import annotations

import math
from itertools import combinations, product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgeface.core.errors import ModelError
from edgeface.faces.blazeface import BlazeFace, Region
from edgeface.faces.embedder import SIZE, TEMPLATE, Mobilefacenet, align, open_embedder, similarity
from edgeface.faces.tflite import EMBEDDER, FOLDER, SHORT_RANGE, open_shipped
from edgeface.imaging.opencv import cv2

if TYPE_CHECKING:
    from edgeface.core.types import Embedding, Image

PHOTOS = Path(__file__).parents[1] / "data"
SHAPE = (SIZE, SIZE, 3)
EIGHT = np.vstack([TEMPLATE[:3], TEMPLATE[3:].mean(axis=0, keepdims=True), np.full((2, 2), np.nan), TEMPLATE[3:]])


@pytest.fixture(scope="module")
def embedder() -> Mobilefacenet:
    return open_embedder()


@pytest.fixture(scope="module")
def embeddings(embedder: Mobilefacenet) -> dict[str, Embedding]:
    names = ("obama", "obama2", "obama3", "biden", "astronaut")
    return {name: embedder.embed(_crop(PHOTOS / f"{name}.jpg")) for name in names}


def _crop(path: Path) -> Image:
    read = cv2.imread(str(path))
    assert read is not None
    image = np.ascontiguousarray(read[:, :, ::-1]).astype(np.uint8)
    best = BlazeFace.short_range().find(image, Region.whole(image), 0.5)[0]
    close = BlazeFace.short_range().locate(image, best.box)
    assert close is not None
    return align(image, close.landmarks)


def test_photos_of_one_person_score_above_photos_of_others(embeddings: dict[str, Embedding]) -> None:
    obama, others = ("obama", "obama2", "obama3"), ("biden", "astronaut")
    genuine = [float(embeddings[a] @ embeddings[b]) for a, b in combinations(obama, 2)]
    impostor = [float(embeddings[a] @ embeddings[b]) for a, b in product(obama, others)]
    assert min(genuine) > 0.5
    assert max(impostor) < 0.35


def test_a_mirrored_face_stays_the_same_person(embedder: Mobilefacenet) -> None:
    crop = _crop(PHOTOS / "obama.jpg")
    assert float(embedder.embed(crop) @ embedder.embed(np.ascontiguousarray(crop[:, ::-1]))) > 0.8


def test_red_and_blue_are_not_exchanged(embedder: Mobilefacenet, embeddings: dict[str, Embedding]) -> None:
    right = embedder.embed(_crop(PHOTOS / "biden.jpg"))
    wrong = embedder.embed(_crop(PHOTOS / "biden.jpg")[:, :, ::-1])
    assert float(right @ embeddings["biden"]) > 0.9999
    assert float(wrong @ embeddings["biden"]) < 0.99


@settings(max_examples=20)
@given(crop=hnp.arrays(np.uint8, SHAPE, elements=st.integers(0, 255)))
def test_every_crop_gives_a_unit_vector_and_the_same_one_twice(crop: Image) -> None:
    embedder = _shared()
    first, second = embedder.embed(crop), embedder.embed(crop)
    assert first.dtype == np.float32
    assert first.shape == EMBEDDER.outputs[0][1:]
    assert np.linalg.norm(first) == pytest.approx(1, abs=1e-5)
    np.testing.assert_array_equal(first, second)


def _shared() -> Mobilefacenet:
    if not _OPENED:
        _OPENED.append(open_embedder())
    return _OPENED[0]


_OPENED: list[Mobilefacenet] = []


def test_the_crop_is_left_as_it_was(embedder: Mobilefacenet) -> None:
    crop = np.full(SHAPE, 90, np.uint8)
    crop.flags.writeable = False
    embedder.embed(crop)
    assert (crop == 90).all()


def test_an_embedding_is_not_overwritten_by_the_next(embedder: Mobilefacenet) -> None:
    first = embedder.embed(np.zeros(SHAPE, np.uint8))
    kept = first.copy()
    embedder.embed(np.full(SHAPE, 255, np.uint8))
    np.testing.assert_array_equal(first, kept)


def test_the_name_carries_the_models_hash(embedder: Mobilefacenet) -> None:
    assert embedder.name == f"mobilefacenet-int8:{EMBEDDER.sha256[:8]}"


@pytest.mark.parametrize("shape", [(SIZE, SIZE), (SIZE, SIZE, 4), (96, 112, 3), (0, 0, 3)])
def test_a_crop_of_another_shape_is_a_mistake(embedder: Mobilefacenet, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="112 x 112 x 3"):
        embedder.embed(np.zeros(shape, np.uint8))


def test_a_model_of_another_shape_is_refused() -> None:
    with pytest.raises(ModelError, match="an embedder has"):
        Mobilefacenet(open_shipped(SHORT_RANGE))
    with pytest.raises(ModelError, match="an embedder has"):
        open_embedder(FOLDER / SHORT_RANGE.file)


def test_another_file_is_named_after_itself(tmp_path: Path) -> None:
    (tmp_path / "my_model.tflite").write_bytes((FOLDER / EMBEDDER.file).read_bytes())
    assert open_embedder(tmp_path / "my_model.tflite").name == f"my-model:{EMBEDDER.sha256[:8]}"


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
