from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgeface.cameras.capture import BACKOFF, LOGIN_PAUSE_SECONDS, MAX_READERS, MIN_PAUSE_SECONDS, Capture, CaptureState
from edgeface.cameras.freshness import DARK
from edgeface.cameras.mailbox import Mailbox
from edgeface.cameras.opencv import OpencvCamera
from edgeface.cameras.replay import ReplayCamera
from edgeface.core.errors import CameraError, CameraLoginError
from edgeface.core.types import CameraImage
from edgeface.daemon.report import camera_report
from edgeface.daemon.vision import MATCH_SECONDS, Tally
from edgeface.imaging.opencv import cv2
from tests.support.broker import until
from tests.support.clock import FixedClock
from tests.support.slack import Slack

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from edgeface.cameras.base import Camera
    from edgeface.core.clock import Clock
    from edgeface.core.types import Frame

SPEED = 8


class FastClock:
    """The machine's clock, several times as fast."""

    def monotonic(self) -> float:
        return time.monotonic() * SPEED

    def wall(self) -> float:
        return time.time() * SPEED

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / SPEED)


@dataclass
class Played:
    """A replay camera on the test's clock."""

    camera: ReplayCamera
    clock: Clock

    def images(self) -> Generator[CameraImage, None, None]:
        return self.camera.play(self.clock)


@dataclass
class Scripted:
    """Each opening follows the script: a number of images, then an error, the end, or a block until released."""

    turns: list[tuple[int, str]]
    clock: Clock = field(default_factory=FixedClock)
    opened_at: list[float] = field(default_factory=list)
    closed: int = 0
    message: str = "failure {}"
    released: threading.Event = field(default_factory=threading.Event)

    def images(self) -> Generator[CameraImage, None, None]:
        turn = len(self.opened_at)
        pictures, then = self.turns[min(turn, len(self.turns) - 1)]
        self.opened_at.append(self.clock.monotonic())
        try:
            for number in range(pictures):
                yield CameraImage(np.full((8, 8, 3), (turn * 16 + number) % 251, np.uint8), None)
            if then == "fail":
                raise CameraError(self.message.format(turn))
            if then == "refuse":
                raise CameraLoginError(self.message.format(turn))
            if then == "block":
                self.released.wait(20)
                yield CameraImage(np.full((8, 8, 3), 255, np.uint8), None)
        finally:
            self.closed += 1


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("frames")
    for number in range(120):
        bgr = np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8)
        cv2.imwrite(str(path / f"{number:03}.bmp"), bgr)
    return path


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    until(lambda: not set(threading.enumerate()) - before)


def replay(folder: Path, clock: Clock, *faults: dict[str, Any], **keys: Any) -> Played:
    camera = ReplayCamera.model_validate({"path": folder, "rate": 15, "loop": True, "faults": faults, **keys})
    return Played(camera, clock)


def drain(mailbox: Mailbox) -> list[Frame]:
    taken = []
    while (frame := mailbox.take(0)) is not None:
        taken.append(frame)
    return taken


def until_failed(capture: Capture, opening: int) -> None:
    until(lambda: capture.state().error == f"failure {opening}")


def statuses_until(capture: Capture, condition: Callable[[CaptureState], bool]) -> set[str]:
    seen: set[str] = set()

    def over() -> bool:
        state = capture.supervise()
        seen.add(state.status)
        return condition(state)

    until(over)
    return seen


def finish(capture: Capture) -> CaptureState:
    capture.stop()
    assert capture.join(5)
    return capture.state()


def running(camera: Camera, clock: Clock, **keys: Any) -> tuple[Capture, Mailbox]:
    mailbox = Mailbox()
    capture = Capture("porch", camera, mailbox, clock, **keys)
    capture.start()
    return capture, mailbox


def test_frames_are_stamped_numbered_and_read_only(folder: Path) -> None:
    clock = FixedClock(50.0, epoch=1e9)
    capture, mailbox = running(replay(folder, clock, loop=False, rate=10), clock)
    until(lambda: capture.state().status == "ended")
    frame = mailbox.take(0)
    assert frame is not None
    assert (frame.camera, frame.seq) == ("porch", 119)
    assert frame.monotonic == pytest.approx(61.9)
    assert frame.wall == pytest.approx(1e9 + 61.9)
    assert not frame.image.flags.writeable
    assert mailbox.drops == {"porch": 119}
    state = finish(capture)
    assert (state.frames, state.repeats, state.reopens) == (120, 0, 0)


def test_the_frame_rate_is_that_of_the_camera_and_sinks_when_it_is_gone(folder: Path) -> None:
    clock = FastClock()
    capture, _ = running(replay(folder, clock), clock)
    until(lambda: capture.state().frames > 45)
    state = capture.state()
    assert state.status == "online"
    assert state.fps == pytest.approx(15, rel=0.25)
    finish(capture)
    until(lambda: capture.state().fps == 0)


