from __future__ import annotations

import errno
import stat
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgeface.cameras import discovery, gstreamer, v4l2
from edgeface.cameras.gstreamer import GstreamerCamera
from edgeface.cameras.opencv import OpencvCamera
from edgeface.cameras.picamera import PicameraCamera
from edgeface.cameras.replay import ReplayCamera
from edgeface.cli import cameras as cli_cameras
from edgeface.cli import main
from edgeface.imaging.opencv import cv2
from tests.support import picamera_fake as fake
from tests.support.film import picture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CAPTURE, META, M2M, STREAMING, OF_DEVICE = 0x1, 0x800000, 0x4000, 0x4000000, 0x80000000


def capability(driver: str, card: str, device: int, whole: int = OF_DEVICE | CAPTURE) -> bytes:
    return v4l2.CAPABILITY.pack(driver.encode(), card.encode(), b"usb-1", 0x60100, whole, device)


@pytest.fixture
def no_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(v4l2, "nodes", list)
    monkeypatch.setitem(sys.modules, "picamera2", None)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    random = np.random.default_rng(2)
    for number in range(8):
        cv2.imwrite(str(folder / f"{number}.png"), random.integers(0, 256, (48, 64, 3), np.uint8) // 2 + 100)
    return folder


def write(tmp_path: Path, cameras: str) -> Path:
    config = tmp_path / "config.yaml"
    config.write_text(f"data: {tmp_path}\ncameras:\n{cameras}")
    return config


def test_the_cameras_among_the_video_nodes_are_found_by_what_the_kernel_says(tmp_path: Path) -> None:
    answers: dict[str, bytes | OSError] = {
        "video0": capability("uvcvideo", "HD Webcam C920", CAPTURE | STREAMING),
        "video1": capability("uvcvideo", "HD Webcam C920", META | STREAMING),
        "video2": PermissionError(errno.EACCES, "Permission denied"),
        "video10": capability("bcm2835-codec", "decoder", M2M),
        "video13": capability("bcm2835-isp", "isp", CAPTURE),
        "video14": capability("unicam", "unicam", CAPTURE),
        "video20": capability("tegra-video", "vi-output, imx219", CAPTURE),
        "video21": capability("old", "no device caps", 0, CAPTURE),
        "video22": OSError(errno.ENODEV, "No such device"),
    }
    for name in [*answers, "v4l-subdev0"]:
        (tmp_path / name).touch()

    def ask(path: Path) -> bytes:
        answer = answers[path.name]
        if isinstance(answer, OSError):
            raise answer
        return answer

    found = v4l2.nodes(tmp_path, tmp_path, ask)
    assert [(node.path.rpartition("/")[2], node.card, node.type) for node in found] == [
        ("video0", "HD Webcam C920", "opencv"),
        ("video2", "not allowed", "opencv"),
        ("video14", "unicam", "picamera"),
        ("video20", "vi-output, imx219", "gstreamer"),
        ("video21", "no device caps", "opencv"),
        ("video22", "does not answer", "opencv"),
    ]
    assert found[1].problem == "sudo usermod -aG video $USER, then log in again"


def test_a_node_that_is_no_device_does_not_answer(tmp_path: Path) -> None:
    assert v4l2.CAPABILITY.size == v4l2.QUERYCAP >> 16 & 0x3FFF
    (tmp_path / "video0").write_text("a file")
    node = v4l2.nodes(tmp_path, tmp_path)[0]
    assert node.card == "does not answer"
    assert node.problem is not None


@pytest.mark.usefixtures("no_hardware")
def test_a_machine_with_no_camera_and_no_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["cameras", "--config", str(tmp_path / "none.yaml")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "this machine has:",
        "  no camera plugged in; RTSP and HTTP cameras must be configured",
    ]


@pytest.mark.usefixtures("no_hardware")
def test_each_configured_camera_is_looked_at_and_its_snapshot_kept(
    tmp_path: Path, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write(
        tmp_path,
        f"  door: {{type: replay, path: {clip}, pace: fast}}\n"
        '  yard: {type: opencv, source: "rtsp://viewer:hunter2@127.0.0.1:1/door"}\n'
        "  side: {type: picamera}\n",
    )
    out = tmp_path / "snapshots"
    assert main.main(["cameras", "--config", str(config), "--out", str(out)]) == 69
    printed = capsys.readouterr().out
    assert f"  door          64 x 48, brightness 64%, in {out}/door.jpg\n" in printed
    assert "  yard          rtsp://127.0.0.1:1 has nothing listening on this port: is RTSP switched on" in printed
    assert "  side          Picamera2 is missing: sudo apt install python3-picamera2" in printed
    assert "hunter2" not in printed
    assert [path.name for path in out.iterdir()] == ["door.jpg"]
    assert stat.S_IMODE((out / "door.jpg").stat().st_mode) == 0o600
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    image = cv2.imread(str(out / "door.jpg"))
    assert image is not None
    assert image.shape == (48, 64, 3)


@pytest.mark.usefixtures("no_hardware")
def test_all_is_well_when_every_configured_camera_gives_a_picture(
    tmp_path: Path, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write(tmp_path, f"  door: {{type: replay, path: {clip}, pace: fast, name: Front door}}\n")
    assert main.main(["cameras", "--config", str(config)]) == 0
    assert "  door          64 x 48, brightness 64%; Front door\n" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "frames"]


def test_what_is_plugged_in_is_named_with_its_type_and_looked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [
        v4l2.Node("/dev/video60", "Web\x1b[2Jcam"),
        v4l2.Node("/dev/video61", "unicam", "picamera"),
        v4l2.Node("/dev/video62", "not allowed", problem="join the group"),
        v4l2.Node("/dev/video63", "configured"),
    ]
    monkeypatch.setattr(v4l2, "nodes", lambda: found)
    monkeypatch.setattr(fake, "BOARD", fake.Board(cameras=2, scene=np.full((72, 128, 3), 128, np.uint8)))
    for name, module in fake.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    config = write(
        tmp_path, "  door: {type: opencv, source: 63}\n  hall: {type: picamera, number: 1, size: [64, 36]}\n"
    )
    assert main.main(["cameras", "--config", str(config), "--out", str(tmp_path / "out")]) == 69
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:9] == [
        "  /dev/video60  Web [2Jcam; type: opencv, source: /dev/video60",
        "                /dev/video60 does not exist; is the camera plugged in?",
        "  /dev/video61  unicam; type: picamera",
        "  /dev/video62  not allowed; join the group",
        "  /dev/video63  configured; type: opencv, source: /dev/video63",
        "  Pi camera 0   imx708; type: picamera, number: 0",
        f"                1280 x 720, brightness 50%, in {tmp_path}/out/pi-camera-0.jpg",
        "  Pi camera 1   imx708; type: picamera, number: 1",
    ]
    assert "  door          /dev/video63 does not exist; is the camera plugged in?" in lines
    assert f"  hall          64 x 36, brightness 50%, in {tmp_path}/out/hall.jpg" in lines


@pytest.mark.usefixtures("no_hardware")
@pytest.mark.parametrize(
    ("flip", "turn", "says"),
    [
        ("none", 0, ""),
        ("none", 2, "; people are upside down: set rotation: 180"),
        ("none", 1, "; people lie with their heads to the left: set rotation: 90"),
        ("none", 3, "; people lie with their heads to the right: set rotation: 270"),
        ("horizontal", 1, "; people lie with their heads to the right: set rotation: 90"),
    ],
)
def test_a_camera_that_shows_people_the_wrong_way_up_is_named_with_the_setting_that_helps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flip: str, turn: int, says: str
) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    cv2.imwrite(str(folder / "0.png"), np.rot90(picture(("obama", 200, 90)), turn)[..., ::-1])
    camera = f"type: replay, path: {folder}, pace: fast, flip: {flip}"
    assert main.main(["cameras", "--config", str(write(tmp_path, f"  door: {{{camera}}}\n"))]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("  door "))
    assert line.partition("%")[2] == says
    if turn:
        fixed = write(tmp_path, f"  door: {{{camera}, {says.rpartition('set ')[2]}}}\n")
        assert main.main(["cameras", "--config", str(fixed)]) == 0
        assert "set rotation" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("board", "package"),
    [
        ("Raspberry Pi 5 Model B Rev 1.0", "python3-picamera2"),
        ("NVIDIA Jetson Orin Nano Developer Kit", gstreamer.APT),
        ("some other board", None),
    ],
)
def test_what_the_board_needs_and_lacks_is_named_with_its_package_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, board: str, package: str | None
) -> None:
    monkeypatch.setitem(sys.modules, "gi", None)
    monkeypatch.setitem(sys.modules, "picamera2", None)
    lines = list(discovery.missing(board))
    assert len(lines) == (package is not None)
    assert package is None or package in lines[0]


