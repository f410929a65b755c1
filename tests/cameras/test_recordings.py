"""Recordings that are fed in place of a camera, through real streams, Capture and Mailbox."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice, pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgeface.cameras.capture import Capture
from edgeface.cameras.gstreamer import GstreamerCamera
from edgeface.cameras.mailbox import Mailbox
from edgeface.cameras.opencv import OpencvCamera
from edgeface.cameras.repetition import QUIET_SECONDS, REPEATED_PICTURES, REPEATED_TIMES
from edgeface.cameras.replay import ReplayCamera
from edgeface.cli import main
from edgeface.core.types import CameraImage
from edgeface.imaging.opencv import cv2
from tests.cameras.test_capture import FastClock, drain, finish
from tests.cameras.test_rtsp import REASON, Watch
from tests.support.broker import until
from tests.support.clock import FixedClock
from tests.support.mjpeg import mjpeg
from tests.support.moving import loop, moving
from tests.support.rtsp import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from edgeface.cameras.base import Camera, CameraBase
    from edgeface.core.clock import Clock
    from edgeface.core.types import Frame

FPS = 15


@dataclass
class Fed:
    """A camera whose pictures are given; it waits until the clock has come to the time of each."""

    pictures: Callable[[], Iterator[CameraImage]]
    clock: FixedClock
    openings: int = 0

    def images(self) -> Generator[CameraImage, None, None]:
        due = self.clock.now
        # After the time was read: who sees the opening may move the clock at once.
        self.openings += 1
        for picture in self.pictures():
            due += 1 / FPS
            while self.clock.now < due:
                time.sleep(0.0001)
            yield picture


class Stage:
    """A capture on a clock that moves picture by picture, with all that it passes on."""

    def __init__(self, pictures: Callable[[], Iterator[CameraImage]], *, recorded: bool = False) -> None:
        self.clock = FixedClock()
        self.camera = Fed(pictures, self.clock)
        self.mailbox = Mailbox()
        self.capture = Capture("porch", self.camera, self.mailbox, self.clock, recorded=recorded)
        self.capture.start()

    def run(self, seconds: float) -> list[Frame]:
        """The frames that are passed on in the next seconds."""
        passed = []
        for _ in range(round(seconds * FPS)):
            before, end = self.capture.state().frames, time.monotonic() + 8
            self.clock.now += 1 / FPS
            while self.capture.state().frames == before:
                assert time.monotonic() < end, "the picture was not taken"
                time.sleep(0.0002)
            passed += drain(self.mailbox)
        return passed


@contextmanager
def staged(pictures: Callable[[], Iterator[CameraImage]], *, recorded: bool = False) -> Iterator[Stage]:
    stage = Stage(pictures, recorded=recorded)
    try:
        yield stage
    finally:
        stage.capture.stop()
        stage.clock.now += 1000
        assert stage.capture.join(5)


def test_nothing_of_a_recording_is_passed_on_and_the_device_stays_open() -> None:
    with staged(lambda: loop(4 * FPS)) as stage:
        first = stage.run(4)
        assert [frame.doubtful for frame in first] == [False] * (4 * FPS)
        assert all(frame.doubtful for frame in stage.run(5))
        assert stage.capture.supervise().status == "online"
        stage.run(15)
        assert stage.run(10) == []
        state = stage.capture.supervise()
        assert (state.status, state.error, state.replayed) == ("stalled", REPEATED_PICTURES, REPEATED_PICTURES)
        assert state.repeated == 30 * FPS
        assert stage.camera.openings == 1


def test_a_camera_that_is_live_again_is_used_after_five_minutes() -> None:
    def pictures() -> Iterator[CameraImage]:
        clip = loop(4 * FPS)
        yield from (next(clip) for _ in range(20 * FPS))
        yield from (moving(1000 + number) for number in count())

    with staged(pictures) as stage:
        stage.run(20)
        assert stage.capture.supervise().status == "stalled"
        assert stage.run(QUIET_SECONDS - 1) == []
        assert not any(frame.doubtful for frame in stage.run(3))
        assert stage.capture.supervise().status == "online"


def test_switching_a_recording_off_and_on_does_not_help_it_and_does_a_live_camera_no_harm() -> None:
    numbers = count()

    def live() -> Iterator[CameraImage]:
        return (moving(next(numbers)) for _ in count())

    for pictures, status in ((live, "online"), (lambda: loop(4 * FPS), "stalled")):
        with staged(pictures) as stage:
            stage.run(20)
            stage.capture.disable()
            assert stage.capture.supervise().status == "disabled"
            stage.clock.now += 1
            until(lambda stage=stage: not any(reader.alive for reader in stage.capture._readers))  # type: ignore[misc]
            stage.capture.enable()
            until(lambda stage=stage: stage.camera.openings == 2)  # type: ignore[misc]
            passed = stage.run(2)
            assert stage.capture.supervise().status == status
            assert bool(passed) == (status == "online")


def test_timestamps_in_a_loop_are_a_recording_even_if_its_pictures_were_changed() -> None:
    def pictures() -> Iterator[CameraImage]:
        return (CameraImage(moving(number).image, 50 + number % 60 / FPS) for number in count())

    with staged(pictures) as stage:
        stage.run(17)
        assert stage.capture.supervise().error == REPEATED_TIMES
        assert stage.run(5) == []


def test_a_recording_by_configuration_may_repeat_itself() -> None:
    with staged(lambda: loop(2 * FPS), recorded=True) as stage:
        passed = stage.run(40)
        assert len(passed) == 40 * FPS
        assert not any(frame.doubtful for frame in passed)
        state = stage.capture.supervise()
        assert (state.status, state.replayed, state.repeated, state.recorded) == ("online", None, 0, True)


@pytest.mark.parametrize(
    ("keys", "recorded"),
    [
        ({"type": "replay", "path": "clip.mp4", "loop": True}, True),
        ({"type": "opencv", "source": "clip.mp4"}, True),
        ({"type": "opencv", "source": "/dev/video0"}, False),
        ({"type": "opencv", "source": 0}, False),
        ({"type": "opencv", "source": "rtsp://127.0.0.1/x"}, False),
        ({"type": "opencv", "source": "http://127.0.0.1/x"}, False),
        ({"type": "gstreamer", "preset": "test"}, True),
        ({"type": "gstreamer", "preset": "v4l2"}, False),
        ({"type": "gstreamer", "preset": "rtsp", "url": "rtsp://127.0.0.1/x"}, False),
        ({"type": "gstreamer", "pipeline": "videotestsrc"}, False),
    ],
)
def test_a_camera_knows_whether_it_plays_a_recording(keys: dict[str, object], *, recorded: bool) -> None:
    types: dict[object, type[CameraBase]] = {"replay": ReplayCamera, "opencv": OpencvCamera}
    assert types.get(keys["type"], GstreamerCamera).model_validate(keys).recorded is recorded


@pytest.mark.parametrize(("camera", "warnings"), [("type: replay, path: clip.mp4", 1), ("type: opencv, source: 0", 0)])
def test_check_warns_of_a_door_that_a_recording_opens(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    camera: str,
    warnings: int,
) -> None:
    path = tmp_path / "config.yaml"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.mp4").touch()
    path.write_text(
        f"data: {tmp_path / 'data'}\ncameras: {{porch: {{{camera}}}}}\nmqtt: {{}}\n"
        "doors: {front-door: {camera: porch, allow: [{person: alice}]}}\n"
    )
    assert main.main(["check", "--config", str(path)]) == 0
    warning = "door front-door: camera porch plays a recording, which opens it"
    assert capsys.readouterr().out.count(warning) == warnings


@dataclass
class Played:
    """An HTTP camera on the test's clock."""

    camera: OpencvCamera
    clock: Clock

    def images(self) -> Generator[CameraImage, None, None]:
        return self.camera.play(self.clock)


