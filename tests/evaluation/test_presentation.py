"""One presentation: the verdict of the pipeline on what is shown, with a scripted liveness detector."""

from collections import deque
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeface.access.liveness import required_checks
from edgeface.cameras.replay import ReplayCamera
from edgeface.core.clock import SystemClock
from edgeface.core.errors import CameraError
from edgeface.core.types import Box, Detection, Frame, Image, Turn
from edgeface.evaluation import presentation
from edgeface.evaluation.presentation import TrialRules, frames_of, present
from edgeface.faces.calibration import CalibrationTable
from edgeface.faces.protocols import DetectionRequest
from edgeface.recognition.pipeline import PipelineRules
from edgeface.recognition.settings import Recognition, UnknownSettings
from tests.recognition.test_challenge import REST, turned
from tests.support.clock import FixedClock
from tests.support.scripted import FPS, GREY, Look, ScriptedDetector, ScriptedFaces, ScriptedRules, analyzer

ALICE = np.eye(1, 192, dtype=np.float32)[0]


@dataclass(slots=True)
class Faces(ScriptedFaces):
    """Scripted faces that a copy of the analyzer shares, and a second face in some frames."""

    screen: deque[Look | None] = field(default_factory=lambda: deque(maxlen=1))
    company: Container[int] = ()
    shown: Iterator[int] = field(default_factory=count)

    def detect(self, image: Image, request: DetectionRequest) -> list[Detection]:
        self.look = self.screen[0]
        found = ScriptedFaces.detect(self, image, request)
        second = Detection(Box(440, 120, 520, 220), 0.95, np.zeros((5, 2), np.float32))
        return [*found, second] if next(self.shown) in self.company else found


class Stage:
    """A camera whose faces are scripted, and what was said to the person in front of it."""

    def __init__(self, company: Container[int] = (), *, looks: bool = True, challenge: bool = False) -> None:
        self.faces = Faces(company=company)
        self.faces.liveness = ScriptedDetector(self.faces) if looks else None
        rules = ScriptedRules() if looks else None
        pipeline = PipelineRules("front", "b007", Recognition(), UnknownSettings(), liveness=rules)
        required = required_checks("challenge" if challenge else "passive", looks=looks)
        table = CalibrationTable.shipped()
        self.rules = TrialRules("porch", pipeline, analyzer(self.faces), table, required)
        self.clock = FixedClock()
        self.said: list[Any] = []

    def frames(self, looks: Iterator[Look | None]) -> Iterator[Frame]:
        for number, look in enumerate(looks):
            self.faces.look = look
            self.faces.screen.append(look)
            yield Frame("porch", number, self.clock.now, self.clock.wall(), GREY)
            self.clock.sleep(1 / FPS)

    def present(self, looks: Any) -> presentation.Outcome:
        return present(self.rules, self.frames(iter(looks)), self.clock, self.said.append)


def shown(*scores: float, **more: Any) -> Look:
    return Look(ALICE, scores=scores, **more)


def test_a_living_face_is_found_after_five_looks() -> None:
    found = Stage().present([None] * 3 + [shown(0.9, 0.6)] * 30)
    assert (found.verdict, found.looks) == ("living", 5)
    assert found.means == pytest.approx((0.9, 0.6))
    assert found.reasons == {}
    assert found.seconds == pytest.approx(7 / FPS)


def test_an_attack_is_found_to_be_a_spoof_with_the_reason() -> None:
    found = Stage().present([shown(0.9, 0.1)] * 30)
    assert (found.verdict, found.looks, found.reasons) == ("spoof", 5, {"screen_or_print": 1})
    assert found.means == pytest.approx((0.9, 0.1))


def test_what_is_between_the_limits_is_undecided_when_the_time_is_up() -> None:
    stage = Stage()
    found = stage.present(shown(0.9, 0.4) for _ in range(1000))
    assert found.verdict == "undecided"
    assert found.looks >= 10
    assert found.seconds == pytest.approx(presentation.VERDICT_SECONDS, abs=0.1)


def test_no_face_and_a_face_that_gives_no_look_are_no_response() -> None:
    found = Stage().present([None] * 20)
    assert (found.verdict, found.looks, found.means, found.reasons) == ("no_response", 0, (), {"no_face": 1})
    stage = Stage()
    found = stage.present([shown(reason="small")] * 20)
    assert (found.verdict, stage.said) == ("no_response", ["step_closer"])
    assert set(found.reasons) == {"small"}
    stage = Stage()
    found = stage.present([Look(ALICE, scores="close")] * 20)
    assert (found.verdict, stage.said) == ("no_response", ["step_back"])
    assert found.reasons["close"] >= 10


def test_a_presentation_starts_without_what_the_one_before_has_shown() -> None:
    stage = Stage()
    assert stage.present([shown(0.9, 0.1)] * 20).verdict == "spoof"
    # A spoof sticks to its place in the daemon; the next presentation is another visit.
    assert stage.present([shown(0.9, 0.9)] * 20).verdict == "living"


