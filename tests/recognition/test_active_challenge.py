"""A challenge in the pipeline: which frames it follows, what ends it, and what the turns leave of the evidence."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from edgeface.core.types import (
    Box,
    ChallengeReport,
    ChallengeRequest,
    Claim,
    Detection,
    Embedding,
    Event,
    Image,
    Prompt,
)
from edgeface.faces.protocols import DetectionRequest
from tests.recognition.test_challenge import REST, turned
from tests.recognition.test_liveness import ALICE, STRANGER, opened
from tests.support.scripted import FPS, ScriptedFaces, play
from tests.support.scripted import Look as Shown

ELSEWHERE = Box(440, 120, 520, 220)
PASSES = [*REST, *turned("left"), *REST, *turned("right"), *REST, *REST]


def course(yaws: Sequence[float], face: object = ALICE) -> list[Shown]:
    return [Shown(face, yaw=yaw, reason="turned" if abs(yaw) > 40 else None) for yaw in yaws]  # type: ignore[arg-type]


class TwoFaces(ScriptedFaces):
    """A second face stands aside from a moment on."""

    company = False

    def detect(self, image: Image, request: DetectionRequest) -> list[Detection]:
        found = super().detect(image, request)
        if self.company and found:
            found.append(Detection(ELSEWHERE, 0.95, np.zeros((5, 2), np.float32)))
        return found


class Counting(ScriptedFaces):
    """Counts what is embedded."""

    embedded = 0

    def embed(self, image: Image, detection: Detection) -> Embedding:
        self.embedded += 1
        return super().embed(image, detection)


class Door:
    """A pipeline that has matched Alice, as a door sees it; time goes on with each picture."""

    def __init__(self, faces: ScriptedFaces | None = None) -> None:
        self.faces = faces or ScriptedFaces()
        self.pipeline = opened(self.faces)
        self.reports: list[ChallengeReport] = []
        self.events: list[Event] = []
        self.claims: list[Claim] = []
        self.prompts: list[Prompt | None] = []
        self.now = 0.0
        self.visit = 0
        self.show(course([0.0] * 15))

    def show(self, looks: Sequence[Shown | None], *, doubtful: bool = False) -> None:
        """Show pictures, and keep the results of these alone."""
        self.reports, self.events, self.claims, self.prompts = [], [], [], []
        for result in play(self.pipeline, self.faces, looks, start=self.now, doubtful=doubtful):
            self.prompts += [face.prompt for face in result.faces]
            self.reports += result.challenges
            self.events += result.events
            self.claims += result.claims
            self.visit = result.faces[0].track if result.faces else self.visit
        self.now += len(looks) / FPS

    def ask(self, number: int = 1, *, final: bool = False) -> None:
        self.pipeline.challenge(ChallengeRequest(number, "porch", self.visit, "alice", ("left", "right"), final))

    @property
    def since(self) -> float:
        """The time of the first frame of the evidence."""
        (visit,) = self.pipeline._scenes["porch"].visits.values()
        return visit.evidence.since

    @property
    def result(self) -> str | None:
        return self.reports[-1].result if self.reports else None


def alike(cosine: float) -> np.ndarray:
    """A face that resembles Alice's by so much."""
    return np.asarray(cosine * ALICE + np.sqrt(1 - cosine**2) * STRANGER, np.float32)


def as_a_head(yaws: Sequence[float], turned_face: np.ndarray) -> Iterator[Shown]:
    """Alice's face from the front, and another embedding from the side."""
    return (course([yaw], turned_face if abs(yaw) > 15 else ALICE)[0] for yaw in yaws)


def test_turned_frames_do_not_start_the_evidence_afresh() -> None:
    door = Door()
    door.ask()
    since = door.since
    # Less than `same`, more than `near`: among the evidence it would be another face.
    door.show([*as_a_head(PASSES, alike(0.42))])
    assert (door.result, door.claims[-1].passed) == ("passed", "both")
    assert door.since == since
    assert door.claims[-1].score == pytest.approx(1.0)
    assert door.events == []


def test_a_turned_face_below_near_is_another_one() -> None:
    door = Door()
    door.ask()
    door.show([*as_a_head(PASSES, alike(0.3))])
    assert door.result == "failed"


def test_a_stranger_from_the_side_passes_no_turn() -> None:
    """Beyond 35 degrees a frame may be of anyone; that one of them must not."""
    door = Door()
    door.ask()
    way = [14.0, 24.0, *[44.0] * 6, 24.0, 14.0]
    looks = [course([yaw], STRANGER if abs(yaw) > 35 else ALICE)[0] for yaw in [*REST, *way, *REST]]
    door.show(looks * 3)
    assert [(report.turn, report.result) for report in door.reports] == [("left", None)]
    assert {claim.passed for claim in door.claims} <= {"passive"}


def test_someone_else_in_view_fails_it() -> None:
    faces = TwoFaces()
    door = Door(faces)
    door.ask()
    door.show(course([*REST, *turned("left")[:6]]))
    faces.company = True
    door.show(course(turned("left")[6:10]))
    assert door.result == "failed"


