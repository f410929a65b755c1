"""Evidence belongs to the face that is there now: what a look-alike in a matched person's place gets."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from edgeface.core.settings import Level
from edgeface.core.types import Box, Embedding, Frame, FrameResult, Image
from edgeface.faces.calibration import CalibrationTable
from edgeface.gallery.snapshot import Person, make_snapshot
from edgeface.gallery.unknowns import Unknowns
from edgeface.recognition.decision import thresholds
from edgeface.recognition.pipeline import Pipeline, PipelineRules
from edgeface.recognition.settings import MIN_FPS, Recognition, UnknownSettings
from edgeface.recognition.visit import DOUBT, HOLD
from tests.support.doors import levels, limits_for, policy_for
from tests.support.scripted import BOX, FPS, GREY, Look, ScriptedFaces, analyzer, play
from tests.support.unknowns import fixed

SIZE = 8
SECOND = round(FPS)


def embedding(*values: float) -> Embedding:
    """A unit vector; what is missing to a length of one lies along an axis of its own."""
    vector = np.zeros(SIZE, np.float32)
    vector[: len(values)] = values
    vector[-1] = np.sqrt(max(0.0, 1.0 - float(vector @ vector)))
    return vector


TEMPLATE = embedding(1.0)
ALICE = embedding(0.8, 0.6)
# Below what level normal requires (0.502), and so much like the frames of Alice that it joins them.
LOOK_ALIKE = embedding(0.47, 0.8)
# Reaches level normal alone, but not level high (0.572).
POOR = embedding(0.54, 0.8)
STRANGER = embedding(0.0, 0.0, 1.0)
OTHER_STRANGER = embedding(0.0, 0.0, 0.0, 1.0)
# Joins the frames of Alice, and reaches level normal with her template.
BOB = embedding(0.65, 0.2, 0.7)
ELSEWHERE = BOX.moved(0.7 * BOX.height, 0)
LARGER = Box(BOX.left - 20, BOX.top - 20, BOX.right + 20, BOX.bottom + 20)


def alice(seconds: float = 2.0) -> list[Look]:
    return [Look(ALICE)] * round(seconds * FPS)


def run(
    *looks: Look | None,
    door: Level = "normal",
    recognition: Recognition | None = None,
    others: Sequence[str] = (),
    fps: float = FPS,
    look_alikes: tuple[str, ...] = (),
) -> list[FrameResult]:
    people = [Person(one, one.title(), False, 0.0, 1, 0, look_alikes=look_alikes) for one in ("alice", *others)]
    view, recognition = make_snapshot(people, {"alice": [TEMPLATE], "bob": [BOB]}), recognition or Recognition()
    accept, cameras = limits_for(view, recognition.level, door)
    rules = PipelineRules("front", "boot", recognition, UnknownSettings())
    faces = ScriptedFaces()
    made = Pipeline(rules, analyzer(faces), Unknowns("boot", fixed(accept.accept)), view, accept, cameras)
    return list(play(made, faces, looks, fps=fps))


def named(results: list[FrameResult]) -> list[float]:
    """Seconds of the frames in which a face has Alice's name."""
    return [n / FPS for n, result in enumerate(results) if any(face.name == "Alice" for face in result.faces)]


def claims(results: list[FrameResult], door: Level = "normal") -> list[tuple[str, Level | None]]:
    """Who was claimed, with the level that is reached at a door for one person."""
    view = make_snapshot([Person("alice", "Alice", False, 0.0, 1, 0)], {"alice": [TEMPLATE]})
    return levels(policy_for(view, door), (claim for result in results for claim in result.claims))


def matches(results: list[FrameResult]) -> int:
    return sum(event.type == "match" for result in results for event in result.events)


@pytest.mark.parametrize("fps", [MIN_FPS, 1.0, 1.2, 1.3, 1.6, 1.9, 5.0, 15.0, 30.0])
def test_a_person_who_stands_is_matched_within_five_seconds(fps: float) -> None:
    results = run(*[Look(ALICE)] * round(5 * fps), fps=fps)
    assert matches(results) == 1


