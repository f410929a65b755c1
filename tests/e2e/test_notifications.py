"""A stranger comes: a daemon sends one notification with the picture, and says in its state that it did."""

import base64
from pathlib import Path

import numpy as np
import pytest

from edgeface.config import loader
from edgeface.daemon.daemon import Daemon
from edgeface.imaging.opencv import cv2
from tests.e2e.test_daemon import RIGHT
from tests.e2e.test_infrared import write
from tests.support.film import film
from tests.support.http_receiver import receiver

CONFIG = """\
device: front
data: {folder}/data
cameras:
  porch: {{type: replay, path: {folder}/porch.avi}}
notify:
  targets:
    house: {{type: webhook, url: "{url}", secret_file: {folder}/secret, allow_local: true, pictures: true}}
  rules:
    - {{to: [house], kinds: [match, unknown]}}
privacy: {{snapshots: unknown}}
"""


@pytest.mark.slow(seconds=10)
def test_a_stranger_is_reported_once_with_the_picture(tmp_path: Path) -> None:
    # The end of the clip ends the daemon: the last second is empty.
    pictures = [frame.image for frame in film((1.0, ()), (3.0, (RIGHT,)), (2.0, ()))]
    write(tmp_path / "porch.avi", pictures)
    (tmp_path / "secret").write_text("a secret\n")
    (tmp_path / "secret").chmod(0o600)
    with receiver() as hook:
        (tmp_path / "config.yaml").write_text(CONFIG.format(folder=tmp_path, url=hook.url))
        daemon = Daemon(loader.load(tmp_path / "config.yaml"))
        assert daemon.run() == 0
        (got,) = hook.received
    assert got.json["title"] == "Stranger at porch"
    assert got.json["unknown"].startswith("u-")
    face = cv2.imdecode(np.frombuffer(base64.b64decode(got.json["picture"]), np.uint8), cv2.IMREAD_COLOR)
    assert face is not None
    assert min(face.shape[:2]) > 40
    facts = daemon._notifications.facts()
    assert facts is not None
    assert facts["targets"]["house"]["sent"] == 1
