"""What a configuration asks of this machine is found by `edgeface check`, with its line and exit status 78."""

from __future__ import annotations

import socket
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from edgeface.cli import main
from edgeface.core.board import port_holder
from edgeface.core.files import LOCK, is_held, only_one
from edgeface.demo.mosquitto import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def listener() -> Iterator[int]:
    """A port at which this process listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def check(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, *options: str) -> tuple[int, list[str]]:
    """Exit status, and the lines without the name of the file."""
    path = tmp_path / "c.yaml"
    path.write_text(f"data: {tmp_path}\n{text}")
    status = main.main(["check", "--config", str(path), *options])
    shown = capsys.readouterr()
    return status, [line.removeprefix(f"{path}:") for line in (shown.err or shown.out).splitlines()]


@pytest.mark.parametrize("fps", [0.5, 0.79, 0.8, 15])
def test_too_few_frames_to_recognise_people(tmp_path: Path, capsys: pytest.CaptureFixture[str], fps: float) -> None:
    text = f"cameras:\n  porch:\n    type: opencv\n    source: 0\n    fps: {fps}\n"
    status, lines = check(tmp_path, capsys, text)
    if fps < 0.8:
        assert lines == ["6: cameras.porch.fps: too low to recognise people: use 0.8 or more, or leave it out"]
    assert status == (78 if fps < 0.8 else 0)


SHARED = "the same device as camera porch, and only one can open it: remove one, or set enabled: false"


@pytest.mark.parametrize(
    ("first", "second", "key"),
    [
        ("source: 41", "source: 41", "source"),
        ("source: 41", "source: /dev/video41", "source"),
        ('source: "41"', "source: /dev/v4l/../video41", "source"),
        ("source: /dev/null", "source: /dev/../dev/null", "source"),
        ("source: 41", "type: gray16, unit: millimetre, source: /dev/video41", "source"),
        ("type: picamera, number: 1", "type: picamera, number: 1", "number"),
    ],
)
def test_two_cameras_with_one_device(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], first: str, second: str, key: str
) -> None:
    typed = [one if "type" in one else f"type: opencv, {one}" for one in (first, second)]
    text = f"cameras:\n  porch: {{{typed[0]}}}\n  yard: {{{typed[1]}}}\n"
    status, lines = check(tmp_path, capsys, text)
    assert status == 78
    assert f"4: cameras.yard.{key}: {SHARED}" in lines
    status, lines = check(tmp_path, capsys, text.replace(f"{{{typed[1]}", f"{{{typed[1]}, enabled: false"))
    assert not any(SHARED in line for line in lines), "the switch of MQTT chooses"


def test_a_link_names_the_same_device(tmp_path: Path) -> None:
    from edgeface.config import machine

    (tmp_path / "by-id").symlink_to("/dev/null")
    assert machine._identity(str(tmp_path / "by-id")) == machine._identity("/dev/null")
    assert machine._identity("/dev/null") != machine._identity("/dev/zero")


@pytest.mark.skipif(find_spec("picamera2") is not None, reason="this machine has Picamera2")
def test_a_camera_without_its_packages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "cameras:\n  porch:\n    type: picamera\n"
    status, lines = check(tmp_path, capsys, text)
    assert status == 78
    assert len(lines) == 1
    assert lines[0].startswith("4: cameras.porch.type: Picamera2 is missing: sudo apt install python3-picamera2")
    assert check(tmp_path, capsys, text, "--file-only")[0] == 0


def test_rtsp_over_udp_needs_gstreamer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gi", None)  # as if it were not installed
    text = "cameras:\n  porch:\n    type: rtsp\n    url: rtsp://192.168.1.20/a\n"
    assert check(tmp_path, capsys, text)[0] == 0
    status, (line,) = check(tmp_path, capsys, f"{text}    transport: udp\n")
    assert status == 78
    assert line.startswith("4: cameras.porch.type: GStreamer for Python is missing: sudo apt install")


@pytest.mark.parametrize(
    ("section", "package", "line"),
    [
        ("detector:\n  type: mediapipe", "mediapipe", "4: detector.type: mediapipe is not installed: "),
        ("web:\n  port: 0", "uvicorn", "3: web: uvicorn is not installed: "),
    ],
)
def test_a_section_without_its_packages(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    section: str,
    package: str,
    line: str,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    status, lines = check(tmp_path, capsys, f"cameras: {{porch: {{type: opencv, source: 0}}}}\n{section}\n")
    assert status == 78
    assert any(one.startswith(line) for one in lines)


@pytest.mark.parametrize("keys", ["type: opencv, source: video0", "type: opencv, source: 192.168.1.20/stream1"])
def test_a_recording_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: str) -> None:
    status, (line,) = check(tmp_path, capsys, f"cameras:\n  porch: {{{keys}}}\n")
    assert status == 78
    assert line.startswith("3: cameras.porch.")
    assert "no such file; a USB camera is a number or /dev/video0" in line


WEB = "cameras: {{porch: {{type: opencv, source: 0}}}}\nweb:\n  host: {host}\n  port: {port}\n"


def test_a_port_that_is_taken_is_told_with_who_has_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], listener: int
) -> None:
    text = WEB.format(host="127.0.0.1", port=listener)
    status, lines = check(tmp_path, capsys, text)
    assert status == 78
    assert lines == [f"5: web.port: taken by {port_holder(listener)}; end that, or choose another port"]
    assert port_holder(listener), "this very process"
    assert port_holder(free_port()) is None
    with only_one(tmp_path / LOCK):
        assert check(tmp_path, capsys, text)[0] == 0, "a daemon of this folder runs: it is its own port"
    assert check(tmp_path, capsys, text, "--file-only")[0] == 0
    free = WEB.format(host="127.0.0.1", port=free_port())
    assert check(tmp_path, capsys, free)[0] == 0


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("203.0.113.7", "4: web.host: not an address of this machine"),
        ("no-such-name.invalid", "4: web.host: no name that this machine knows"),
    ],
)
def test_an_address_of_another_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], host: str, says: str
) -> None:
    text = WEB.format(host=host, port=free_port()) + "  insecure: true\n"
    status, lines = check(tmp_path, capsys, text)
    assert status == 78
    assert lines[0].startswith(says)


def test_a_lock_that_is_held_is_seen(tmp_path: Path) -> None:
    assert not is_held(tmp_path / LOCK)
    with only_one(tmp_path / LOCK):
        assert is_held(tmp_path / LOCK)
    assert not is_held(tmp_path / LOCK)
