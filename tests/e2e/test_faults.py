"""The whole daemon with cameras and models that fail: what is said, when, and what is not."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from pydantic import PrivateAttr

from edgeface.cameras.replay import ReplayCamera
from edgeface.config import loader
from edgeface.core.clock import SystemClock
from edgeface.daemon.daemon import Daemon
from edgeface.daemon.vision import HANG_SECONDS, MATCH_SECONDS
from edgeface.faces.detectors.tiled_blazeface import BlazefaceDetector
from edgeface.imaging.opencv import cv2
from tests.e2e.test_daemon import RIGHT, edgeface
from tests.support.broker import Listener, until
from tests.support.disks import _small_disk, mount  # noqa: F401 - a fixture
from tests.support.film import DATA, FPS, film
from tests.support.slack import Slack
from tests.support.threaded import threaded

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from edgeface.config.configuration import Configuration
    from edgeface.core.clock import Clock
    from edgeface.core.types import CameraImage, Detection, Image
    from edgeface.demo.mosquitto import Mosquitto
    from edgeface.faces.protocols import DetectionRequest, Detector, SearchGrid

pytestmark = pytest.mark.broker

# The person is there from ARRIVES on. The fault comes before the three frames that a match needs.
ARRIVES, BEGINS, SECONDS = 3.0, 3.1, 6.0
ENDS = BEGINS + SECONDS
STATUS = {"freeze": "stalled", "stand": "stalled", "black": "stalled", "block": "stalled", "fail": "offline"}
UNDISTURBED = ("jump", "plain")


class Broken(ReplayCamera):
    """A replay camera whose fault keeps to the clock, and not to the opening; the person stays in view."""

    _then: ReplayCamera = PrivateAttr()
    _openings: list[float] = PrivateAttr(default_factory=list)

    @classmethod
    def made(cls, first: ReplayCamera, then: Path) -> Broken:
        camera = cls.model_validate({name: getattr(first, name) for name in ReplayCamera.model_fields})
        camera._then = first.model_copy(update={"path": then})
        return camera

    @property
    def openings(self) -> tuple[float, ...]:
        return tuple(self._openings)

    def images(self) -> Generator[CameraImage, None, None]:
        now = time.monotonic()
        first = not self._openings
        self._openings.append(now)
        moved = [fault.model_copy(update={"at": fault.at - (now - self._openings[0])}) for fault in self.faults]
        camera = self._then.model_copy(update={"faults": tuple(moved)} | ({"path": self.path} if first else {}))
        return camera.images()


def written(path: Path, empty: float, seconds: float) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (640, 480))
    for frame in film((empty, ()), (seconds, (RIGHT,))):
        writer.write(cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The person comes, and the person is there."""
    folder = tmp_path_factory.mktemp("clips")
    return written(folder / "comes.avi", ARRIVES, 5.0), written(folder / "there.avi", 0.0, 10.0)


def configured(folder: Path, port: int, cameras: str) -> Configuration:
    path = folder / "config.yaml"
    path.write_text(f"device: front\ndata: {folder / 'data'}\ncameras:\n{cameras}mqtt: {{port: {port}}}\n")
    edgeface("enroll", "--config", path, "obama", DATA / "obama2.jpg", DATA / "obama3.jpg")
    return loader.load(path)


class Jumping(SystemClock):
    """The machine's clock, whose wall jumps an hour or a year, forward and back, five times a second."""

    def wall(self) -> float:
        jumps = (0.0, 3600.0, -3600.0, 31_536_000.0, -31_536_000.0)
        return super().wall() + jumps[int(self.monotonic() * 5) % len(jumps)]


@contextmanager
def running(configuration: Configuration, clock: Clock | None = None) -> Iterator[Daemon]:
    daemon = Daemon(configuration, clock)
    with threaded(daemon):
        yield daemon


def matches(listener: Listener, camera: str) -> list[float]:
    said = [heard for heard in listener.heard if heard.topic == f"edgeface/front/{camera}/event"]
    return [heard.at for heard in said if heard.json["event_type"] == "match"]


def statuses(listener: Listener, camera: str) -> list[tuple[float, str]]:
    topic = f"edgeface/front/{camera}/status"
    return [(heard.at, heard.payload.decode()) for heard in listener.heard if heard.topic == topic]


@pytest.mark.slow(seconds=20)
def test_a_camera_that_fails_is_told_says_nobody_and_comes_back_whatever_the_wall_clock_does(
    tmp_path: Path, clips: tuple[Path, Path], broker: Mosquitto, listen: Callable[..., Listener]
) -> None:
    lines = ""
    for name in (*STATUS, *UNDISTURBED):
        fault = f"{{kind: {name}, at: {BEGINS}, seconds: {SECONDS}, by: -3600}}"
        faults = "" if name == "plain" else f", faults: [{fault}]"
        lines += f"  {name}: {{type: replay, path: {clips[0]}, fps: 6{faults}}}\n"
    settings = configured(tmp_path, broker.port, lines)
    cameras = {
        name: Broken.made(camera, clips[1])
        for name, camera in settings.cameras.items()
        if isinstance(camera, ReplayCamera)
    }
    listener = listen(broker, "edgeface/#")
    with Slack() as slack, running(settings.model_copy(update={"cameras": cameras}), Jumping()):
        time.sleep(ENDS + 8)
        opened = {name: camera.openings for name, camera in cameras.items()}
        heard_until = time.monotonic()
    for name, status in STATUS.items():
        began = opened[name][0]
        told = [(at - began, text) for at, text in statuses(listener, name) if at < heard_until]
        when = next(at for at, text in told if text == status and at > BEGINS)
        assert when < BEGINS + 3.0 + slack.late, f"{name} is {status} only after {when - BEGINS:.1f} s"
        back = next(at for at, text in told if text == "online" and at > when)
        assert back < ENDS + 5.0 + slack.late, f"{name} is online only {back - ENDS:.1f} s after the fault"
        said = [at - began for at in matches(listener, name)]
        assert not [at for at in said if BEGINS + MATCH_SECONDS < at < min(back, ENDS)], (name, said)
        assert [at for at in said if at + 0.5 > ENDS], f"{name} works again, and yet nobody is recognised"
        assert len(opened[name]) <= 1 + (SECONDS + 8) / 1.5, f"{name}: a storm of openings"
    for name in UNDISTURBED:
        began = opened[name][0]
        soon = ARRIVES + 4.5 + slack.late
        told_early = [text for at, text in statuses(listener, name) if at < began + ARRIVES + 4.5]
        # A slow machine is asked before the device is open.
        assert told_early in (["online"], ["offline", "online"]), (name, told_early)
        assert len(opened[name]) == 1
        assert [ARRIVES < at - began < soon for at in matches(listener, name)] == [True]