@pytest.mark.parametrize("fps", [0.5, MIN_FPS, 1.0, 2.0])
@pytest.mark.parametrize("other", [LOOK_ALIKE, STRANGER])
@pytest.mark.parametrize("frames", [2, 8])
def test_before_a_slow_camera_another_person_inherits_nothing(fps: float, other: Embedding, frames: int) -> None:
    results = run(*[Look(ALICE)] * frames, *[Look(other)] * 12, fps=fps)
    assert matches(results[:frames]) == (frames > 2)
    assert claims(results[frames:]) == []
    assert matches(results[frames:]) == 0
    assert len(named(results[frames:])) / fps <= Recognition().verify + DOUBT + 1 / fps


@pytest.mark.parametrize("fps", [0.5, MIN_FPS, 1.0, 2.0])
def test_before_a_slow_camera_too_a_name_is_withdrawn_within_a_second_of_a_jump(fps: float) -> None:
    dark = Look(ALICE, ELSEWHERE, "dark")
    results = run(*[Look(ALICE)] * 6, *[dark] * 6, fps=fps)
    assert results[5].faces[0].name == "Alice"
    until_another = [(n + 1) / fps for n, result in enumerate(results[6:]) if result.faces[0].name == "Alice"]
    assert max(until_another, default=0.0) <= DOUBT


@pytest.mark.parametrize("fps", [0.5, MIN_FPS, 1.0, 2.0])
def test_before_a_slow_camera_too_a_name_is_withdrawn_after_five_seconds_without_a_good_frame(fps: float) -> None:
    results = run(*[Look(ALICE)] * 6, *[Look(ALICE, reason="turned")] * 20, fps=fps)
    assert results[5].faces[0].name == "Alice"
    assert len(named(results[6:])) / fps <= HOLD


def test_a_look_alike_that_joins_the_evidence_is_never_claimed_and_loses_the_name() -> None:
    results = run(*alice(), *[Look(LOOK_ALIKE)] * (8 * SECOND))
    assert claims(results[: 2 * SECOND])
    after = results[2 * SECOND :]
    assert claims(after) == []
    assert matches(after) == 0
    assert max(named(after), default=0.0) <= Recognition().verify + DOUBT


def test_a_look_alike_is_not_matched_with_the_evidence_of_a_person_who_was_not_announced() -> None:
    # Two frames of Alice are too few for a match; the third is not hers.
    results = run(*alice(2 / FPS), *[Look(LOOK_ALIKE)] * (4 * SECOND))
    assert matches(results) == 0
    assert claims(results) == []


def test_a_look_alike_who_is_enrolled_is_claimed_as_no_one_else() -> None:
    results = run(*alice(), *[Look(BOB)] * (8 * SECOND), others=("bob",))
    assert {person for person, _ in claims(results[: 2 * SECOND])} == {"alice"}
    assert {person for person, _ in claims(results[2 * SECOND :])} == {"bob"}


def test_a_person_with_a_look_alike_is_claimed_at_level_normal_at_most() -> None:
    assert set(claims(run(*alice()))) == {("alice", "high")}
    results = run(*alice(), door="high", look_alikes=("twin",))
    assert matches(results) == 1
    assert set(claims(results)) == {("alice", "normal")}


def test_a_person_with_a_look_alike_is_no_match_where_level_high_is_asked_for() -> None:
    results = run(*alice(), recognition=Recognition(level="high"), look_alikes=("twin",))
    assert (matches(results), named(results)) == (0, [])
    assert set(claims(results)) == {("alice", "normal")}, "what the door asks for counts there"
    reasons = [event.reason for result in results for event in result.events if event.type == "uncertain"]
    assert reasons == ["two_people"]


def test_a_claim_has_the_level_that_the_newest_frame_alone_reaches() -> None:
    results = run(*alice(), *[Look(POOR)] * (4 * SECOND), door="high")
    assert ("alice", "high") in claims(results[: 2 * SECOND], "high")
    after = claims(results[2 * SECOND :], "high")
    assert after
    assert {level for _, level in after} == {"normal"}


def test_one_poor_frame_takes_no_name_and_makes_no_second_match() -> None:
    verify = [*alice(), *alice(1.0)]
    results = run(*verify, Look(LOOK_ALIKE), *alice(4.0), recognition=Recognition(verify=1 / FPS))
    seen = named(results)
    assert np.diff(seen).max() < 1.5 / FPS
    assert matches(results) == 1


