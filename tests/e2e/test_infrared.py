"""A daemon with a camera and its companion for near infrared, both played from synthetic clips."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeface.config import loader
from edgeface.core.types import Event, FrameResult, Image
from edgeface.daemon.daemon import Daemon
from edgeface.imaging.opencv import cv2
from edgeface.people.service import PeopleService
from tests.e2e.test_daemon import RIGHT
from tests.support.film import DATA, FPS, film

CONFIG = """\
device: front
data: {folder}/data
cameras:
  porch: {{type: replay, path: {folder}/porch.avi}}
  porch-ir: {{type: replay, path: {folder}/{infrared}, loop: true}}
liveness: {{type: infrared, cameras: {{porch: {{camera: porch-ir}}}}}}
"""


def write(path: Path, pictures: list[Image]) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (640, 480))
    for image in pictures:
        writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    writer.release()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A visit as the camera sees it, as infrared shows a living face, and as it shows a screen."""
    made, noise = tmp_path_factory.mktemp("clips"), np.random.default_rng(1)
    visit = [frame.image for frame in film((1.0, ()), (2.5, (RIGHT,)))]
    write(made / "porch.avi", visit)
    greys = [np.repeat(image.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2) for image in visit]
    write(made / "living.avi", [np.asarray(grey // 2 + 60, np.uint8) for grey in greys])
    write(made / "screen.avi", [noise.integers(0, 24, image.shape, np.uint8) for image in visit])
    return made


def events(folder: Path, infrared: str) -> tuple[list[tuple[str, str | None, str]], dict[str, Any]]:
    """What is announced of the visit, and the last state of the cameras."""
    path, found = folder / f"{Path(infrared).stem}.yaml", list[Event]()
    path.write_text(CONFIG.format(folder=folder, infrared=infrared))
    configuration = loader.load(path)

    def observe(result: FrameResult) -> None:
        assert result.frame.camera == "porch", "no one is searched for in a companion's pictures"
        found.extend(result.events)

    daemon = Daemon(configuration, observers=[observe])
    assert daemon.run() == 0, "it ends with the camera's clip, although the companion's goes on"
    seen: list[tuple[str, str | None, str]] = [(event.type, event.reason, event.liveness) for event in found]
    report = daemon._report({name: capture.state() for name, capture in daemon._captures.items()})
    return seen, dict(report["cameras"])


@pytest.mark.slow(seconds=15)
def test_a_face_is_living_a_spoof_or_undecided_by_what_infrared_shows(folder: Path) -> None:
    path = folder / "enroll.yaml"
    path.write_text(CONFIG.format(folder=folder, infrared="living.avi"))
    photos = [DATA / "obama2.jpg", DATA / "obama3.jpg"]
    PeopleService(loader.load(path)).enroll("obama", None, photos)

    living, cameras = events(folder, "living.avi")
    assert living == [("match", None, "living")]
    assert cameras["porch-ir"]["frames"] > FPS
    assert (cameras["porch-ir"]["processed"], cameras["porch-ir"]["drops"]) == (0, 0)
    assert cameras["porch"]["liveness"]["verdicts"] == {"living": 1}

    spoof, cameras = events(folder, "screen.avi")
    assert spoof == [("spoof", "no_infrared", "spoof")]

    away, cameras = events(folder, "missing.avi")
    assert away == [("match", None, "undecided")]
    assert cameras["porch-ir"]["problem"] == f"{folder}/missing.avi is neither a file nor a folder"
    assert set(cameras["porch"]["liveness"]["withheld"]) == {"no_picture"}


def test_a_companion_that_is_alone_online_is_no_sign_that_frames_should_be_processed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, asked = folder / "watchdog.yaml", list[bool]()
    path.write_text(CONFIG.format(folder=folder, infrared="living.avi"))
    daemon = Daemon(loader.load(path))
    monkeypatch.setattr("edgeface.core.systemd.watchdog_seconds", lambda: 0.0)

    def alive(*, online: bool) -> bool:
        asked.append(online)
        return False

    monkeypatch.setattr(daemon._health, "alive", alive)
    states = {name: capture.state() for name, capture in daemon._captures.items()}
    for status in ({"porch-ir"}, {"porch"}):
        now = {name: replace(one, status="online" if name in status else "offline") for name, one in states.items()}
        daemon._feed_watchdog(now)
    daemon._journal.close()
    assert asked == [False, True]