def test_a_clip_that_ends_is_ended_and_its_thread_too() -> None:
    camera = Scripted([(3, "end")])
    capture, mailbox = running(camera, FixedClock())
    until(lambda: capture.state().status == "ended")
    until(lambda: threading.active_count() == 1 or not capture._readers[0].alive)
    assert capture.supervise().status == "ended"
    assert camera.opened_at == [0.0]
    assert len(drain(mailbox)) == 1
    finish(capture)


def test_the_device_is_opened_again_after_1_2_and_then_every_3_seconds() -> None:
    clock = FixedClock()
    camera = Scripted([(0, "fail")], clock)
    capture, _ = running(camera, clock)
    for opening in range(9):
        until_failed(capture, opening)
        assert capture.state().status == "offline"
        wait = BACKOFF[min(opening + 1, len(BACKOFF) - 1)]
        clock.now += wait - 0.01
        time.sleep(0.06)
        assert len(camera.opened_at) == opening + 1
        clock.now += 0.02
    until(lambda: len(camera.opened_at) == 10)
    assert np.diff(camera.opened_at).round().tolist() == [1, 2, 3, 3, 3, 3, 3, 3, 3]
    state = finish(capture)
    assert state.reopens == 9
    assert camera.closed == 10


def test_after_a_refused_login_the_camera_is_opened_once_a_minute_and_at_once_after_a_reload() -> None:
    clock = FixedClock()
    camera = Scripted([(0, "refuse")], clock)
    capture, _ = running(camera, clock)
    for opening in range(4):
        until_failed(capture, opening)
        clock.now += LOGIN_PAUSE_SECONDS - 0.1
        time.sleep(0.06)
        assert len(camera.opened_at) == opening + 1
        if opening < 3:
            clock.now += 0.2
            until(lambda opening=opening: len(camera.opened_at) == opening + 2)  # type: ignore[misc]
    capture.retry_login()
    until(lambda: len(camera.opened_at) == 5)
    until_failed(capture, 4)
    finish(capture)


def test_only_the_wait_for_a_login_ends_with_a_reload() -> None:
    clock = FixedClock()
    camera = Scripted([(0, "refuse"), (0, "fail")], clock)
    capture, _ = running(camera, clock)
    until_failed(capture, 0)
    clock.now += LOGIN_PAUSE_SECONDS + 0.1
    until_failed(capture, 1)
    capture.retry_login()
    time.sleep(0.06)
    assert len(camera.opened_at) == 2
    clock.now += BACKOFF[-1] + 0.1
    until(lambda: len(camera.opened_at) == 3)
    finish(capture)


def test_an_unplugged_camera_is_asked_for_20_times_a_minute_and_never_less_than_every_4_seconds() -> None:
    clock = FixedClock()
    camera = Scripted([(0, "fail")], clock)
    capture, _ = running(camera, clock)
    for _ in range(60):
        seen = len(camera.opened_at)
        until(lambda seen=seen: capture.state().error == f"failure {seen - 1}")  # type: ignore[misc]
        clock.now += BACKOFF[-1]
        until(lambda seen=seen: len(camera.opened_at) > seen)  # type: ignore[misc]
    opened_at = np.array(camera.opened_at)
    assert max(np.sum((opened_at >= start) & (opened_at < start + 60)) for start in opened_at) <= 21
    assert np.diff(opened_at).max() < 5 - 1, "a second is left for the opening itself"
    finish(capture)


def test_a_host_that_does_not_answer_is_asked_again_a_second_after_the_timeout() -> None:
    clock = FixedClock()

    @dataclass
    class Silent:
        openings: list[float] = field(default_factory=list)

        def images(self) -> Generator[CameraImage, None, None]:
            self.openings.append(clock.now)
            clock.now += 10
            raise CameraError(f"timeout {len(self.openings)}")
            yield  # type: ignore[unreachable]

    camera = Silent()
    capture, _ = running(camera, clock)
    for opening in range(1, 6):
        until(lambda opening=opening: capture.state().error == f"timeout {opening}")  # type: ignore[misc]
        clock.now += MIN_PAUSE_SECONDS + 0.001
    until(lambda: len(camera.openings) == 6)
    finish(capture)
    assert np.diff(camera.openings).round(1).tolist() == [11.0] * 5


def test_what_is_not_there_is_known_at_once() -> None:
    for source in ("/dev/video63", "rtsp://127.0.0.1:1/x", "http://127.0.0.1:1/x"):
        began = time.monotonic()
        with pytest.raises(CameraError):
            next(OpencvCamera.model_validate({"source": source}).images())
        assert time.monotonic() - began < 5, source