def test_a_driver_that_hangs_holds_nothing_up(monkeypatch: pytest.MonkeyPatch, clip: Path) -> None:
    monkeypatch.setattr(discovery, "IMAGE_TIMEOUT", 0.1)
    blocked: Any = {"path": clip, "faults": [{"kind": "block", "at": 0.0, "seconds": 1.0}]}
    assert cli_cameras._test("door", ReplayCamera.model_validate({"type": "replay", **blocked}), None, None) == (
        False,
        "hangs in its driver for 0 s",
    )


@pytest.mark.usefixtures("no_hardware")
@pytest.mark.parametrize("make", [lambda path: path.write_text("a file"), lambda path: path.symlink_to("/dev/null")])
def test_an_out_that_cannot_be_a_folder_is_a_usage_error(
    tmp_path: Path, make: Callable[[Path], object], capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "out")
    assert main.main(["cameras", "--config", str(tmp_path / "none.yaml"), "--out", str(tmp_path / "out")]) == 2
    assert "cannot be a folder" in capsys.readouterr().err


@pytest.mark.usefixtures("no_hardware")
def test_a_configuration_with_a_mistake_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write(tmp_path, "  door: {type: gstreamer, preset: jetson_csi, url: rtsp://a:hunter2@b/}\n")
    assert main.main(["cameras", "--config", str(config)]) == 78
    said = capsys.readouterr()
    assert "cameras.door: url cannot be combined with jetson_csi" in said.err
    assert "hunter2" not in said.out + said.err


def test_a_camera_named_by_number_and_by_path_is_the_same() -> None:
    by_number, by_path = OpencvCamera(source=3), OpencvCamera(source="/dev/video3")
    assert by_number.same_device(by_path)
    assert by_number.same_device(GstreamerCamera(preset="v4l2", device="/dev/video3"))
    assert not by_number.same_device(OpencvCamera(source=4))
    assert not OpencvCamera(source="rtsp://h/x").same_device(OpencvCamera(source="rtsp://h/x")), "a stream is shared"
    assert PicameraCamera(number=1, size=(64, 36)).same_device(PicameraCamera(number=1))