@dataclass
class Hung:
    """A detector that works, and hangs at the third picture with a face until it is released."""

    inner: Detector
    released: threading.Event = field(default_factory=threading.Event)
    hung_at: float | None = None
    seen: int = 0

    def grid(self, width: int, height: int) -> SearchGrid:
        return self.inner.grid(width, height)

    def detect(self, image: Image, look: DetectionRequest) -> list[Detection]:
        found = self.inner.detect(image, look)
        self.seen += bool(found)
        if self.seen == 3 and self.hung_at is None:
            self.hung_at = time.monotonic()
            assert self.released.wait(30)
        return found


class Hanging(BlazefaceDetector):
    """The settings of the detector that ships, which open one that hangs."""

    _hung: Hung = PrivateAttr()

    def model_post_init(self, _context: object, /) -> None:
        self._hung = Hung(super().open())

    @property
    def detector(self) -> Hung:
        return self._hung

    def open(self, threads: int = 1) -> Detector:  # noqa: ARG002 - the signature is the detector's
        return self._hung


@contextmanager
def service_manager(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """What systemd hears of the watchdog, each half of 1 s."""
    kicks: list[float] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(folder / "notify"))
        channel.settimeout(0.2)
        monkeypatch.setenv("NOTIFY_SOCKET", str(folder / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "1000000")
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
        over = threading.Event()

        def hear() -> None:
            while not over.is_set():
                try:
                    text = channel.recv(4096)
                except TimeoutError:
                    continue
                if b"WATCHDOG=1" in text:
                    kicks.append(time.monotonic())

        thread = threading.Thread(target=hear)
        thread.start()
        yield kicks
        over.set()
        thread.join()


@pytest.mark.slow(seconds=12)
def test_an_inference_that_hangs_starves_the_watchdog_and_its_frame_opens_nothing(
    tmp_path: Path,
    clips: tuple[Path, Path],
    broker: Mosquitto,
    listen: Callable[..., Listener],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = configured(tmp_path, broker.port, f"  porch: {{type: replay, path: {clips[1]}, loop: true, fps: 6}}\n")
    hanging = Hanging(type="blazeface")
    detector = hanging.detector
    listener = listen(broker, "edgeface/#")
    with (
        service_manager(tmp_path, monkeypatch) as kicks,
        running(settings.model_copy(update={"detector": hanging})),
    ):
        until(lambda: detector.hung_at, 10)
        hung = detector.hung_at or 0.0
        time.sleep(HANG_SECONDS + 3.0)
        starved = [kick for kick in kicks if kick > hung + HANG_SECONDS + 0.3]
        assert [kick for kick in kicks if kick < hung + 2.0], "the watchdog was fed before"
        assert starved == []
        assert matches(listener, "porch") == []
        count = len(kicks)
        wall = time.time()
        detector.released.set()
        until(lambda: len(kicks) > count, 5)
        time.sleep(2.0)
    for heard in listener.heard:
        if heard.topic.endswith("/porch/event") and heard.json["event_type"] == "match":
            captured = time.strptime(heard.json["captured_at"][:19], "%Y-%m-%dT%H:%M:%S")
            assert captured >= time.gmtime(wall - 2.0), "a match from before the hang was said after it"


def fill(disk: Path) -> None:
    try:
        (disk / "filler").write_bytes(bytes(8 << 20))
    except OSError:
        return
    raise AssertionError("the disk took more than it can hold")


def forbid_writing(disk: Path) -> None:
    assert mount("-o", "remount,ro", disk)


@pytest.mark.parametrize("spoil", [fill, forbid_writing], ids=["full", "read-only"])
def test_a_daemon_that_starts_on_a_spoilt_disk_matches_and_says_so(
    spoil: Callable[[Path], None],
    small_disk: Path,
    clips: tuple[Path, Path],
    broker: Mosquitto,
    listen: Callable[..., Listener],
) -> None:
    settings = configured(small_disk, broker.port, f"  porch: {{type: replay, path: {clips[1]}, loop: true, fps: 6}}\n")
    spoil(small_disk)
    listener = listen(broker, "edgeface/#")
    with running(settings):
        until(lambda: matches(listener, "porch"), 20)
        until(lambda: [heard for heard in listener.heard if heard.topic.endswith("/state")], 5)
        states = [heard.json for heard in listener.heard if heard.topic == "edgeface/front/state"]
        assert states[-1]["journal"]["problem"] or states[-1]["problems"], states[-1]