@pytest.mark.slow(seconds=8)
@pytest.mark.parametrize("kind", ["loop", "live"])
def test_a_loop_over_http_is_noticed_and_a_live_camera_is_not(kind: str) -> None:
    clock = FastClock()
    pictures = loop(4 * FPS) if kind == "loop" else (moving(number) for number in count())
    with mjpeg((picture.image for picture in pictures), FPS * 8) as address:
        camera: Camera = Played(OpencvCamera(source=address), clock)
        mailbox = Mailbox()
        capture = Capture("porch", camera, mailbox, clock)
        capture.start()
        if kind == "loop":
            # A pause of the machine is a longer one for this clock, and ends by itself.
            until(lambda: capture.supervise().error == REPEATED_PICTURES, 20)
            drain(mailbox)
        else:
            until(lambda: capture.supervise().frames > 30 * FPS, 20)
            assert (capture.state().status, capture.state().repeated) == ("online", 0)
        finish(capture)
        assert bool(drain(mailbox)) == (kind == "live")


@pytest.mark.needs_gstreamer
@pytest.mark.skipif(REASON is not None, reason=str(REASON))
@pytest.mark.slow(seconds=20)
@pytest.mark.parametrize("kind", ["loop", "still", "live"])
def test_a_loop_over_rtsp_is_noticed_and_live_and_still_pictures_are_not(kind: str) -> None:
    guards = {"loop": ("loop", "3"), "still": ("still",), "live": ()}
    server = Server(guard=guards[kind])
    server.start()
    try:
        with Watch(server.address(), work=0.0) as watch:
            if kind == "loop":
                until(lambda: watch.errors() == [REPEATED_PICTURES] * 2, 30)
                assert watch.status() == {"stalled"}
            else:
                watch.both(lambda _: True, 10)
                time.sleep(16)
                states = [capture.state() for capture in watch.captures.values()]
                assert [state.replayed for state in states] == [None, None]
                assert min(state.frames for state in states) > 100
                assert kind == "still" or watch.status() == {"online"}
    finally:
        server.kill()


@pytest.mark.needs_gstreamer
@pytest.mark.skipif(REASON is not None, reason=str(REASON))
@pytest.mark.slow(seconds=6)
def test_opencv_passes_on_the_timestamps_of_an_rtsp_stream_that_run_in_a_loop() -> None:
    server = Server(guard=("loop", "1.5", "stamps"))
    server.start()
    try:
        images = OpencvCamera(source=server.address()).images()
        stamps = [one.timestamp for one in islice(images, 120) if one.timestamp is not None]
        images.close()
    finally:
        server.kill()
    assert sum(later < earlier - 1 for earlier, later in pairwise(stamps)) >= 2


def test_a_clip_on_disk_plays_in_a_loop_as_before(tmp_path: Path) -> None:
    for number in range(2 * FPS):
        cv2.imwrite(str(tmp_path / f"{number:03}.png"), moving(number).image)
    clock = FastClock()
    camera = ReplayCamera(path=tmp_path, loop=True)
    mailbox = Mailbox()
    capture = Capture("porch", Played(camera, clock), mailbox, clock, recorded=camera.recorded)  # type: ignore[arg-type]
    capture.start()
    until(lambda: capture.supervise().frames > 20 * FPS)
    assert finish(capture).repeated == 0
    assert not np.any([frame.doubtful for frame in drain(mailbox)])
