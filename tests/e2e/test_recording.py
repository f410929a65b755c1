"""A recording of a person who may pass, fed to a door's camera in a loop: what is said, and what opens."""

from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeface.cameras.repetition import REPEATED_PICTURES
from edgeface.config import loader
from edgeface.daemon.daemon import Daemon
from edgeface.demo.mosquitto import Mosquitto
from edgeface.imaging.opencv import cv2
from tests.e2e.conftest import DOOR
from tests.e2e.test_door_grants import RIGHT, edgeface
from tests.support.broker import Listener, until
from tests.support.film import DATA, FPS, film
from tests.support.mjpeg import mjpeg
from tests.support.threaded import threaded

pytestmark = pytest.mark.broker

SECONDS = 5.0
CONFIG = """\
device: front
data: {data}
cameras: {{porch: {{type: opencv, source: "{address}"}}}}
mqtt: {{port: {port}}}
doors: {{front-door: {{camera: porch, allow: [{{person: obama}}], level: normal, cooldown: 1}}}}
"""


def visit() -> list[Any]:
    """Obama comes and goes, in 5 s."""
    frames = film((1.0, ()), (2.5, (RIGHT,)), (SECONDS - 3.5, ()))
    return [cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR) for frame in frames]


@pytest.mark.slow(seconds=35)
def test_a_recording_opens_a_door_in_its_first_round_at_most_and_is_reported(
    tmp_path: Path, broker: Mosquitto, door: Listener
) -> None:
    path, clip = tmp_path / "config.yaml", visit()
    with mjpeg(cycle(clip), FPS) as address:
        path.write_text(CONFIG.format(data=tmp_path / "data", address=address, port=broker.port))
        edgeface("enroll", "obama", DATA / "obama2.jpg", DATA / "obama3.jpg", "--config", path)
        edgeface("keys", "new", "--kid", "k1", "--config", path)
        with threaded(Daemon(loader.load(path))):
            until(lambda: door.of("edgeface/front/porch/status")[-1:] != [], 20)
            until(lambda: door.of("edgeface/front/porch/status")[-1].payload == b"stalled", 40)
            until(lambda: _rows(door, "replayed"), 10)
            until(lambda: door.of("edgeface/front/state")[-1].json["cameras"]["porch"]["replayed"], 10)
            camera = door.of("edgeface/front/state")[-1].json["cameras"]["porch"]
            until(lambda: door.of("edgeface/front/porch/people")[-1].payload == b"nobody", 5)
    assert camera["problem"] == REPEATED_PICTURES
    assert camera["repeated"] > 5 * FPS
    assert [row["reason"] for row in _rows(door, "replayed")] == ["pictures"]
    assert len(door.of(f"{DOOR}/grant")) <= 1, "the first round is not known yet"
    events = [one.json["event_type"] for one in door.of("edgeface/front/porch/event")]
    assert events.count("match") <= 1
    late = [row for row in _rows(door, "match") if row["late"]]
    assert late, "the second round is matched, and reported on the audit topic only"


@pytest.mark.slow(seconds=20)
def test_the_same_visits_by_a_living_person_open_the_door_each_time(
    tmp_path: Path, broker: Mosquitto, door: Listener
) -> None:
    path = tmp_path / "config.yaml"
    scenes = [scene for _ in range(3) for scene in ((1.0, ()), (2.5, (RIGHT,)), (SECONDS - 3.5, ()))]
    pictures = (np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR), np.uint8) for frame in film(*scenes))
    with mjpeg(pictures, FPS) as address:
        path.write_text(CONFIG.format(data=tmp_path / "data", address=address, port=broker.port))
        edgeface("enroll", "obama", DATA / "obama2.jpg", DATA / "obama3.jpg", "--config", path)
        edgeface("keys", "new", "--kid", "k1", "--config", path)
        with threaded(Daemon(loader.load(path))):
            until(lambda: len(door.of(f"{DOOR}/grant")) >= 2, 30)
    states = [one.json["cameras"]["porch"] for one in door.of("edgeface/front/state")]
    assert not any(camera["replayed"] or camera["repeated"] for camera in states)


def _rows(door: Listener, kind: str) -> list[dict[str, Any]]:
    return [one.json for one in door.of("edgeface/front/audit") if one.json["event_type"] == kind]
