"""Liveness of a visit: the verdict of its looks, spoofs that stick, and what an event says of them."""

from typing import Any

import numpy as np
import pytest

from edgeface.core.settings import Level
from edgeface.core.types import Box, Look
from edgeface.gallery.snapshot import Person, make_snapshot
from edgeface.gallery.unknowns import Unknowns
from edgeface.recognition.liveness import STICKS, LivenessCounts, VisitLiveness, judge_looks
from edgeface.recognition.pipeline import Pipeline, PipelineRules
from edgeface.recognition.settings import Recognition, UnknownSettings
from tests.support.doors import limits_for
from tests.support.scripted import FPS, ScriptedDetector, ScriptedFaces, ScriptedRules, analyzer, play
from tests.support.scripted import Look as Shown
from tests.support.unknowns import fixed

RULES = ScriptedRules()
ALICE = np.eye(1, 192, dtype=np.float32)[0]
STRANGER = np.eye(1, 192, 1, dtype=np.float32)[0]


@pytest.mark.parametrize(
    ("looks", "status", "living"),
    [
        ([], "undecided", None),
        ([(0.9, 0.9)] * 4, "undecided", 0.9),
        ([(0.9, 0.6)] * 5, "living", 0.6),
        ([(0.9, 0.5)] * 5, "living", 0.5),
        ([(0.9, 0.4)] * 5, "undecided", 0.4),
        ([(0.99, 0.2)] * 5, "spoof", 0.2),
        ([(0.2, 0.99)] * 10, "spoof", 0.2),
        # One model's mean does not outvote the other's.
        ([(1.0, 0.0)] * 2 + [(1.0, 0.3)] * 3, "spoof", 0.18),
        # No number is no life.
        ([(float("nan"), 1.0)] * 5, "spoof", 0.0),
    ],
)
def test_each_model_is_judged_by_its_own_mean(
    looks: list[tuple[float, float]], status: str, living: float | None
) -> None:
    verdict = judge_looks([Look(one) for one in looks], RULES)
    assert verdict.status == status
    assert verdict.living == (None if living is None else pytest.approx(living))


@pytest.mark.parametrize("bad", [{"living": 0.3, "spoof": 0.3}, {"looks": 0}, {"looks": 11}, {"living": 1.1}])
def test_rules_that_decide_nothing_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"living|looks"):
        ScriptedRules(**bad)


def test_a_look_that_is_withheld_is_counted_with_its_reason() -> None:
    visit, counts = VisitLiveness(), LivenessCounts()
    assert visit.take("close", counts) is None
    before = visit.reason
    assert visit.take(Look((0.9,)), counts) == Look((0.9,))
    assert (before, visit.reason) == ("close", None)
    assert (counts.looks, counts.withheld["close"]) == (1, 1)


def opened(faces: ScriptedFaces, *, judged: bool = True, door: Level | None = "normal") -> Pipeline:
    """A pipeline that knows Alice; `judged` is whether looks are."""
    faces.liveness = ScriptedDetector(faces) if judged else None
    view = make_snapshot([Person("alice", "Alice", False, 0.0, 1, 0)], {"alice": [ALICE]})
    accept, doors = limits_for(view, "normal", door)
    rules = PipelineRules("front", "b007", Recognition(), UnknownSettings(), liveness=RULES if judged else None)
    return Pipeline(rules, analyzer(faces), Unknowns("b007", fixed(accept.accept)), view, accept, doors)


def shown(*scores: float, face: Any = ALICE, **more: Any) -> Shown:
    return Shown(face, scores=scores, **more)


def test_a_living_person_is_matched_after_the_verdict_and_the_event_has_it() -> None:
    faces = ScriptedFaces()
    results = list(play(opened(faces), faces, [shown(0.9, 0.8)] * 12))
    events = [event for result in results for event in result.events]
    assert [(event.type, event.person, event.liveness) for event in events] == [("match", "alice", "living")]
    assert events[0].living == pytest.approx(0.8)
    # The first frame from which any decision is made: five looks take no longer.
    assert [number for number, result in enumerate(results) if result.events] == [5]


def test_without_a_detector_nothing_is_judged_and_the_match_is_not_later() -> None:
    faces = ScriptedFaces()
    results = list(play(opened(faces, judged=False), faces, [shown(0.0, 0.0)] * 12))
    events = [event for result in results for event in result.events]
    assert [(event.type, event.liveness, event.living) for event in events] == [("match", "off", None)]
    assert results[5].events


def test_a_spoof_is_one_event_without_a_name_and_no_match() -> None:
    faces = ScriptedFaces()
    results = list(play(opened(faces), faces, [shown(0.9, 0.1)] * 40))
    (event,) = [event for result in results for event in result.events]
    assert (event.type, event.reason, event.liveness) == ("spoof", "screen_or_print", "spoof")
    assert (event.person, event.name, event.score, event.unknown) == (None, None, None, None)
    assert event.looks_like == "alice"
    assert all(face.person is None for result in results for face in result.faces)
    assert results[-1].faces[0].label == "spoof"
    assert results[-1].faces[0].prompt == "looks_like_picture"