def test_a_name_is_withdrawn_within_a_second_of_a_jump_unless_a_frame_confirms_it() -> None:
    dark = Look(ALICE, ELSEWHERE, "dark")
    after = run(*alice(), *[dark] * (3 * SECOND))[2 * SECOND :]
    assert max(named(after)) <= DOUBT
    back = run(*alice(), *[Look(ALICE, ELSEWHERE)] * (3 * SECOND))
    assert np.diff(named(back)).max() < 1.5 / FPS, "a good frame confirms it at once"
    assert matches(back) == 1


def test_a_name_is_withdrawn_after_five_seconds_without_a_good_frame_and_comes_back_without_an_event() -> None:
    results = run(*alice(), *[Look(ALICE, reason="turned")] * (7 * SECOND), *alice())
    last_good = named(results)[0]
    assert last_good < 1.0, "it is judged again after `verify` only"
    gone = [at for at in named(results) if at < 9.0]
    assert last_good + HOLD - DOUBT <= max(gone) <= last_good + HOLD
    assert max(named(results)) > 10.0
    assert matches(results) == 1


def test_a_person_who_stays_keeps_the_name_however_long_verification_may_take() -> None:
    results = run(*alice(20.0), recognition=Recognition(verify=60.0))
    assert np.diff(named(results)).max() < 1.5 / FPS
    assert matches(results) == 1


@pytest.mark.parametrize("change", [Look(STRANGER, ELSEWHERE), Look(STRANGER, LARGER), Look(STRANGER)])
def test_another_face_loses_the_name_with_its_first_good_frame(change: Look) -> None:
    after = run(*alice(), *[change] * (4 * SECOND), recognition=Recognition(verify=0.5))[2 * SECOND :]
    assert max(named(after), default=0.0) <= 0.5 + 1 / FPS
    assert claims(after) == []


def test_after_a_jump_the_evidence_is_gathered_again() -> None:
    results = run(*alice(), *[Look(ALICE, ELSEWHERE)] * SECOND)
    before, after = (
        [claim.frames for result in part for claim in result.claims]
        for part in (results[: 2 * SECOND], results[2 * SECOND :])
    )
    assert after[0] == before[0]


def scenery(seed: int) -> Image:
    """A picture of its own."""
    coarse = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), np.uint8)
    return np.ascontiguousarray(np.kron(coarse, np.ones((40, 40, 1), np.uint8)))


def test_a_hard_cut_ends_every_track_and_takes_the_names_at_once() -> None:
    one, other = scenery(1), scenery(2)
    shown = [Look(ALICE, image=one)] * (2 * SECOND) + [Look(STRANGER, image=other)] * (4 * SECOND)
    results = run(*shown)
    before, after = results[: 2 * SECOND], results[2 * SECOND :]
    assert before[-1].faces[0].name == "Alice"
    assert named(after) == []
    assert after[0].faces[0].track != before[-1].faces[0].track
    assert [e.type for result in after for e in result.events if e.person == "alice"] == ["left"]


def test_a_change_of_light_is_no_cut() -> None:
    one = scenery(1) // 2
    shown = [Look(ALICE, image=one)] * (2 * SECOND) + [Look(ALICE, image=one + np.uint8(15))] * SECOND
    results = run(*shown)
    assert len({face.track for result in results for face in result.faces}) == 1


def test_a_face_that_looks_other_in_place_is_judged_at_once() -> None:
    one = scenery(1)
    other = one.copy()
    place = np.s_[int(BOX.top) : int(BOX.bottom), int(BOX.left) : int(BOX.right)]
    other[place] = 255 - one[place]
    shown = [Look(ALICE, image=one)] * (2 * SECOND) + [Look(STRANGER, image=other)] * SECOND
    assert named(run(*shown)[2 * SECOND :]) == []


def unknown_ids(looks: Sequence[Look]) -> tuple[Unknowns, list[str]]:
    view = make_snapshot([], {})
    accept = thresholds(CalibrationTable.shipped(), "normal", view)
    rules = PipelineRules("front", "boot", Recognition(), UnknownSettings())
    faces, unknowns = ScriptedFaces(), Unknowns("boot", fixed(accept.accept))
    results = list(play(Pipeline(rules, analyzer(faces), unknowns, view, accept), faces, looks))
    return unknowns, [face.label for face in results[-1].faces]