def test_a_covered_lens_is_online_and_told_as_dark(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "edgeface.cameras.capture")
    clock = FastClock()
    random = np.random.default_rng(1)

    class Covered:
        def images(self) -> Generator[CameraImage, None, None]:
            while True:
                clock.sleep(0.1)
                yield CameraImage(random.integers(0, 20, (48, 64, 3), np.uint8), None)

    capture, mailbox = running(Covered(), clock)
    assert statuses_until(capture, lambda state: state.dark) <= {"offline", "online"}
    report = camera_report(capture.state(), Tally(), None, 0)
    assert (report["status"], report["problem"]) == ("online", DARK)
    assert drain(mailbox), "its images are processed like others"
    finish(capture)
    assert [record.getMessage() for record in caplog.records][-1] == f"camera porch is online: {DARK}"


@pytest.mark.parametrize(("pictures", "second_wait"), [(9, 2.0), (10, 1.0)])
def test_the_back_off_begins_again_after_good_pictures(pictures: int, second_wait: float) -> None:
    clock = FixedClock()
    camera = Scripted([(0, "fail"), (pictures, "fail"), (0, "fail")], clock)
    capture, _ = running(camera, clock)
    until_failed(capture, 0)
    clock.now += BACKOFF[1] + 0.1
    until_failed(capture, 1)
    clock.now += second_wait - 0.1
    time.sleep(0.06)
    assert len(camera.opened_at) == 2
    clock.now += 0.2
    until(lambda: len(camera.opened_at) == 3)
    finish(capture)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("freeze", "not changed for 2.5 s"),
        ("black", "not changed for 2.5 s"),
        ("stand", "timestamp has not changed for 2 s"),
        ("block", "no picture for 2 s"),
    ],
)
def test_a_stall_is_seen_within_3_seconds_and_nothing_old_is_passed_on(folder: Path, kind: str, why: str) -> None:
    clock = FastClock()
    fault = {"kind": kind, "at": 2.0, "seconds": 6.0}
    began = clock.monotonic()
    with Slack() as slack:
        capture, mailbox = running(replay(folder, clock, fault), clock)
        until(lambda: capture.state().status == "stalled")
    late = slack.late * SPEED
    assert 3.9 < clock.monotonic() - began < 2.0 + 3.0 + 1.5 + late
    assert why in (capture.state().error or "")
    last = drain(mailbox)[-1]
    assert last.monotonic - began < 2.0 + MATCH_SECONDS + late
    until(lambda: capture.supervise().status == "online")
    assert capture.state().error is None
    state = finish(capture)
    assert state.reopens >= 1
    assert (state.repeats > 0) == (kind in {"freeze", "black", "stand"})


def test_a_camera_that_shows_the_same_picture_after_reopening_stays_stalled() -> None:
    still = CameraImage(np.zeros((8, 8, 3), np.uint8), None)

    class Still:
        def images(self) -> Generator[CameraImage, None, None]:
            while True:
                time.sleep(0.005)
                yield still

    clock = FastClock()
    capture, mailbox = running(Still(), clock)
    until(lambda: capture.state().status == "stalled")
    drain(mailbox)
    assert statuses_until(capture, lambda state: state.reopens >= 2) == {"stalled"}
    assert drain(mailbox) == []
    finish(capture)


def test_a_jump_of_the_timestamps_is_no_stall(folder: Path) -> None:
    clock = FastClock()
    jumps = [{"kind": "jump", "at": at, "seconds": 1, "by": by} for at, by in ((1.0, -3600), (3.0, 86_400 * 365))]
    capture, _ = running(replay(folder, clock, *jumps), clock)
    assert statuses_until(capture, lambda state: state.frames > 80) <= {"offline", "online"}
    assert finish(capture).reopens == 0


def test_a_blocked_reader_is_replaced_and_passes_nothing_on_when_it_wakes() -> None:
    clock = FixedClock()
    camera = Scripted([(2, "block"), (3, "block")], clock)
    capture, mailbox = running(camera, clock)
    until(lambda: capture.state().frames == 2)
    clock.now += 2.1
    assert capture.supervise().status == "stalled"
    assert len(camera.opened_at) == 1, "the driver's own timeout comes first"
    clock.now += 2.0
    assert capture.supervise().blocked == 1
    clock.now += 1.1
    until(lambda: capture.state().frames == 5)
    assert capture.supervise().status == "online"
    capture.stop()
    assert not capture.join(0.05)
    camera.released.set()
    assert capture.join(5)
    assert [frame.seq for frame in drain(mailbox)] == [4]
    assert camera.closed == 2
    assert capture.state().blocked == 0