def test_whoever_waits_undecided_at_a_door_is_looked_at_in_each_frame() -> None:
    faces = ScriptedFaces()
    pipeline = opened(faces)
    before = list(play(pipeline, faces, [shown(0.9, 0.4)] * 20))
    after = list(play(pipeline, faces, [shown(0.9, 0.9)] * 15, start=20 / FPS))
    assert before[-1].faces[0].liveness == "undecided"
    assert after[-1].faces[0].liveness == "living"


def test_without_a_door_an_undecided_face_waits_for_its_turn() -> None:
    faces = ScriptedFaces()
    pipeline = opened(faces, door=None)
    list(play(pipeline, faces, [shown(0.9, 0.4)] * 20))
    assert isinstance(faces.liveness, ScriptedDetector)
    looks = faces.liveness.looks
    list(play(pipeline, faces, [shown(0.9, 0.9)] * 15, start=20 / FPS))
    assert faces.liveness.looks <= looks + 1


def test_a_spoof_of_a_stranger_gets_no_id() -> None:
    faces = ScriptedFaces()
    pipeline = opened(faces)
    results = list(play(pipeline, faces, [shown(0.1, 0.1, face=STRANGER)] * 20))
    (event,) = [event for result in results for event in result.events]
    assert (event.type, event.looks_like, event.unknown) == ("spoof", None, None)
    assert pipeline._unknowns.ids == frozenset()


def test_what_is_a_spoof_is_judged_no_more_whatever_it_shows() -> None:
    faces = ScriptedFaces()
    pipeline = opened(faces)
    list(play(pipeline, faces, [shown(0.0, 0.0)] * 10))
    assert isinstance(faces.liveness, ScriptedDetector)
    looks = faces.liveness.looks
    results = list(play(pipeline, faces, [shown(1.0, 1.0)] * 60, start=1.0))
    assert not [event for result in results for event in result.events]
    assert faces.liveness.looks == looks


@pytest.mark.parametrize(
    ("pause", "box", "kinds"),
    [
        (3.0, Box(205, 122, 285, 222), []),
        (STICKS + 1, Box(200, 120, 280, 220), ["match"]),
        (3.0, Box(420, 120, 500, 220), ["match"]),
    ],
    ids=["same place", "later", "elsewhere"],
)
def test_a_new_face_at_the_place_of_a_spoof_is_the_same_spoof(pause: float, box: Box, kinds: list[str]) -> None:
    faces = ScriptedFaces()
    pipeline = opened(faces)
    list(play(pipeline, faces, [shown(0.0, 0.0)] * 10))
    gap = int(pause * FPS)
    list(play(pipeline, faces, [None] * gap, start=10 / FPS))
    results = list(play(pipeline, faces, [shown(1.0, 1.0, box=box)] * 15, start=(10 + gap) / FPS))
    assert [event.type for result in results for event in result.events] == kinds


def test_no_one_lends_their_life_to_another() -> None:
    faces = ScriptedFaces()
    pipeline = opened(faces)
    living = list(play(pipeline, faces, [shown(1.0, 1.0, face=STRANGER)] * 10))
    photo = list(play(pipeline, faces, [shown(0.0, 0.0)] * 60, start=10 / FPS))
    assert [event.type for result in living for event in result.events] == ["unknown"]
    events = [event for result in photo for event in result.events]
    assert "match" not in [event.type for event in events]
    assert "spoof" in [event.type for event in events]


def test_where_no_frame_gives_a_look_the_match_comes_with_the_tenth_and_says_so() -> None:
    faces = ScriptedFaces()
    results = list(play(opened(faces), faces, [Shown(ALICE, scores="close")] * 20))
    (event,) = [event for result in results for event in result.events]
    assert (event.type, event.liveness, event.living) == ("match", "undecided", None)
    assert [number for number, result in enumerate(results) if result.events] == [9]
    assert results[-1].faces[0].prompt == "step_back"


def test_someone_once_found_living_stays_so_when_looks_are_rare() -> None:
    faces = ScriptedFaces()
    pipeline = opened(faces)
    list(play(pipeline, faces, [shown(1.0, 1.0)] * 150))
    last = list(play(pipeline, faces, [shown(1.0, 1.0)] * 300, start=10.0))
    assert {result.faces[0].liveness for result in last} == {"living"}


def test_where_no_one_waits_at_a_door_no_one_is_prompted() -> None:
    faces = ScriptedFaces()
    results = list(play(opened(faces, door=None), faces, [Shown(ALICE, reason="small")] * 3))
    assert {result.faces[0].prompt for result in results} == {None}
    results = list(play(opened(faces), faces, [Shown(ALICE, reason="small")] * 3))
    assert {result.faces[0].prompt for result in results} == {"step_closer"}
