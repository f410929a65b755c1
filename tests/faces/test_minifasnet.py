"""MiniFASNet: what its networks see of a picture, and which files it takes."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeface.cli import main
from edgeface.config import loader
from edgeface.core.errors import ConfigError, ModelError
from edgeface.core.types import Box, Detection, Frame, Image, Look
from edgeface.faces.analyzer import FaceAnalyzer
from edgeface.faces.detectors import DEFAULT_DETECTOR
from edgeface.faces.liveness import minifasnet
from edgeface.faces.liveness.minifasnet import NEAR, WIDE, MinifasnetLiveness, crop
from edgeface.faces.models import store
from edgeface.faces.models.known import KNOWN
from edgeface.faces.protocols import DetectionRequest
from edgeface.faces.settings import EmbedderSettings, QualityLimits
from tests.support.photos import on_a_phone, photo

# The folder of the two .pth files that a user downloads (docs/liveness.md).
WEIGHTS = os.environ.get("EDGEFACE_MODELS")
GREY = np.full((480, 640, 3), 90, np.uint8)


def framed(image: Image) -> Frame:
    return Frame("porch", 0, 0.0, 0.0, image)


def face(left: float, top: float, side: float) -> Detection:
    return Detection(Box(left, top, left + side, top + side), 0.9, np.zeros((8, 2), np.float32))


@pytest.mark.parametrize(
    ("box", "size", "scale", "expected", "reached"),
    [
        # Side 105, centre (320, 240) less 4.7 upwards: 283.5 pixels around it.
        (Box(270, 190, 370, 290), (640, 480), NEAR, (178, 93, 462, 378), NEAR),
        (Box(270, 190, 370, 290), (640, 480), WIDE, (110, 25, 531, 446), WIDE),
        # Over the left edge: moved to the right, as large as before.
        (Box(10, 190, 110, 290), (640, 480), NEAR, (0, 93, 284, 378), NEAR),
        # Over the lower right corner.
        (Box(530, 370, 630, 470), (640, 480), NEAR, (355, 195, 640, 480), NEAR),
        # Too large for the picture: as large as that is.
        (Box(220, 140, 420, 340), (640, 480), NEAR, (80, 0, 560, 480), 479 / 210),
    ],
    ids=["near", "wide", "left edge", "corner", "too large"],
)
def test_the_crop_is_where_the_networks_were_trained_to_see_the_face(
    box: Box, size: tuple[int, int], scale: float, expected: tuple[int, ...], reached: float
) -> None:
    found = crop(box, *size, scale)
    assert tuple(found[:4]) == pytest.approx(expected, abs=1)
    assert found.scale == pytest.approx(reached)


@pytest.mark.parametrize("side", [20.0, 100.0, 300.0, 479.0])
@pytest.mark.parametrize("left", [-40.0, 0.0, 300.0, 620.0])
def test_a_crop_is_inside_the_picture_and_square(side: float, left: float) -> None:
    for scale in (NEAR, WIDE):
        found = crop(Box(left, left / 2, left + side, left / 2 + side), 640, 480, scale)
        assert 0 <= found.left < found.right <= 640
        assert 0 <= found.top < found.bottom <= 480
        assert abs((found.right - found.left) - (found.bottom - found.top)) <= 1


@pytest.mark.parametrize(
    ("side", "sharpness", "reason"), [(360.0, 0.9, "close"), (360.0, 0.1, "close"), (100.0, 0.69, "blurred")]
)
def test_a_frame_that_is_not_fit_gives_the_reason(side: float, sharpness: float, reason: str) -> None:
    never = minifasnet.Minifasnet(None, None)  # type: ignore[arg-type]
    assert never.look(framed(GREY), face(100, 60, side), sharpness) == reason


def test_a_section_without_its_files_is_a_mistake_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "wide.tflite").write_bytes(b"TFL3")
    config = section(tmp_path / "c.yaml", tmp_path / "near.tflite", tmp_path / "wide.tflite")
    with pytest.raises(ConfigError) as caught:
        loader.load(config, files=True)
    near, wide = str(caught.value).splitlines()
    assert near.startswith(f"{config}:4: liveness.near: ")
    assert "cannot be read (No such file or directory)" in near
    assert "edgeface models add FOLDER/2.7_80x80_MiniFASNetV2.pth" in near
    assert wide.startswith(f"{config}:5: liveness.wide: ")
    assert "SHA-256 is" in wide


def test_neither_check_nor_the_daemon_goes_on_with_a_wrong_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"\x80\x02cos\nsystem\n")
    config = section(tmp_path / "c.yaml", weights, weights)
    for command in ("check", "run"):
        assert main.main([command, "--config", str(config)]) == 78
        near, wide = capsys.readouterr().err.splitlines()
        assert near.startswith(f"{config}:4: liveness.near: {weights}: ")
        assert "edgeface models add FOLDER/2.7_80x80_MiniFASNetV2.pth" in near
        assert "edgeface models add FOLDER/4_0_0_80x80_MiniFASNetV1SE.pth" in wide


def test_the_command_that_adds_the_files_runs_while_the_config_names_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = section(tmp_path / "c.yaml", tmp_path / "near.tflite", tmp_path / "wide.tflite")
    assert main.main(["models", "list", "--config", str(config)]) == 0
    assert "minifasnet-v1se: not installed" in capsys.readouterr().out


def test_a_config_that_comes_over_the_network_opens_no_file(tmp_path: Path) -> None:
    config = section(tmp_path / "c.yaml", tmp_path / "near.tflite", tmp_path / "wide.tflite")
    assert loader.parse(config.read_bytes(), "c.yaml").liveness is not None


def section(config: Path, near: Path, wide: Path) -> Path:
    config.write_text(
        f"cameras: {{porch: {{type: opencv, source: 0}}}}\n"
        f"liveness:\n  type: minifasnet\n  near: {near}\n  wide: {wide}\ndata: {config.parent}/data\n"
    )
    return config


def test_a_changed_file_is_never_opened(tmp_path: Path) -> None:
    for name in ("near", "wide"):
        (tmp_path / name).write_bytes(b"\x00\x00\x00\x00TFL3" + bytes(100))
    with pytest.raises(ModelError, match="SHA-256"):
        MinifasnetLiveness(near=tmp_path / "near", wide=tmp_path / "wide").open(DEFAULT_DETECTOR.open())


def test_the_crops_are_those_of_the_detectors_box_and_not_of_the_landmarkers() -> None:
    analyzer = FaceAnalyzer.open(DEFAULT_DETECTOR, EmbedderSettings(), QualityLimits())
    portrait = photo("obama")
    (found,) = analyzer.detect(portrait, DetectionRequest(analyzer.round_robin(portrait, 0)))
    inspected = analyzer.inspect(portrait, found)
    assert inspected is not None
    assert inspected.detection.box != found.box
    assert inspected.detection.found == found.box
    assert inspected.detection.placed(2.0, 3.0, 5.0).found == found.box.placed(2.0, 3.0, 5.0)
    # A face with little room in the detector's box, and enough in the landmarker's.
    near, far = Box(100, 60, 460, 420), Box(200, 160, 360, 320)
    never = minifasnet.Minifasnet(None, None)  # type: ignore[arg-type]
    assert never.look(framed(GREY), Detection(far, 0.9, inspected.detection.landmarks, near), 0.1) == "close"
    assert never.look(framed(GREY), Detection(near, 0.9, inspected.detection.landmarks, far), 0.1) == "blurred"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if WEIGHTS is None:
        pytest.skip("EDGEFACE_MODELS does not name the folder of the two .pth files")
    folder = tmp_path_factory.mktemp("data")
    for model in KNOWN:
        store.add(Path(WEIGHTS) / model.file, folder)
    return folder


def test_the_portrait_on_a_phone_is_no_living_face(data: Path) -> None:
    near, wide = (store.place(data, model) for model in KNOWN)
    opened = MinifasnetLiveness(near=near, wide=wide).open(DEFAULT_DETECTOR.open())
    portrait = photo("obama")
    analyzer = FaceAnalyzer.open(DEFAULT_DETECTOR, EmbedderSettings(), QualityLimits())
    (found,) = analyzer.faces(portrait)
    analyzer = replace(analyzer, liveness=opened)
    living = analyzer.look_at(framed(portrait), found)
    assert isinstance(living, Look)
    assert min(living.scores) > 0.5
    room = on_a_phone(portrait)
    (held,) = analyzer.faces(room)
    shown = analyzer.look_at(framed(room), held)
    assert isinstance(shown, Look)
    assert min(shown.scores) < 0.3