@pytest.mark.parametrize("reason", ["dark", "cut", "small"])
def test_frames_whose_landmarks_may_be_wrong_are_not_followed(reason: str) -> None:
    door = Door()
    door.ask()
    door.show([Shown(ALICE, yaw=look.yaw, reason=reason) for look in course(PASSES)])  # type: ignore[arg-type]
    assert door.result == "failed"
    assert "left" not in {event.type for event in door.events}


@pytest.mark.parametrize("reason", ["turned", "blurred"])
def test_frames_that_are_turned_or_blurred_are_followed(reason: str) -> None:
    door = Door()
    door.ask()
    looks = [Shown(ALICE, yaw=yaw, reason=reason if abs(yaw) > 15 else None) for yaw in PASSES]  # type: ignore[arg-type]
    door.show(looks)
    assert door.result == "passed"


def test_a_visit_that_is_gone_has_failed_and_the_next_one_is_asked() -> None:
    door = Door()
    door.ask()
    door.show(course([*REST, *turned("left")[:8]]))
    door.show([None] * 30)
    assert door.result == "failed"
    door.show(course([0.0] * 15))
    door.ask(2)
    door.show(course(PASSES))
    assert [report.request.number for report in door.reports] == [2, 2, 2]
    assert door.result == "passed"


def test_who_fails_for_the_last_time_is_a_spoof_and_is_asked_no_more() -> None:
    door = Door()
    door.ask()
    door.show(course([*REST, *turned("right"), *REST]))
    assert (door.result, door.events) == ("failed", [])
    door.ask(2, final=True)
    door.show(course([*REST, *turned("right"), *REST]))
    (event,) = door.events
    assert (event.type, event.reason, event.person, event.looks_like) == ("spoof", "challenge", None, "alice")
    door.ask(3)
    door.show(course(PASSES))
    assert (door.reports, door.claims, door.events) == ([], [], [])


def test_a_second_challenge_does_not_replace_the_first() -> None:
    door = Door()
    door.ask()
    door.ask(2)
    door.show(course(PASSES))
    assert {report.request.number for report in door.reports} == {1}


def test_no_claim_passes_before_the_last_turn_is_done() -> None:
    door = Door()
    door.ask()
    door.show(course([*REST, *turned("left"), *REST, *REST]))
    assert [(report.turn, report.result) for report in door.reports] == [("left", None), ("right", None)]
    assert {claim.passed for claim in door.claims} <= {"passive"}


def test_a_claim_after_the_turns_has_passed_the_challenge() -> None:
    door = Door()
    door.ask()
    door.show(course(PASSES))
    assert [(report.turn, report.result) for report in door.reports] == [
        ("left", None),
        ("right", None),
        (None, "passed"),
    ]
    assert door.events == []
    assert {claim.passed for claim in door.claims[:3]} == {"passive"}
    assert door.claims[-1].passed == "both"


def test_what_was_passed_counts_for_a_while_only() -> None:
    door = Door()
    door.ask()
    door.show(course([*PASSES, *[0.0] * round(14 * FPS)]))
    assert door.claims[-1].passed == "passive"


def test_what_was_passed_does_not_count_for_the_next_face() -> None:
    door = Door()
    door.ask()
    door.show(course(PASSES))
    # Longer than the time between two checks of someone who is known.
    door.show(course([0.0] * 60, STRANGER))
    door.show(course([0.0] * 75))
    assert door.claims
    assert {claim.passed for claim in door.claims} <= {"off", "passive"}


@pytest.mark.parametrize(
    "looks",
    [[*course([*REST, *turned("left")[:5]]), *course(turned("left")[5:], STRANGER)], course([0.0] * 140)],
    ids=["another face", "no turn"],
)
def test_another_face_or_no_turn_fails_it(looks: list[Shown | None]) -> None:
    door = Door()
    door.ask()
    door.show(looks)
    assert door.result == "failed"
    assert {claim.passed for claim in door.claims} <= {"off", "passive"}


def test_pictures_that_were_seen_before_are_no_turn() -> None:
    door = Door()
    door.ask()
    door.show(course(PASSES), doubtful=True)
    assert door.result == "failed"
    door.show(course([0.0] * 30))
    assert {claim.passed for claim in door.claims} <= {"passive"}


def test_the_prompt_says_where_to_turn_and_to_come_back() -> None:
    door = Door()
    door.ask()
    door.show(course(PASSES))
    assert list(dict.fromkeys(door.prompts))[:4] == ["turn_left", "face_camera", "turn_right", None]


def test_a_visit_that_is_not_in_view_is_not_asked() -> None:
    door = Door()
    door.ask()
    door.pipeline.challenge(ChallengeRequest(2, "porch", 99, "alice", ("left",), False))
    door.pipeline.challenge(ChallengeRequest(3, "gate", door.visit, "alice", ("left",), False))
    door.show(course([0.0] * 3))
    assert [report.request.number for report in door.reports] == [1]


def test_a_frame_is_embedded_once_while_the_head_turns() -> None:
    faces = Counting()
    door = Door(faces)
    door.ask()
    before = faces.embedded
    door.show(course([*REST, *turned("left")]))
    assert faces.embedded - before == len(REST) + len(turned("left"))