def test_a_driver_that_hangs_for_good_costs_a_bounded_number_of_threads() -> None:
    clock = FixedClock()
    camera = Scripted([(1, "block")], clock)
    capture, _ = running(camera, clock)

    def stuck() -> bool:
        clock.now += 10
        return capture.supervise().blocked == MAX_READERS - 1 and len(camera.opened_at) == MAX_READERS

    until(stuck)
    for _ in range(5):
        time.sleep(0.03)
        assert stuck()
    assert capture.state().status == "stalled"
    camera.released.set()
    finish(capture)


def test_switching_a_hung_camera_off_and_on_costs_no_more_threads() -> None:
    camera = Scripted([(1, "block")])
    capture, _ = running(camera, FixedClock())

    def switched() -> int:
        time.sleep(0.02)
        capture.disable()
        capture.enable()
        return len(camera.opened_at)

    until(lambda: switched() == MAX_READERS)
    assert [switched() for _ in range(5)] == [MAX_READERS] * 5
    camera.released.set()
    until(lambda: capture.supervise().frames > MAX_READERS)
    finish(capture)


def test_a_camera_that_was_not_started_or_is_stopped_stays_closed() -> None:
    camera = Scripted([(1, "block")])
    capture = Capture("porch", camera, Mailbox(), FixedClock(), enabled=False)
    capture.enable()
    assert (capture.supervise().status, camera.opened_at) == ("offline", [])
    capture.start()
    until(lambda: camera.opened_at)
    capture.stop()
    camera.released.set()
    finish(capture)
    assert (capture.supervise().status, len(camera.opened_at)) == ("offline", 1)


def test_an_opening_that_hangs_is_offline_and_given_up_after_30_seconds() -> None:
    clock = FixedClock()
    camera = Scripted([(0, "block"), (1, "block")], clock)
    capture, _ = running(camera, clock)
    until(lambda: camera.opened_at)
    clock.now += 29
    assert (capture.supervise().status, capture.state().blocked) == ("offline", 0)
    clock.now += 2
    assert capture.supervise().blocked == 1
    clock.now += 1.1
    until(lambda: capture.state().status == "online")
    camera.released.set()
    finish(capture)


def test_a_blocked_camera_holds_up_neither_the_others_nor_stopping(folder: Path) -> None:
    clock = FastClock()
    mailbox, hung = Mailbox(), Scripted([(1, "block")])
    captures = [
        Capture("hung", hung, mailbox, clock),
        Capture("good", replay(folder, clock), mailbox, clock),
    ]
    for capture in captures:
        capture.start()
    until(lambda: captures[1].state().frames > 20)
    began = time.monotonic()
    for capture in captures:
        capture.stop()
    assert [capture.join(0.2) for capture in reversed(captures)] == [True, False]
    assert time.monotonic() - began < 20
    hung.released.set()
    assert captures[0].join(5)


def test_disabling_closes_the_device_and_enabling_opens_it_again() -> None:
    clock = FastClock()
    camera = Scripted([(20, "fail")], clock)
    capture, mailbox = running(camera, clock, enabled=False)
    assert capture.supervise().status == "disabled"
    capture.enable()
    until(lambda: capture.state().frames >= 20)
    capture.disable()
    assert capture.state().status == "disabled"
    assert capture.join(5)
    assert camera.closed == len(camera.opened_at)
    openings, frames = len(camera.opened_at), capture.state().frames
    time.sleep(0.2)
    assert (capture.supervise().status, len(camera.opened_at)) == ("disabled", openings)
    capture.enable()
    capture.enable()
    until(lambda: capture.state().frames > frames)
    finish(capture)
    assert drain(mailbox)[-1].seq >= frames


def test_a_change_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "edgeface.cameras.capture")
    clock = FixedClock()
    camera = Scripted([(0, "fail")], clock, message="/dev/video0 does not exist")
    capture, _ = running(camera, clock)
    until(lambda: capture.state().error)
    for _ in range(20):
        clock.now += 31
        time.sleep(0.03)
        capture.supervise()
    finish(capture)
    assert [record.getMessage() for record in caplog.records] == ["camera porch is offline: /dev/video0 does not exist"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_reader_that_dies_of_a_bug_is_replaced() -> None:
    clock = FixedClock()

    @dataclass
    class Buggy:
        openings: int = 0

        def images(self) -> Generator[CameraImage, None, None]:
            self.openings += 1
            if self.openings == 1:
                raise KeyError(self.openings)
            yield CameraImage(np.zeros((8, 8, 3), np.uint8), None)
            raise CameraError("again")

    camera = Buggy()
    capture, _ = running(camera, clock)
    until(lambda: not capture._readers[0].alive)
    assert capture.state().status == "offline"
    assert capture.supervise().error == "its reader died"
    clock.now += 1.1
    until(lambda: capture.state().frames == 1)
    finish(capture)
