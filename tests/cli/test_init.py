from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgeface.cameras import v4l2
from edgeface.cli.main import main
from edgeface.cli.setup import init
from edgeface.config import loader, places
from edgeface.core.errors import UsageError
from tests.support.film import DATA

if TYPE_CHECKING:
    from edgeface.demo.mosquitto import Mosquitto

ROOT = Path(__file__).parents[2]
CLIP = ROOT / "edgeface" / "demo_data" / "clip.mp4"
PATIENCE = 60.0
"""Seconds that a dialogue may take on a busy machine."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's home, and no configuration of the service."""
    folder = tmp_path / "home"
    (folder / "work").mkdir(parents=True)
    for name in ("EDGEFACE_CONFIG", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setattr(places, "SYSTEM", tmp_path / "none.yaml")
    monkeypatch.setattr(init, "SYSTEM", tmp_path / "none.yaml")
    monkeypatch.setattr(v4l2, "nodes", list)
    monkeypatch.chdir(folder / "work")
    return folder


def write(*options: str) -> int:
    return main(["init", "--yes", *options])


def test_a_configuration_of_ten_lines_is_written_which_the_other_commands_find(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert write("--camera", str(CLIP), "--device", "front", "--broker", "none") == 0
    said = capsys.readouterr().out
    file = home / ".config" / "edgeface" / "config.yaml"
    assert len(file.read_text().splitlines()) <= 10
    assert "camera porch: 640 x 480" in said
    assert "http://127.0.0.1:8099/" in said
    configuration = loader.load(file, files=True)
    assert (configuration.device, configuration.data) == ("front", home / ".local" / "share" / "edgeface")
    assert configuration.cameras["porch"].recorded
    assert configuration.mqtt is None
    assert configuration.web is not None
    for folder in (home, ROOT):
        monkeypatch.chdir(folder)
        assert main(["check"]) == 0
        assert str(file) in capsys.readouterr().out


def test_an_existing_file_is_never_changed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = home / "mine.yaml"
    file.write_text("device: mine\n")
    assert write("--camera", str(CLIP), "--config", str(file)) == 2
    assert "is not changed" in capsys.readouterr().err
    assert file.read_text() == "device: mine\n"


@pytest.mark.parametrize("there", ["here", "service"])
def test_nothing_is_written_beside_the_file_that_commands_use(
    home: Path, monkeypatch: pytest.MonkeyPatch, there: str
) -> None:
    file = home / "work" / "config.yaml" if there == "here" else home / "etc.yaml"
    file.write_text("device: mine\n")
    if there == "service":
        monkeypatch.setattr(places, "SYSTEM", file)
        monkeypatch.setattr(init, "SYSTEM", file)
    assert write("--camera", str(CLIP)) == 2
    assert not (home / ".config").exists()


def test_a_config_yaml_is_used_where_one_stands_except_the_reference_of_a_checkout(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "work" / "config.yaml").write_text("device: mine\n")
    assert places.default_config() == Path("config.yaml")
    monkeypatch.chdir(ROOT)
    assert places.default_config() == places.SYSTEM
    monkeypatch.setenv("EDGEFACE_CONFIG", "config.yaml")
    assert places.default_config() == Path("config.yaml")


def test_without_a_configuration_one_line_says_what_writes_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert home.exists()
    monkeypatch.chdir(ROOT)
    for module in ("edgeface.cli.main.SYSTEM",):
        monkeypatch.setattr(module, places.SYSTEM)
    assert main(["check"]) == 78
    *_, last = capsys.readouterr().err.splitlines()
    assert "edgeface init" in last
    assert "config.yaml in this folder is the reference" in last


def test_without_a_camera_nothing_is_written(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert write() == 2
    assert "--camera" in capsys.readouterr().err
    assert not (home / ".config").exists()


def test_the_broker_of_this_machine_is_found(
    home: Path, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(init, "_PORT", broker.port)
    assert write("--camera", str(CLIP)) == 0
    assert "mosquitto" not in capsys.readouterr().out
    mqtt = loader.load(home / ".config" / "edgeface" / "config.yaml").mqtt
    assert mqtt is not None
    assert (mqtt.host, mqtt.port) == ("127.0.0.1", broker.port)


def test_without_a_broker_the_last_lines_say_how_to_get_one(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(init, "_PORT", 1)
    assert write("--camera", str(CLIP)) == 0
    assert "sudo apt-get install mosquitto" in capsys.readouterr().out
    assert loader.load(home / ".config" / "edgeface" / "config.yaml").mqtt is None


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("none", None),
        ("localhost", {"host": "localhost", "port": 1883}),
        ("127.0.0.1:1884", {"host": "127.0.0.1", "port": 1884}),
        ("mqtts://broker.home", {"host": "broker.home", "port": 8883, "tls": {}}),
        ("mqtt://192.168.1.5", {"host": "192.168.1.5", "port": 1883, "insecure": True}),
    ],
)
def test_a_broker_is_an_address(text: str, keys: object) -> None:
    assert init.broker_keys(text) == keys


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("192.168.1.5", "mqtts://192.168.1.5 uses TLS"),
        ("mqtt://me:secret@192.168.1.5", "not a broker's address"),
        ("http://localhost", "not a broker's address"),
        ("localhost:none", "not a broker's address"),
        ("", "not a broker's address"),
        ("a b", "another machine"),
        ("mqtt://a b", "not a broker's address"),
    ],
)
def test_what_is_no_broker_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        init.broker_keys(text)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("0", {"type": "opencv", "source": 0}),
        ("/dev/video2", {"type": "opencv", "source": "/dev/video2"}),
        ("picamera", {"type": "picamera", "number": 0}),
        ("picamera:1", {"type": "picamera", "number": 1}),
        ("Pi camera 1", {"type": "picamera", "number": 1}),
        ("rtsp://192.168.1.20/a", {"type": "rtsp", "url": "rtsp://192.168.1.20/a"}),
        ("http://192.168.1.20/a", {"type": "opencv", "source": "http://192.168.1.20/a"}),
        (str(CLIP), {"type": "replay", "path": str(CLIP), "loop": True}),
    ],
)
def test_a_camera_is_a_device_an_address_or_a_file(text: str, keys: object) -> None:
    assert init.camera_keys(text) == keys


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_the_password_of_an_address_goes_into_a_file_of_its_own(
    home: Path, capsys: pytest.CaptureFixture[str], scheme: str
) -> None:
    assert write("--camera", f"{scheme}://viewer:p%40ss@127.0.0.1:9/a", "--broker", "none") == 0
    folder = home / ".config" / "edgeface"
    secret = folder / "porch.password"
    assert (secret.read_text(), secret.stat().st_mode & 0o777) == ("p@ss\n", 0o600)
    text = (folder / "config.yaml").read_text()
    assert "username: viewer\n" in text
    assert f"password_file: {secret}\n" in text
    said = capsys.readouterr()
    assert not [one for one in (text, said.out, said.err) if "p%40ss" in one or "p@ss" in one]
    assert main(["check"]) == 0
    assert "contains a password" not in capsys.readouterr().out


