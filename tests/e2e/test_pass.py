"""A pass and a face at the camera of a daemon, a real broker, and a real door's controller."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgeface.access import passes
from edgeface.access.pass_list import PassList
from edgeface.cli import main
from edgeface.config import loader
from edgeface.core.clock import SystemClock
from edgeface.daemon.daemon import Daemon
from edgeface.door.controller import Controller
from edgeface.door.relays.log import LogRelay
from edgeface.door.settings import DoorSettings, MinimumSettings
from edgeface.imaging.opencv import cv2
from edgeface.mqtt.settings import Mqtt
from edgeface.security import signing_keys
from edgeface.security.vault import open_vault
from tests.support import qr
from tests.support.broker import Listener, until
from tests.support.film import DATA, FPS, picture
from tests.support.threaded import threaded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgeface.core.types import Image
    from edgeface.demo.mosquitto import Mosquitto

pytestmark = [pytest.mark.broker, pytest.mark.slow(seconds=15)]

CONFIG = """\
device: front
data: {data}
cameras: {{porch: {{type: replay, path: {clip}, loop: true}}}}
mqtt: {{port: {port}}}
doors: {{front-door: {{camera: porch, allow: [{{person: obama}}, {{person: biden}}], factor: pass, level: normal}}}}
"""


def shown(text: str, n: int) -> Image:
    """A person on the right, and a pass on the left."""
    image = np.full((480, 960, 3), 120, np.uint8)
    image[:, 480:] = picture(("obama", 100 + n % 5, 60), size=(480, 480), seed=n)
    code = cv2.resize(qr.modules(text), None, fx=6, fy=6, interpolation=cv2.INTER_NEAREST)
    image[40 : 40 + len(code), 30 : 30 + len(code)] = code[..., None]
    return np.asarray(image, np.uint8)


class Hall:
    """A device in front of a door: who stands there is Obama, whatever pass is shown."""

    def __init__(self, folder: Path, port: int) -> None:
        self.config, self.data, self.clip = folder / "config.yaml", folder / "data", folder / "clip.avi"
        self.config.write_text(CONFIG.format(data=self.data, clip=self.clip, port=port))
        for person in ("obama", "biden"):
            photos = [str(path) for path in sorted(DATA.glob(f"{person}*.jpg")) if path.stem != "obama"]
            assert main.main(["enroll", person, *photos, "--config", str(self.config)]) == 0
        assert main.main(["keys", "new", "--kid", "k1", "--config", str(self.config)]) == 0
        self.pass_list = PassList(self.data, open_vault(self.data))
        self.port = port

    def show(self, person: str) -> None:
        """Make a pass for a person, and the clip that the camera plays."""
        key = signing_keys.active(signing_keys.read(self.data), self.pass_list.vault)
        assert key is not None
        wall = SystemClock().wall()
        one = passes.new(person, ("front-door",), "front", wall, 1)
        self.pass_list.add(one, wall)
        writer = cv2.VideoWriter(str(self.clip), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (960, 480))
        for n in range(round(4 * FPS)):
            writer.write(cv2.cvtColor(shown(passes.write(one, key), n), cv2.COLOR_RGB2BGR))
        for n in range(round(2 * FPS)):
            writer.write(np.full((480, 960, 3), 120 + n % 2, np.uint8))
        writer.release()

    def daemon(self) -> Daemon:
        daemon = Daemon(loader.load(self.config))
        # Here the clock may not be synchronised, and then no pass is accepted.
        daemon._passes._synced = lambda: True
        return daemon

    def controller(self) -> Controller:
        public = base64.b64encode(signing_keys.public_keys(signing_keys.read(self.data))[0]).decode()
        settings = DoorSettings(
            door="front-door",
            keys={"k1": public},
            relay=LogRelay(),
            minimum=MinimumSettings(factor=("pass",)),
            mqtt=Mqtt(port=self.port),
        )
        return Controller(settings)


@pytest.fixture
def hall(tmp_path: Path, broker: Mosquitto) -> Hall:
    return Hall(tmp_path, broker.port)


def test_a_pass_and_the_face_of_its_person_open_the_door(
    hall: Hall, broker: Mosquitto, listen: Callable[..., Listener]
) -> None:
    hall.show("obama")
    listener = listen(broker, "edgeface/#")
    with threaded(hall.controller()), threaded(hall.daemon()):
        until(lambda: listener.of("edgeface/doors/front-door/result"), 30)
    result = listener.of("edgeface/doors/front-door/result")[0].json
    assert (result["accepted"], result["reason"]) == (True, None)
    payload = json.loads(listener.of("edgeface/doors/front-door/grant")[0].json["payload"])
    assert (payload["v"], payload["person"], payload["factor"]) == (2, "obama", "pass")


def test_a_pass_of_someone_else_opens_nothing(hall: Hall, broker: Mosquitto, listen: Callable[..., Listener]) -> None:
    hall.show("biden")
    listener = listen(broker, "edgeface/#")
    with threaded(hall.controller()), threaded(hall.daemon()):
        until(lambda: any(one.json["event_type"] == "factor" for one in listener.of("edgeface/front/audit")), 40)
    row = next(one.json for one in listener.of("edgeface/front/audit") if one.json["event_type"] == "factor")
    assert (row["door"], row["kind"], row["person"], row["reason"]) == ("front-door", "pass", "biden", "expired")
    assert listener.of("edgeface/doors/front-door/grant") == []
