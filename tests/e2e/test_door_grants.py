"""The daemon as a process, a door that asks for a grant, and what it gets."""

import base64
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edgeface.demo.mosquitto import Mosquitto
from edgeface.imaging.opencv import cv2
from edgeface.security import signing_keys
from tests.e2e.conftest import DOOR
from tests.support.broker import Listener, until
from tests.support.film import DATA, FPS, Actor, film

pytestmark = pytest.mark.broker

RIGHT: Actor = ("obama", 380, 60)
CONFIG = """\
device: front
data: {data}
cameras: {{porch: {{type: replay, path: {clip}, loop: true}}}}
mqtt: {{port: {port}}}
groups: {{family: [{person}]}}
doors: {{front-door: {{camera: porch, allow: [{{group: family}}], level: normal, cooldown: 1}}}}
"""


def edgeface(*arguments: str | Path) -> str:
    command = [sys.executable, "-m", "edgeface.cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def config(tmp_path: Path, broker: Mosquitto) -> Path:
    """Obama comes and goes before a door that is not his; he is enrolled, and there is a key."""
    clip, path = tmp_path / "visit.avi", tmp_path / "config.yaml"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (640, 480))
    for frame in film((0.5, ()), (2.0, (RIGHT,)), (3.5, ())):
        writer.write(cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
    writer.release()
    path.write_text(CONFIG.format(data=tmp_path / "data", clip=clip, port=broker.port, person="biden"))
    edgeface("enroll", "obama", DATA / "obama2.jpg", DATA / "obama3.jpg", "--config", path)
    edgeface("keys", "new", "--kid", "k1", "--config", path)
    return path


@pytest.mark.slow(seconds=10)
def test_a_door_opens_for_whom_it_is_to_and_a_reload_lets_somebody_in(config: Path, door: Listener) -> None:
    command = [sys.executable, "-m", "edgeface.cli", "run", "--config", str(config)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    audit = "edgeface/front/audit"
    try:
        until(lambda: any(one.json["event_type"] == "refused" for one in door.of(audit)), 40)
        refused = next(one.json for one in door.of(audit) if one.json["event_type"] == "refused")
        assert (refused["person"], refused["reason"]) == ("obama", "person")
        assert not door.of(f"{DOOR}/grant")
        state = door.of("edgeface/front/state")[-1].json
        assert state["key"] == "file"
        until(lambda: door.of("edgeface/front/state")[-1].json["doors"]["front-door"]["refused"] == {"person": 1}, 10)
        assert "door front-door: not enrolled: biden" in door.of("edgeface/front/state")[-1].json["problems"]
        config.write_text(config.read_text().replace("biden", "obama"))
        process.send_signal(signal.SIGHUP)
        until(lambda: door.of(f"{DOOR}/grant"), 20)
        (record,) = signing_keys.read(config.parent / "data")
        outer = door.of(f"{DOOR}/grant")[0].json
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(record.public))
        public.verify(base64.b64decode(outer["sig"]), outer["payload"].encode())
        payload = json.loads(outer["payload"])
        assert (outer["kid"], payload["aud"], payload["person"], payload["seq"]) == ("k1", "front-door", "obama", 1)
        until(lambda: any(one.json["event_type"] == "granted" for one in door.of(audit)), 10)
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    assert "Traceback" not in log
