from __future__ import annotations

import builtins
import json
import sys
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydantic import ValidationError

from edgeface.cameras.picamera import PicameraCamera
from edgeface.core.errors import CameraError
from tests.support import picamera_fake as fake

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edgeface.core.types import CameraImage

RECORDED = Path(__file__).parents[1] / "data" / "picamera2.json"
RED, GREEN, BLUE, GRAY = (200, 30, 30), (30, 200, 30), (30, 30, 200), (90, 90, 90)
UPRIGHT = (RED, GREEN, BLUE, GRAY)
"""The scene's corners: top left, top right, bottom left, bottom right."""


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Iterator[fake.Board]:
    scene = np.zeros((360, 640, 3), np.uint8)
    halves = (slice(0, 180), slice(0, 320)), (slice(180, 360), slice(320, 640))
    for number, colour in enumerate(UPRIGHT):
        scene[halves[number // 2][0], halves[number % 2][1]] = colour
    made = fake.Board(scene=scene)
    monkeypatch.setattr(fake, "BOARD", made)
    for name, module in fake.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    yield made
    assert made.requests == 0, "every request goes back"
    assert made.closed == made.opened


def camera(**keys: Any) -> PicameraCamera:
    return PicameraCamera.model_validate({"type": "picamera", **keys})


def first(count: int = 1, **keys: Any) -> list[CameraImage]:
    pictures = camera(**keys).images()
    seen = list(islice(pictures, count))
    pictures.close()
    return seen


def corners(picture: CameraImage) -> tuple[tuple[int, ...], ...]:
    """The nearest of the four colours at each corner."""
    height, width = picture.image.shape[:2]
    spots = [(height // 4, width // 4), (height // 4, width * 3 // 4), (height * 3 // 4, width // 4)]
    spots.append((height * 3 // 4, width * 3 // 4))
    return tuple(nearest(picture.image[spot].astype(int)) for spot in spots)


def nearest(pixel: NDArray[Any]) -> tuple[int, ...]:
    return min(UPRIGHT, key=lambda colour: float(np.abs(pixel - colour).sum()))


def test_the_fake_has_the_signatures_of_picamera2() -> None:
    recorded = json.loads(RECORDED.read_text())
    assert recorded["picamera2"] == "0.3.38"
    assert fake.signatures(Path(fake.__file__)) == recorded["signatures"]
    called = {f"{name}.{method}" for name, methods in fake.CALLED.items() for method in methods}
    assert set(recorded["signatures"]) == called


def test_the_main_stream_is_looked_at_when_no_size_is_asked_for(board: fake.Board) -> None:
    pictures = first(4, main=[640, 360])
    assert {p.image.shape for p in pictures} == {(360, 640, 3)}
    assert corners(pictures[0]) == UPRIGHT
    assert board.configuration["lores"] is None
    assert board.configuration["main"]["format"] == "RGB888"
    stamps = [p.timestamp for p in pictures if p.timestamp is not None]
    assert [b - a for a, b in pairwise(stamps)] == pytest.approx([0.033333] * 3)


def test_the_second_stream_is_looked_at_when_size_is_smaller(board: fake.Board) -> None:
    # 500 is not a multiple of 64, so rows are padded.
    picture = first(main=[640, 360], size=[500, 280])[0]
    assert picture.image.shape == (280, 500, 3)
    assert corners(picture) == UPRIGHT
    assert np.abs(picture.image[70, 499].astype(int) - GREEN).max() < 12
    assert board.configuration["lores"]["size"] == (500, 280)
    assert not board.configuration["queue"]
    assert board.configuration["raw"] is None


@pytest.mark.parametrize("size", [[640, 360], [1280, 720], [501, 281], [720, 300]])
def test_any_size_is_given_as_asked(board: fake.Board, size: list[int]) -> None:
    picture = first(main=[640, 360], size=size)[0]
    assert picture.image.shape == (size[1], size[0], 3)
    assert corners(picture) == UPRIGHT
    assert (board.configuration["lores"] is None) == (size[0] >= 640)


@pytest.mark.parametrize("size", [None, [400, 224]])
@pytest.mark.parametrize(
    ("rotation", "flip", "expected"),
    [
        (0, "horizontal", (GREEN, RED, GRAY, BLUE)),
        (0, "vertical", (BLUE, GRAY, RED, GREEN)),
        (180, "none", (GRAY, BLUE, GREEN, RED)),
        (180, "horizontal", (BLUE, GRAY, RED, GREEN)),
        (180, "vertical", (GREEN, RED, GRAY, BLUE)),
        (90, "none", (BLUE, RED, GRAY, GREEN)),
        (270, "none", (GREEN, GRAY, RED, BLUE)),
        (90, "horizontal", (RED, BLUE, GREEN, GRAY)),
    ],
)
def test_pictures_are_turned_and_flipped_once(
    board: fake.Board, size: Any, rotation: int, flip: str, expected: tuple[Any, ...]
) -> None:
    turned = size[::-1] if size and rotation in {90, 270} else size
    picture = first(main=[640, 360], size=turned, rotation=rotation, flip=flip)[0]
    assert corners(picture) == expected
    shape = tuple(size[::-1]) if size else (360, 640)
    assert picture.image.shape[:2] == (shape[::-1] if rotation in {90, 270} else shape)
    assert board.configuration["transform"].hflip is (rotation == 180) ^ (flip == "horizontal") or rotation in {90, 270}


def test_exposure_gain_and_rate_are_asked_of_the_camera(board: fake.Board) -> None:
    first(exposure=8000, gain=2.0, fps=20)
    assert board.configuration["controls"] == {
        "ExposureTime": 8000,
        "AnalogueGain": 2.0,
        "FrameRate": 20.0,
        "AfMode": 2,
    }
    first(exposure=100_000)
    assert board.configuration["controls"] == {"ExposureTime": 100_000, "FrameRate": 10.0, "AfMode": 2}


def test_a_camera_without_those_controls(board: fake.Board) -> None:
    board.controls = ()
    assert len(first(3, fps=30)) == 3
    assert board.configuration["controls"] == {}
    with pytest.raises(CameraError, match="has no AnalogueGain"):
        first(gain=2.0)


def test_pictures_come_thinned_out_where_the_camera_cannot(board: fake.Board) -> None:
    board.controls, board.period = (), 0.01
    stamps = [p.timestamp for p in first(6, fps=20) if p.timestamp is not None]
    assert stamps[-1] - stamps[0] > 5 * 3 * 0.0333, "four of five are let go"


def test_a_loose_cable_is_an_error_after_the_timeout_and_the_camera_is_closed(board: fake.Board) -> None:
    board.pictures = 3
    pictures = camera(read_timeout=0.05).images()
    with pytest.raises(CameraError, match=r"Pi camera 0 delivers no image for 0\.05 s: is its cable loose\?"):
        list(pictures)
    assert board.closed == 1


@pytest.mark.parametrize(
    ("keys", "there", "says"),
    [
        ({"number": 1}, {}, "Pi camera 1 does not exist"),
        ({}, {"cameras": 0}, "Pi camera 0 does not exist"),
        ({}, {"busy": True}, "is another program using it"),
    ],
)
def test_a_camera_that_cannot_be_opened(board: fake.Board, keys: Any, there: Any, says: str) -> None:
    for name, value in there.items():
        setattr(board, name, value)
    with pytest.raises(CameraError, match=says):
        first(**keys)
    assert board.opened == 0


def test_a_usb_camera_behind_libcamera_is_sent_to_its_own_type(board: fake.Board) -> None:
    board.adjusted = "YUYV"
    with pytest.raises(CameraError, match="gives YUYV; if it is a USB camera, its type is opencv"):
        first()


def test_opening_again_and_again_leaves_nothing_open(board: fake.Board) -> None:
    for _ in range(20):
        first(2)
    assert (board.opened, board.closed, board.requests) == (20, 20, 0)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            ImportError("No module named 'picamera2'"),
            "sudo apt install python3-picamera2, in a venv made with",
        ),
        (ValueError("numpy.dtype size changed, may indicate binary incompatibility"), "numpy<2"),
    ],
)
def test_a_missing_or_misfit_package_is_said_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, error: Exception, says: str
) -> None:
    monkeypatch.delitem(sys.modules, "picamera2", raising=False)

    class Refuses:
        def find_spec(self, name: str, *_: object) -> None:
            if builtins.str(name) == "picamera2":
                raise error

    monkeypatch.setattr(sys, "meta_path", [Refuses(), *sys.meta_path])
    with pytest.raises(CameraError, match=says):
        first()


@pytest.mark.parametrize(
    "keys",
    [
        {"number": 8},
        {"main": [641, 360]},
        {"main": [32, 32]},
        {"exposure": 1},
        {"gain": 0.5},
        {"buffers": 1},
        {"exposure": 50_000, "fps": 30},
        {"exposure": 1.5},
        {"source": 0},
    ],
)
def test_wrong_settings_are_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        camera(**keys)