def test_an_address_with_a_user_name_alone_stays_as_it_is() -> None:
    keys: dict[str, object] = {"type": "rtsp", "url": "rtsp://viewer@192.168.1.20/a"}
    assert init.apart(keys, Path("/porch.password")) == (keys, None)


def test_a_file_that_does_not_exist_is_no_camera() -> None:
    with pytest.raises(UsageError, match=r"none\.mp4 is not a camera"):
        init.camera_keys("none.mp4")


def test_a_path_with_every_kind_of_letter_comes_back_from_the_file(home: Path) -> None:
    folder = home / 'a: "b" #c\'d ü {}'
    folder.mkdir()
    (folder / "1.jpg").write_bytes((DATA / "obama.jpg").read_bytes())
    assert write("--camera", str(folder)) == 0
    camera = loader.load(home / ".config" / "edgeface" / "config.yaml").cameras["porch"]
    assert getattr(camera, "path", None) == folder


@pytest.mark.slow(seconds=6)
def test_on_a_terminal_it_asks_and_asks_again_after_a_wrong_answer(home: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "edgeface.cli", "init"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        for question, answer in (
            ("camera: ", "none.mp4"),
            ("none.mp4 is not a camera", str(CLIP)),
            ("name of this device", "Front Door"),
            ("not an id", "front"),
            ("MQTT broker", "none"),
        ):
            read_until(ours, question)
            os.write(ours, f"{answer}\n".encode())
        read_until(ours, "the page is then at")
        assert process.wait(PATIENCE) == 0
    os.close(ours)
    assert loader.load(home / ".config" / "edgeface" / "config.yaml").device == "front"


def read_until(terminal: int, text: str) -> None:
    """Read what a program writes to its terminal until it has written the text."""
    deadline, seen = time.monotonic() + PATIENCE, b""
    while text.encode() not in seen:
        left = deadline - time.monotonic()
        assert left > 0, seen.decode(errors="replace")
        if select.select([terminal], [], [], left)[0]:
            seen += os.read(terminal, 4096)
