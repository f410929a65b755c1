"""The daemon as a process, with a real broker, a real gallery and real models."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgeface.config import loader
from edgeface.core.events import SEND_WITHIN
from edgeface.daemon.daemon import SOFTWARE, Daemon
from edgeface.demo.mosquitto import Mosquitto
from edgeface.imaging.opencv import cv2
from edgeface.mqtt.mqtt_publisher import MqttPublisher
from tests.support.broker import Listener, until
from tests.support.film import DATA, FPS, Actor, film

pytestmark = pytest.mark.broker

RIGHT: Actor = ("obama", 380, 60)
LEFT: Actor = ("astronaut", 20, 40)
EMPTY: tuple[float, tuple[Actor, ...]] = (3.0, ())

Listen = Callable[..., Listener]


def edgeface(*arguments: str | Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgeface.cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip in which Obama comes, leaves, and nobody follows."""
    path = tmp_path_factory.mktemp("clip") / "visit.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (640, 480))
    for frame in film((1.0, ()), (2.5, (RIGHT,)), EMPTY):
        writer.write(cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def configure(folder: Path, clip: Path, port: int, more: str = "", loop: str = "true") -> Path:
    path = folder / "config.yaml"
    path.write_text(
        f"device: front\ndata: {folder / 'data'}\n"
        f"cameras: {{porch: {{type: replay, path: {clip}, loop: {loop}}}}}\n"
        f"mqtt: {{port: {port}}}\n{more}"
    )
    return path


@contextmanager
def daemon(config: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "edgeface.cli", "run", "--config", str(config)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def lines_until(process: subprocess.Popen[str], *texts: str) -> str:
    """What the daemon logs until each of these texts has been in it; it must not end before."""
    log = ""
    while not all(text in log for text in texts):
        line = process.stderr.readline() if process.stderr is not None else ""
        assert line, log
        log += line
    return log


def matches(data: Path) -> int:
    """How many matches the journal has."""
    with closing(sqlite3.connect(f"file:{data / 'journal.db'}?mode=ro", uri=True)) as journal:
        return int(journal.execute("SELECT count(*) FROM rows WHERE kind = 'match'").fetchone()[0])


def events(listener: Listener) -> list[dict[str, Any]]:
    return [heard.json for heard in listener.heard if heard.topic.endswith("/event")]


def told(listener: Listener) -> list[tuple[str, str | None]]:
    return [(event["event_type"], event["person"]) for event in events(listener)]


@pytest.mark.slow(seconds=9)
def test_a_visit_is_said_once_and_the_daemon_ends_with_its_clip(
    tmp_path: Path, visit: Path, broker: Mosquitto, listen: Listen
) -> None:
    config = configure(tmp_path, visit, broker.port, "privacy: {snapshots: all}\n", loop="false")
    edgeface("enroll", "--config", config, "obama", "--name", "Barack O.", DATA / "obama2.jpg", DATA / "obama3.jpg")
    listener = listen(broker, "edgeface/#")
    with daemon(config) as process:
        assert process.wait(timeout=40) == 0
    until(lambda: ("left", "obama") in told(listener))
    assert told(listener) == [("match", "obama"), ("left", "obama")]
    match = events(listener)[0]
    assert match["name"] == "Barack O."
    assert match["score"] >= match["threshold"]
    assert match["snapshot"] == "edgeface/front/porch/snapshot"
    assert not any(heard.retained for heard in listener.heard)
    picture = next(heard.payload for heard in listener.heard if heard.topic.endswith("/snapshot"))
    assert picture.startswith(b"\xff\xd8\xff")
    people = [heard.payload.decode() for heard in listener.heard if heard.topic.endswith("/people")]
    assert people == ["nobody", "Barack O.", "nobody"], "set at the start, in case a killed run has left somebody there"
    late = listen(broker, "edgeface/#")
    until(lambda: any(heard.topic.endswith("front/status") for heard in late.heard))
    assert {heard.topic: heard.payload for heard in late.heard}["edgeface/front/status"] == b"offline"
    assert events(late) == [], "an event was retained"


@pytest.mark.slow(seconds=11)
def test_a_person_enrolled_while_the_daemon_runs_is_matched_and_one_forgotten_is_not(
    tmp_path: Path, visit: Path, broker: Mosquitto, listen: Listen
) -> None:
    config = configure(tmp_path, visit, broker.port)
    listener = listen(broker, "edgeface/#")
    with daemon(config):
        until(lambda: ("unknown", None) in told(listener), 30)
        unknown = events(listener)[0]["unknown"]
        until(lambda: unknown in edgeface("people", "--config", config, "--unknown").stdout, 10)
        edgeface("enroll", "--config", config, "obama", "--unknown", unknown)
        until(lambda: ("match", "obama") in told(listener), 20)
        edgeface("forget", "--config", config, "obama")
        seen = len(told(listener))
        until(lambda: ("unknown", None) in told(listener)[seen:], 20)
        audit = [heard.json for heard in listener.heard if heard.topic == "edgeface/front/audit"]
        until(lambda: {"enrolled", "deleted"} <= {h.json["event_type"] for h in listener.heard if "audit" in h.topic})
    assert not any("embedding" in json.dumps(row) for row in audit)


@pytest.mark.slow(seconds=19)
def test_a_broker_that_goes_away_and_comes_back_hears_no_old_match(
    tmp_path: Path, visit: Path, broker: Mosquitto, listen: Listen
) -> None:
    config = configure(tmp_path, visit, broker.port)
    edgeface("enroll", "--config", config, "obama", DATA / "obama2.jpg", DATA / "obama3.jpg")
    listener = listen(broker, "edgeface/#")
    with daemon(config) as process:
        until(lambda: ("match", "obama") in told(listener), 30)
        until(lambda: ("left", "obama") in told(listener), 30)
        broker.kill()
        # The clip comes round meanwhile: a match that nobody hears, and that is too old when the broker is back.
        before = matches(tmp_path / "data")
        until(lambda: matches(tmp_path / "data") > before, 60)
        time.sleep(SEND_WITHIN + 1)
        # The daemon waits until someone listens again, who would miss what it publishes at once.
        process.send_signal(signal.SIGSTOP)
        broker.start()
        again = listen(broker, "edgeface/#")
        process.send_signal(signal.SIGCONT)
        until(lambda: any(h.topic.endswith("audit") and h.json.get("late") for h in again.heard), 60)
        until(lambda: ("match", "obama") in told(again), 30)
    for heard in [*listener.heard, *again.heard]:
        if heard.topic.endswith("/event") and heard.json["event_type"] == "match":
            assert heard.json["sent_at"] < heard.json["expires_at"]
            assert heard.json["late"] is False


@pytest.mark.slow(seconds=6)
def test_sighup_reads_the_configuration_again_and_a_wrong_one_changes_nothing(
    tmp_path: Path, visit: Path, broker: Mosquitto, listen: Listen
) -> None:
    config = configure(tmp_path, visit, broker.port)
    listener = listen(broker, "edgeface/front/status")
    with daemon(config) as process:
        until(lambda: listener.heard, 30)
        config.write_text(config.read_text() + "recogniton: {}\n")
        process.send_signal(signal.SIGHUP)
        config_right = configure(tmp_path, visit, broker.port, "recognition: {verify: 1.0}\nunknown: {days: 3}\n")
        assert config_right == config
        subprocess.run([sys.executable, "-c", "import time; time.sleep(1)"], check=True)
        process.send_signal(signal.SIGHUP)
        subprocess.run([sys.executable, "-c", "import time; time.sleep(1)"], check=True)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "restart to change unknown" in log
    edgeface("audit", "export", tmp_path / "trail.jsonl", "--config", config)
    trail = [json.loads(line) for line in (tmp_path / "trail.jsonl").read_text().splitlines()]
    own = [row for row in trail if row["kind"] in {"started", "config", "stopped"}]
    assert [row["kind"] for row in own] == ["started", "config", "config", "stopped"]
    assert own[0]["payload"]["config"] == own[1]["payload"]["digest"]
    assert own[2]["payload"]["changed"] == ["recognition", "unknown"]
    assert edgeface("audit", "verify", "--config", config).stdout.startswith(f"{len(trail)} rows, 0 redacted, head ")


@pytest.mark.slow(seconds=8)
def test_a_display_name_reaches_home_assistant_and_nothing_that_programs_read(
    tmp_path: Path, visit: Path, broker: Mosquitto, listen: Listen
) -> None:
    config = configure(tmp_path, visit, broker.port)
    listener = listen(broker, "#")
    device = "homeassistant/device/edgeface_front/camera_porch/config"
    with daemon(config) as process:
        until(lambda: listener.of(device), 30)
        config.write_text(config.read_text().replace("{type: replay", "{name: Vestibule, type: replay"))
        process.send_signal(signal.SIGHUP)
        until(lambda: listener.of(device)[-1].json["dev"]["name"] == "Vestibule", 20)
        before = len(events(listener))
        until(lambda: len(events(listener)) > before, 30)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
    assert "restart to change" not in log
    assert {heard.topic for heard in listener.heard if b"Vestibule" in heard.payload} == {device}
    assert {event["camera"] for event in events(listener)} == {"porch"}
    edgeface("audit", "export", tmp_path / "trail.jsonl", "--config", config)
    assert "Vestibule" not in (tmp_path / "trail.jsonl").read_text()


def test_a_wrong_configuration_ends_with_78_and_one_line_a_mistake(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("cameras: {porch: {type: opencv, source: 0, fsp: 3}}\nmqt: {}\n")
    done = edgeface("run", "--config", config, status=78)
    assert len(done.stderr.splitlines()) == 2
    assert "did you mean fps?" in done.stderr


@pytest.mark.slow(seconds=5)
def test_without_a_camera_or_a_broker_the_daemon_runs_and_says_so(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        f"data: {tmp_path / 'data'}\ncameras: {{porch: {{type: opencv, source: /dev/video99}}}}\nmqtt: {{port: 1}}\n"
    )
    with daemon(config) as process:
        begun = lines_until(process, "camera porch is offline", "trying again")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=2)
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in begun + rest


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_publisher_that_dies_ends_the_daemon(tmp_path: Path, visit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: MqttPublisher) -> None:
        raise RuntimeError("a fault that nobody foresaw")

    monkeypatch.setattr(MqttPublisher, "_serve", broken)
    assert Daemon(loader.load(configure(tmp_path, visit, 1883))).run() == SOFTWARE