def test_a_second_face_starts_the_evidence_afresh_and_is_said_once() -> None:
    stage = Stage(company=(3, 4, 5))
    found = stage.present([shown(0.9, 0.9)] * 30)
    assert (found.verdict, found.looks, found.reasons) == ("living", 5, {"several_faces": 3})
    assert stage.said == [2]
    assert Stage(company=range(100)).present([shown(0.9, 0.9)] * 30).verdict == "no_response"


def obeying(stage: Stage, scores: tuple[float, ...] = (0.9, 0.9), *, other: bool = False) -> Iterator[Look]:
    """A head that turns as it is asked, or to the other side."""
    sides: dict[str, Turn] = {"turn_left": "left", "turn_right": "right"}
    opposite: dict[str, Turn] = {"turn_left": "right", "turn_right": "left"}
    while True:
        asked = stage.said[-1] if stage.said else None
        side = (opposite if other else sides).get(str(asked))
        stage.said.append(None)
        for yaw in REST if side is None else [*REST, *turned(side), *REST]:
            yield Look(ALICE, yaw=yaw, reason="turned" if abs(yaw) > 40 else None, scores=scores)


@pytest.mark.parametrize("looks", [True, False])
def test_a_head_that_turns_as_it_is_asked_is_living(*, looks: bool) -> None:
    stage = Stage(looks=looks, challenge=True)
    found = stage.present(obeying(stage))
    assert (found.verdict, found.reasons.keys() - {"turned"}) == ("living", set())
    assert bool(found.looks) == looks
    assert len([one for one in stage.said if one in {"turn_left", "turn_right"}]) >= 1


@pytest.mark.parametrize("looks", [True, False])
def test_a_head_that_fails_the_turns_twice_is_a_spoof(*, looks: bool) -> None:
    stage = Stage(looks=looks, challenge=True)
    found = stage.present(obeying(stage, other=True))
    assert (found.verdict, found.reasons["challenge"]) == ("spoof", 1)


def test_a_still_picture_fails_the_challenge() -> None:
    stage = Stage(challenge=True)
    found = stage.present(shown(0.9, 0.9) for _ in range(2000))
    assert (found.verdict, found.reasons) == ("spoof", {"challenge": 1})


def test_turns_are_not_asked_of_a_face_that_is_not_found_living() -> None:
    stage = Stage(challenge=True)
    assert stage.present(obeying(stage, scores=(0.9, 0.1))).verdict == "spoof"
    assert not {"turn_left", "turn_right"} & set(stage.said)
    stage = Stage(challenge=True)
    found = stage.present(shown(0.9, 0.4) for _ in range(2000))
    assert found.verdict == "undecided"
    assert not {"turn_left", "turn_right"} & set(stage.said)


def test_a_camera_that_ends_without_a_picture_is_an_error() -> None:
    with pytest.raises(CameraError, match="camera porch ended without a picture"):
        Stage().present([])


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    folder = tmp_path / "clip"
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((36, 64, 3), 60 + number, np.uint8))
    return folder


def replay(**keys: Any) -> ReplayCamera:
    return ReplayCamera.model_validate({"type": "replay", **keys})


def test_the_frames_of_a_clip_come_until_it_ends(clip: Path) -> None:
    found = list(frames_of("porch", {"porch": replay(path=clip)}, SystemClock(), {}))
    assert found
    assert {frame.camera for frame in found} == {"porch"}
    assert not found[0].image.flags.writeable


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"faults": [{"kind": "block", "at": 0.0, "seconds": 1.0}]}, "camera porch: no picture for 0 s"),
        ({"faults": [{"kind": "fail", "at": 0.0}]}, "camera porch: .* fails at 0.0 s"),
        ({"path": "missing.mp4"}, "camera porch: "),
    ],
)
def test_a_camera_that_fails_is_one_error(clip: Path, keys: dict[str, Any], problem: str) -> None:
    with pytest.raises(CameraError, match=problem):
        list(frames_of("porch", {"porch": replay(**{"path": clip, **keys})}, SystemClock(), {}, silent_seconds=0.3))


def test_the_frames_have_the_picture_of_the_companion(clip: Path) -> None:
    cameras = {"porch": replay(path=clip), "infrared": replay(path=clip)}
    found = list(frames_of("porch", cameras, SystemClock(), {"porch": "infrared"}))
    assert {frame.camera for frame in found} == {"porch"}
    companions = [frame.companion for frame in found if frame.companion is not None]
    assert {companion.camera for companion in companions} == {"infrared"}


def test_a_companion_that_fails_ends_the_presentation(clip: Path) -> None:
    cameras = {"porch": replay(path=clip), "infrared": replay(path="missing.mp4")}
    with pytest.raises(CameraError, match="camera infrared: "):
        list(frames_of("porch", cameras, SystemClock(), {"porch": "infrared"}))
