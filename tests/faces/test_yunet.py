"""OpenCV's YuNet, where there is a model file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from edgeface.core.errors import ModelError
from edgeface.faces.blazeface import BlazeFace, Region
from edgeface.faces.detectors.yunet import YunetDetector
from tests.support.photos import PHOTOS, at_turn, photo, scene

MODEL = os.environ.get("EDGEFACE_YUNET", "")
needs_model = pytest.mark.skipif(not MODEL, reason="EDGEFACE_YUNET names no YuNet model file")


def test_a_missing_file_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.onnx: cannot be read"):
        YunetDetector(type="yunet", model=tmp_path / "none.onnx").open()


@pytest.mark.parametrize("content", [b"", b"\x00" * 1000, b"not a model", b"\x08\x06\x12\x07pytorch" * 50])
def test_a_broken_file_is_a_model_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"broken\.onnx: not a YuNet model"):
        YunetDetector(type="yunet", model=path).open()


def test_a_folder_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        YunetDetector(type="yunet", model=tmp_path).open()


def test_the_model_must_be_named() -> None:
    with pytest.raises(ValidationError):
        YunetDetector.model_validate({"type": "yunet"})


def test_the_path_may_be_text_as_yaml_gives_it() -> None:
    assert YunetDetector.model_validate({"type": "yunet", "model": "/a/b.onnx"}).model == Path("/a/b.onnx")


@needs_model
@pytest.mark.parametrize("name", PHOTOS)
def test_it_finds_the_same_landmarks_as_blazeface(name: str) -> None:
    image = photo(name)
    (face,) = at_turn(YunetDetector(type="yunet", model=Path(MODEL)).open(), image)
    (other,) = BlazeFace.full_range_sparse().find(image, Region.whole(image), 0.6)
    assert face.landmarks.dtype == np.float32
    assert np.isnan(face.landmarks[4:]).all()
    assert face.landmarks[:4] == pytest.approx(other.landmarks[:4], abs=0.2 * other.box.height)
    assert BlazeFace.short_range().locate(image, face.box) is not None


@needs_model
def test_it_takes_frames_of_changing_sizes_and_wide_ones() -> None:
    detector = YunetDetector(type="yunet", model=Path(MODEL), width=320).open()
    for width, height in ((640, 480), (320, 240), (1280, 720), (640, 480)):
        image = scene("obama", width // 4, height // 8, height * 3 // 4, width, height)
        (face,) = at_turn(detector, image)
        assert face.box.left > width / 4
        assert 0 < face.score <= 1
    assert at_turn(detector, np.full((480, 640, 3), 110, np.uint8)) == []
