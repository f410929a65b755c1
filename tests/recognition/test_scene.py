import numpy as np
import pytest

from edgeface.core.types import Box, Detection, Match
from edgeface.recognition.decision import Decision, Evidence
from edgeface.recognition.scene import CROWD, MAX_FACES, Scene
from edgeface.recognition.settings import UnknownSettings
from edgeface.recognition.visit import Conclusion, Visit, continues

FACE = np.eye(4, dtype=np.float32)
BOX = Box(0, 0, 50, 60)


def visit(number: int, face: int = 0, since: float = 0.0, seen: float = 1.0) -> Visit:
    evidence = Evidence((FACE[face],), (seen,), seen)
    made = Visit(number, since, seen, BOX, evidence=evidence)
    made.decision = Decision("match", Match("alice", 0.9, 0.1), 3)
    made.conclusion, made.announced = ("match", "alice"), True
    return made


def vars_of(made: Visit) -> tuple[int, float, Conclusion | None, bool]:
    return made.number, made.since, made.conclusion, made.announced


@pytest.mark.parametrize(
    ("then", "seconds", "frames"),
    [
        (BOX, 0.1, 1),
        (BOX.moved(0.4 * BOX.height, 0), 0.1, 1),
        (BOX.moved(0.6 * BOX.height, 0), 0.1, 0),
        (BOX, 0.55, 0),
        (Box(-5, -6, 55, 66), 0.1, 1),
        (Box(-10, -12, 60, 72), 0.1, 0),
    ],
    ids=["still", "moves", "jumps", "was away", "grows", "grows suddenly"],
)
def test_evidence_starts_again_where_the_face_may_be_another_one(then: Box, seconds: float, frames: int) -> None:
    scene = Scene()
    landmarks = np.zeros((5, 2), np.float32)
    for now in (0.8, 0.9, 1.0):
        (before,) = scene.track([Detection(BOX, 0.95, landmarks)], (), now)
    before.evidence = Evidence((FACE[0],), (1.0,), 1.0)
    (after,) = scene.track([Detection(then, 0.95, landmarks)], (), 1.0 + seconds)
    assert after is before
    assert after.evidence.frames == frames


@pytest.mark.parametrize(("seconds", "frames"), [(0.7, 1), (1.0, 1), (1.25, 1), (2.0, 1)])
def test_the_frames_of_a_slow_camera_are_no_gap(seconds: float, frames: int) -> None:
    scene = Scene()
    for number in range(4):
        (seen,) = scene.track([Detection(BOX, 0.95, np.zeros((5, 2), np.float32))], (), number * seconds)
        seen.evidence = seen.evidence if number else Evidence((FACE[0],), (0.0,), 0.0)
    assert seen.evidence.frames == frames


def test_before_a_slow_camera_too_a_face_that_was_away_may_be_another_one() -> None:
    scene, face = Scene(), Detection(BOX, 0.95, np.zeros((5, 2), np.float32))
    for now in (0.0, 1.0, 2.0):
        (seen,) = scene.track([face], (), now)
    seen.evidence = Evidence((FACE[0],), (2.0,), 2.0)
    assert scene.track([], {seen.number}, 3.0) == []
    assert scene.track([face], {seen.number}, 4.2) == [seen]
    assert seen.evidence.frames == 0


def test_an_announced_track_that_ends_leaves_after_the_gap_and_once() -> None:
    scene = Scene(visits={7: visit(7, seen=10.0)})
    scene.end([7])
    assert list(scene.left(11.9, gap=2.0)) == []
    assert [v.number for v in scene.left(12.0, gap=2.0)] == [7]
    assert list(scene.left(20.0, gap=2.0)) == []


def test_a_track_that_was_never_announced_is_counted_with_its_reason() -> None:
    silent = Visit(3, 0.0, 1.0, BOX)
    silent.rejected.update({"blurred": 4, "small": 1})
    scene = Scene(visits={3: silent, 4: Visit(4, 0.0, 1.0, BOX)})
    scene.end([3, 4])
    assert dict(scene.undecided) == {"blurred": 1, "few_frames": 1}
    assert scene.gone == []


def test_the_same_face_found_again_goes_on_under_its_old_number() -> None:
    scene = Scene(visits={7: visit(7, since=0.5)})
    scene.end([7])
    again = visit(8)
    again.conclusion, again.announced = None, False
    scene.resume(again, same=0.5)
    assert vars_of(again) == (7, 0.5, ("match", "alice"), True)
    assert list(scene.left(99.0, gap=2.0)) == []


def unknown(number: int, face: int) -> Visit:
    made = visit(number, face)
    made.decision, made.conclusion = Decision("unknown", None, 5), ("unknown", f"u-000{number}")
    return made


def test_another_person_does_not_take_over() -> None:
    other = visit(8)
    other.decision = Decision("match", Match("bob", 0.9, 0.1), 3)
    assert not continues(other, visit(7), same=0.5)
    assert continues(visit(9), visit(7), same=0.5)


def test_a_stranger_goes_on_by_likeness_and_never_as_somebody_enrolled() -> None:
    assert continues(unknown(8, face=1), unknown(7, face=1), same=0.5)
    assert not continues(unknown(8, face=1), unknown(7, face=2), same=0.5)
    assert not continues(unknown(8, face=1), visit(7, face=1), same=0.5)
    assert not continues(visit(8, face=1), unknown(7, face=1), same=0.5)


def test_the_rate_limit_counts_what_it_holds_back_and_opens_again() -> None:
    scene = Scene()
    rules = UnknownSettings(per_minute=6)
    allowed = [scene.may_announce_unknown(float(n), rules) for n in range(10)]
    assert allowed == [True] * 6 + [False] * 4
    assert scene.held_back == 4
    assert scene.may_announce_unknown(60.0, rules)


@pytest.mark.parametrize(("faces", "at_once"), [(CROWD - 1, MAX_FACES), (CROWD, 1), (CROWD + 3, 1)])
def test_faces_are_judged_few_at_once_and_in_turns(faces: int, at_once: int) -> None:
    scene, found = Scene(), Detection(BOX, 0.95, np.zeros((5, 2), np.float32))
    visits = [Visit(number, 0.0, 0.0, BOX, found) for number in range(faces)]
    turns = [[one.number for one, _ in scene.to_judge(visits, 1.0 + turn)] for turn in range(faces // at_once)]
    assert {len(turn) for turn in turns} == {at_once}
    assert sorted(number for turn in turns for number in turn) == list(range(faces))
