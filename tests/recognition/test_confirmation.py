"""One to one: the face at a door against the person that a second factor names, whatever the others look like."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from edgeface.core.types import Claim, Embedding, ExpectedPerson, FrameResult
from edgeface.faces.calibration import CalibrationTable
from edgeface.gallery.snapshot import GallerySnapshot, Person, make_snapshot, unit_mean
from edgeface.gallery.unknowns import Unknowns
from edgeface.recognition.confirmation import ALIKE_MARGIN, NO_ONE, confirm
from edgeface.recognition.decision import MARGIN, Evidence, thresholds
from edgeface.recognition.limits import CameraLimits, DoorNeeds
from edgeface.recognition.pipeline import Pipeline, PipelineRules
from edgeface.recognition.settings import Recognition, UnknownSettings
from tests.support.scripted import Look, ScriptedFaces, analyzer, play
from tests.support.unknowns import fixed

SIZE = 192
ALICE = ExpectedPerson(1, "front", "porch", "alice", "pin", 10.0)
FROM_ONE = DoorNeeds(float("inf"), float("-inf"))


def towards(one: Embedding, cosine: float, seed: int) -> Embedding:
    """A unit vector with this cosine to `one`."""
    across = np.random.default_rng(seed).standard_normal(SIZE)
    across -= (across @ one) * one
    return np.asarray(cosine * one + np.sqrt(1 - cosine**2) * across / np.linalg.norm(across), np.float32)


def axis(n: int) -> Embedding:
    return np.asarray(np.eye(SIZE, dtype=np.float32)[n])


def person(name: str, alike: tuple[str, ...] = (), *, ignored: bool = False) -> Person:
    return Person(name, name.title(), ignored, 0.0, 1, 0, look_alikes=alike)


def gallery(
    people: Sequence[Person], faces: Sequence[Embedding], denied: Sequence[tuple[str, Embedding]] = ()
) -> GallerySnapshot:
    return make_snapshot(people, {one.id: [face] for one, face in zip(people, faces, strict=True)}, None, denied)


def seen(*faces: Embedding) -> Evidence:
    evidence = Evidence()
    for n, face in enumerate(faces):
        evidence = evidence.add(face, float(n) / 5, -1.0)
    return evidence


PAIR = gallery([person("alice"), person("bob")], [axis(0), axis(1)])


def test_mean_and_newest_frame_are_compared_with_the_one_person() -> None:
    faces = [towards(axis(0), cosine, n) for n, cosine in enumerate((0.8, 0.7, 0.6))]
    found = confirm(seen(*faces), PAIR, "alice")
    assert found.score == pytest.approx(float(unit_mean(faces) @ axis(0)), abs=1e-6)
    assert found.newest == pytest.approx(0.6, abs=1e-6)
    assert not found.look_alike


@pytest.mark.parametrize(
    ("view", "who"),
    [
        (PAIR, "carol"),
        (gallery([person("alice", ignored=True), person("bob")], [axis(0), axis(1)]), "alice"),
        (gallery([], []), "alice"),
    ],
)
def test_someone_who_cannot_be_matched_is_confirmed_by_no_face(view: GallerySnapshot, who: str) -> None:
    assert confirm(seen(axis(0)), view, who) == NO_ONE


def test_a_face_that_a_correction_denies_is_not_confirmed() -> None:
    face = towards(axis(0), 0.6, 1)
    view = gallery([person("alice"), person("bob")], [axis(0), axis(1)], [("alice", towards(face, 0.9, 2))])
    assert confirm(seen(axis(0)), view, "alice").score == pytest.approx(1.0, abs=1e-6)
    assert confirm(seen(face), view, "alice")[:2] == (-1.0, -1.0)


def between(one: float, other: float) -> Embedding:
    """A face with these cosines to alice and bob."""
    face = np.zeros(SIZE, np.float32)
    face[:2] = one, other
    face[2] = np.sqrt(1 - face @ face)
    return face


def test_the_face_of_someone_else_who_is_enrolled_is_not_the_person_that_a_factor_names() -> None:
    for lead, score in ((MARGIN + 0.01, -1.0), (MARGIN - 0.01, 0.6), (-0.1, 0.6)):
        assert confirm(seen(between(0.6, 0.6 + lead)), PAIR, "alice").score == pytest.approx(score, abs=1e-6)


def test_a_look_alike_must_be_beaten_by_the_margin_in_the_mean_and_in_the_newest_frame() -> None:
    view = gallery([person("alice", ("bob",)), person("bob", ("alice",))], [axis(0), axis(1)])
    for lead, alike in ((ALIKE_MARGIN + 0.01, False), (ALIKE_MARGIN - 0.01, True), (-0.1, True)):
        face = between(0.6, 0.6 - lead)
        assert confirm(seen(face), view, "alice").look_alike is alike
        assert confirm(seen(axis(0), face), view, "alice").look_alike is alike
    assert confirm(seen(face), PAIR, "alice").look_alike is False


def pipeline(view: GallerySnapshot, faces: ScriptedFaces) -> Pipeline:
    accept = thresholds(CalibrationTable.shipped(), "normal", view)
    rules = PipelineRules("front", "boot", Recognition(), UnknownSettings())
    unknowns = Unknowns("boot", fixed(accept.same))
    return Pipeline(rules, analyzer(faces), unknowns, view, accept, {"porch": CameraLimits(accept, doors=FROM_ONE)})


def one_to_one(results: Sequence[FrameResult]) -> list[tuple[float, Claim]]:
    return [(result.frame.monotonic, one) for result in results for one in result.claims if one.expected is not None]


def crowd(count: int) -> GallerySnapshot:
    rng = np.random.default_rng(3)
    others = rng.standard_normal((count - 1, SIZE)).astype(np.float32)
    others[:, 0] = 0.0
    others /= np.linalg.norm(others, axis=1, keepdims=True)
    names = [person("alice"), *(person(f"p{n}") for n in range(count - 1))]
    return gallery(names, [axis(0), *others])


@pytest.mark.parametrize(("people", "kind"), [(2, "match"), (10_000, "unknown")])
def test_a_face_is_compared_with_the_person_whatever_the_decision_among_all_is(people: int, kind: str) -> None:
    """With so many people no level can be guaranteed for the nearest of them; among one, it can."""
    faces, view = ScriptedFaces(), PAIR if people == 2 else crowd(people)
    made = pipeline(view, faces)
    made.expect(ALICE)
    looks = [Look(towards(axis(0), 0.7, n)) for n in range(15)]
    results = list(play(made, faces, looks))
    claims = one_to_one(results)
    assert claims
    newest = claims[-1][1]
    assert (newest.person, newest.factor, newest.expected) == ("alice", "pin", ALICE)
    assert min(newest.score, newest.newest) >= CalibrationTable.shipped().threshold("high", 1)
    if people > 2:
        assert made._limits.thresholds.accept == float("inf")
        assert not [one for result in results for one in result.claims if one.expected is None]
    else:
        assert [event.type for result in results for event in result.events] == [kind]


def test_somebody_else_in_front_of_the_camera_is_claimed_with_a_score_that_is_too_low() -> None:
    faces = ScriptedFaces()
    made = pipeline(PAIR, faces)
    made.expect(ALICE)
    stranger = one_to_one(list(play(made, faces, [Look(towards(axis(5), 0.9, n)) for n in range(15)])))
    assert stranger
    assert max(one.score for _, one in stranger) < CalibrationTable.shipped().threshold("low", 1)


def test_a_face_that_takes_the_place_of_the_person_is_not_claimed_with_their_score() -> None:
    faces = ScriptedFaces()
    made = pipeline(PAIR, faces)
    made.expect(ALICE)
    looks = [*(Look(towards(axis(0), 0.9, n)) for n in range(12)), *(Look(towards(axis(5), 0.9, n)) for n in range(6))]
    after = [one for at, one in one_to_one(list(play(made, faces, looks))) if at >= 12 / 15]
    assert after
    assert max(one.newest for one in after) < CalibrationTable.shipped().threshold("low", 1)


def test_a_face_already_in_view_is_claimed_with_its_next_frame_and_then_with_every_frame() -> None:
    faces = ScriptedFaces()
    made = pipeline(PAIR, faces)
    looks = [Look(towards(axis(0), 0.8, n)) for n in range(30)]
    assert one_to_one(list(play(made, faces, looks))) == []
    made.expect(replace(ALICE, until=3.0))
    times = [at for at, _ in one_to_one(list(play(made, faces, looks, start=2.0)))]
    assert times == [pytest.approx(2.0 + n / 15) for n in range(16)]


def test_no_one_is_compared_at_another_camera_or_once_they_are_not_expected() -> None:
    faces = ScriptedFaces()
    looks = [Look(towards(axis(0), 0.8, n)) for n in range(15)]
    for expected in (replace(ALICE, camera="yard"), replace(ALICE, until=-1.0)):
        made = pipeline(PAIR, faces)
        made.expect(expected)
        assert one_to_one(list(play(made, faces, looks))) == []
    made = pipeline(PAIR, faces)
    made.expect(ALICE)
    made.expect(replace(ALICE, until=float("-inf")))
    assert one_to_one(list(play(made, faces, looks))) == []
    made.expect(replace(ALICE, door="back"))
    made.expect(replace(ALICE, door="front", person="bob", number=2))
    found = {one.expected for _, one in one_to_one(list(play(made, faces, looks, start=2.0)))}
    assert {(one.door, one.person) for one in found if one is not None} == {("back", "alice"), ("front", "bob")}