def test_an_unknown_claims_nothing_however_often_they_come_and_whatever_was_merged() -> None:
    view = make_snapshot([], {})
    accept, cameras = limits_for(view, "normal", "low")
    rules = PipelineRules("front", "boot", Recognition(), UnknownSettings())
    faces, unknowns = ScriptedFaces(), Unknowns("boot", fixed(accept.accept))
    made = Pipeline(rules, analyzer(faces), unknowns, view, accept, cameras)
    first = list(play(made, faces, [*[Look(STRANGER)] * SECOND, *[None] * 4 * SECOND]))
    (seen,) = unknowns.take_changes().seen
    unknowns.update([replace(seen, sightings=50, merged=("u-02be77d1",))], (), ("u-02be77d1",))
    again = list(play(made, faces, [Look(STRANGER)] * 4 * SECOND, 5.0))
    assert {face.unknown for face in again[-1].faces} == {seen.id}
    assert claims([*first, *again]) == []
    assert not any(event.person for result in (*first, *again) for event in result.events)


def test_no_unknown_in_view_is_removed_by_others_who_come() -> None:
    view = make_snapshot([], {})
    accept = thresholds(CalibrationTable.shipped(), "normal", view)
    rules = PipelineRules("front", "boot", Recognition(), UnknownSettings())
    faces, unknowns = ScriptedFaces(), Unknowns("boot", fixed(accept.accept), most=1)
    made = Pipeline(rules, analyzer(faces), unknowns, view, accept)
    list(play(made, faces, [Look(STRANGER)] * SECOND))
    (in_view,) = unknowns.ids
    yard = [made.process(Frame("yard", n, n / FPS, 1_000.0, GREY)) for n in _shown(faces, OTHER_STRANGER)]
    (later,) = {face.unknown for face in yard[-1].faces}
    assert unknowns.ids == {in_view, later}


def _shown(faces: ScriptedFaces, stranger: Embedding) -> Iterator[int]:
    """The numbers of a second of frames that show someone."""
    for number in range(SECOND):
        faces.look = Look(stranger)
        yield number


def test_a_covered_stranger_is_unknown_and_leaves_no_template() -> None:
    unknowns, labels = unknown_ids([Look(STRANGER, covered=True)] * 10 * SECOND)
    assert labels == ["unknown"]
    assert len(unknowns) == 0


def test_only_the_uncovered_frames_of_a_stranger_become_templates() -> None:
    behind_a_mask = embedding(0.0, 0.3, 0.9)
    covered, plain = Look(behind_a_mask, covered=True), Look(STRANGER)
    unknowns, _ = unknown_ids([covered] * SECOND + [plain] * 20 * SECOND)
    (unknown,) = unknowns.take_changes().seen
    assert all(float(template @ STRANGER) > 0.999 for template in unknown.templates)
    assert float(unknown.mean @ STRANGER) > 0.999


def test_a_frame_that_was_not_checked_becomes_no_template() -> None:
    # No frame of a named person is checked. These are covered, and remain in the evidence of whoever they are then.
    view = make_snapshot([Person("alice", "Alice", False, 0.0, 1, 0)], {"alice": [TEMPLATE]})
    accept = thresholds(CalibrationTable.shipped(), "normal", view)
    rules = PipelineRules("front", "boot", Recognition(), UnknownSettings())
    faces, unknowns = ScriptedFaces(), Unknowns("boot", fixed(accept.accept))
    made = Pipeline(rules, analyzer(faces), unknowns, view, accept)
    assert matches(list(play(made, faces, [Look(ALICE, covered=True)] * (8 * SECOND)))) == 1
    made.use(make_snapshot([], {}), accept)
    list(play(made, faces, [Look(ALICE, covered=True)] * SECOND, 8.0))
    assert made.people("porch") == ("stranger",)
    assert len(unknowns) == 0


def test_a_covered_person_is_still_matched() -> None:
    assert matches(run(*[Look(ALICE, covered=True)] * 2 * SECOND)) == 1
