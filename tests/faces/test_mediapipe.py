"""Our decoding of BlazeFace compared with MediaPipe's."""

from __future__ import annotations

import importlib.util
import itertools
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest

from edgeface.core.errors import ModelError
from edgeface.faces.blazeface import BlazeFace, Region
from edgeface.faces.detectors.mediapipe import MediapipeDetector
from edgeface.imaging.opencv import cv2
from tests.support.photos import PHOTOS, at_turn, scene

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.core.types import Detection, Image

INSTALLED = importlib.util.find_spec("mediapipe") is not None
only_with_mediapipe = pytest.mark.skipif(not INSTALLED, reason="the mediapipe package is not installed")

Name = Literal["short_range", "full_range_sparse"]
INPUTS: dict[Name, int] = {"short_range": 128, "full_range_sparse": 192}


def own(model: Name) -> BlazeFace:
    return BlazeFace.short_range() if model == "short_range" else BlazeFace.full_range_sparse()


def compare(theirs: Sequence[Detection], ours: Sequence[Detection], sure: float) -> list[tuple[Detection, Detection]]:
    """Pairs of the same face, theirs first; each face that one finds with certainty, the other must find too."""
    pairs = [(d, max(ours, key=lambda o: o.box.iou(d.box), default=None)) for d in theirs if d.score > sure]
    pairs += [(max(theirs, key=lambda o: o.box.iou(d.box), default=None), d) for d in ours if d.score > sure]  # type: ignore[misc]
    assert all(one is not None and other is not None for one, other in pairs)
    return pairs  # type: ignore[return-value]


@pytest.mark.needs_mediapipe
@only_with_mediapipe
@pytest.mark.parametrize("model", INPUTS)
def test_same_faces_as_mediapipe_where_nothing_is_resampled(model: Name) -> None:
    oracle, mine, side, faces = (
        MediapipeDetector(type="mediapipe", model=model, score=0.3).open(),
        own(model),
        INPUTS[model],
        0,
    )
    for name, share, place in itertools.product(PHOTOS, (1.0, 0.8, 0.6), ((0, 0), (20, 10))):
        image = scene(name, *place, round(share * side * 3 / 4), side, side * 3 // 4)
        pairs = compare(at_turn(oracle, image), mine.find(image, Region.whole(image), 0.3), sure=0.35)
        for theirs, ours in pairs:
            # Only MediaPipe's whole-pixel boxes differ: by more than a tenth under 20 pixels.
            assert theirs.box == pytest.approx(ours.box, abs=1.01), (name, share, place)
            assert theirs.box.iou(ours.box) >= (0.9 if ours.box.height > 20 else 0.8), (name, share, place)
            assert theirs.score == pytest.approx(ours.score, abs=0.01)
            assert theirs.landmarks == pytest.approx(ours.landmarks, abs=0.05)
        faces += len(pairs) // 2
    assert faces >= 15


def sampled(image: Image, side: int) -> Image:
    """A frame scaled down as MediaPipe does: letterboxed, linear, with a pixel's corner as its centre."""
    region = Region.whole(image)
    scale = region.side / side
    matrix = np.array([[scale, 0, region.left], [0, scale, region.top]])
    return np.asarray(
        cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP), np.uint8
    )


@pytest.mark.needs_mediapipe
@only_with_mediapipe
@pytest.mark.parametrize("height", [480, 400, 300, 200])
def test_same_faces_as_mediapipe_in_camera_frames_sampled_its_way(height: int) -> None:
    oracle, mine, side = MediapipeDetector(type="mediapipe", score=0.3).open(), own("full_range_sparse"), 192
    for name in PHOTOS:
        image = scene(name, 640 - height, 480 - height, height)
        region, small = Region.whole(image), sampled(image, side)
        found = mine.find(small, Region.whole(small), 0.3)
        ours = [face.placed(region.side / side, region.left, region.top) for face in found]
        for theirs, face in compare(at_turn(oracle, image), ours, sure=0.6):
            assert theirs.box.iou(face.box) >= 0.9, name
            assert theirs.score == pytest.approx(face.score, abs=0.01)


@pytest.mark.needs_mediapipe
@only_with_mediapipe
@pytest.mark.parametrize("height", [480, 400])
def test_same_faces_as_mediapipe_in_camera_frames(height: int) -> None:
    # We average pixels where MediaPipe skips them, and use their centres: the two differ by up to half a pixel of the
    # model's input, which is 1.7 pixels of the frame.
    oracle, mine = MediapipeDetector(type="mediapipe", score=0.3).open(), own("full_range_sparse")
    for name in PHOTOS:
        image = scene(name, 640 - height, 480 - height, height)
        pairs = compare(at_turn(oracle, image), mine.find(image, Region.whole(image), 0.3), sure=0.6)
        assert len(pairs) == 2, name
        for theirs, ours in pairs:
            assert theirs.box.iou(ours.box) >= 0.85, name
            assert theirs.score == pytest.approx(ours.score, abs=0.1)
            assert np.abs(theirs.landmarks - ours.landmarks).max() < 0.08 * ours.box.height


@pytest.mark.needs_mediapipe
@only_with_mediapipe
def test_a_frame_without_a_face_has_none() -> None:
    assert at_turn(MediapipeDetector(type="mediapipe").open(), np.full((480, 640, 3), 110, np.uint8)) == []


@pytest.mark.skipif(INSTALLED, reason="the mediapipe package is installed")
def test_without_the_package_it_says_how_to_get_it() -> None:
    with pytest.raises(ModelError, match=r"pip install -e .*\[mediapipe\]"):
        MediapipeDetector(type="mediapipe").open()


def test_settings_say_that_usage_is_reported() -> None:
    assert "reports usage to Google" in (MediapipeDetector.__doc__ or "")
