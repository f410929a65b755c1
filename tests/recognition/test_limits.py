"""What doors and cameras accept, by the number of people who may be meant there."""

import math
from functools import cache

import numpy as np
import pytest

from edgeface.access.policy import AccessPolicy, Door, unguaranteed
from edgeface.core.settings import Level
from edgeface.core.types import LEVELS, Embedding, FrameResult, Match
from edgeface.faces.calibration import CalibrationTable
from edgeface.gallery.snapshot import GallerySnapshot, Person, make_snapshot
from edgeface.gallery.unknowns import Unknowns
from edgeface.recognition.decision import MARGIN, Comparison, Evidence, compare, thresholds
from edgeface.recognition.limits import Group, camera_limits, shortfall, with_limits
from edgeface.recognition.pipeline import Pipeline, PipelineRules
from edgeface.recognition.settings import Recognition, UnknownSettings
from tests.support.doors import CAMERA, DOOR, LONGER, SHORT, TABLE, levels, limits_for, policy_for
from tests.support.scripted import FPS, Look, ScriptedFaces, analyzer, play
from tests.support.unknowns import fixed

SIZE = 128


@cache
def gallery(count: int, seed: int = 1) -> GallerySnapshot:
    """p00000, p00001 ... with random templates."""
    vectors = np.random.default_rng(seed).standard_normal((count, 1, SIZE)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    people = [Person(f"p{n:05}", f"P {n}", False, 0.0, 1, 0) for n in range(count)]
    return make_snapshot(people, {one.id: vectors[n] for n, one in enumerate(people)})


def at_cosine(view: GallerySnapshot, row: int, cosine: float) -> Embedding:
    """A face with this cosine to one person, and little to all others."""
    own = view.matrix[row]
    other = np.random.default_rng(7).standard_normal(SIZE).astype(np.float32)
    other -= (other @ own) * own
    other /= np.linalg.norm(other)
    return np.asarray(cosine * own + math.sqrt(1 - cosine**2) * other, np.float32)


def unit(vector: Embedding) -> Embedding:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def show(
    view: GallerySnapshot,
    face: Embedding,
    door: Level | None = "normal",
    allow: tuple[str, ...] = (),
    group: frozenset[str] | None = None,
    level: Level = "normal",
    table: CalibrationTable = TABLE,
) -> tuple[list[FrameResult], Unknowns]:
    """Two seconds of a face before a camera with a door."""
    groups = {} if group is None else {CAMERA: group}
    accept, cameras = limits_for(view, level, door, allow, groups, table)
    faces, unknowns = ScriptedFaces(), Unknowns("boot", fixed(accept.same))
    rules = PipelineRules("front", "boot", Recognition(level=level), UnknownSettings())
    made = Pipeline(rules, analyzer(faces), unknowns, view, accept, cameras)
    return list(play(made, faces, [Look(face)] * round(2 * FPS))), unknowns


def events(results: list[FrameResult]) -> list[tuple[str, str | None, str | None]]:
    return [(event.type, event.person, event.level) for result in results for event in result.events]


def claimed(results: list[FrameResult]) -> set[str]:
    return {claim.person for result in results for claim in result.claims}


@pytest.mark.parametrize("table", [CalibrationTable.shipped(), TABLE, LONGER])
@pytest.mark.parametrize("count", [1, 10, 11, 101, 102, 1_000, 10_000])
@pytest.mark.parametrize("level", LEVELS)
def test_events_have_the_strictest_level_that_holds(table: CalibrationTable, count: int, level: Level) -> None:
    accept = thresholds(table, level, gallery(count))
    possible = [one for one in LEVELS[: LEVELS.index(level) + 1] if table.most(one, estimated=True) >= count]
    assert accept.level == (possible[-1] if possible else None)
    assert accept.people == count
    if accept.level is None:
        assert accept.accept == math.inf
        assert accept.near < 1.0
        why = shortfall(accept, level, table)
        assert why is not None
        assert why.startswith(f"no one can be matched: level {level!r} cannot be guaranteed for {count:,} p")
        return
    measured = table.most(accept.level) >= count
    assert accept.basis == ("measured" if measured else "estimated")
    assert accept.accept == table.threshold(accept.level, count, estimated=not measured)
    assert accept.near <= accept.accept
    assert (shortfall(accept, level, table) is None) == (accept.level == level)


@pytest.mark.parametrize("count", [1, 10, 11, 101, 102, 1_000, 10_000])
def test_a_door_counts_those_who_may_pass_it(count: int) -> None:
    table, view = CalibrationTable.shipped(), gallery(count)
    everyone = policy_for(view, "high").limits_of(DOOR)
    few = policy_for(view, "high", ["p00000", "gone"]).limits_of(DOOR)
    assert (everyone.people, few.people) == (count, 1)
    for level in LEVELS:
        assert few.of(level).cosine == table.threshold(level, 1)
        limit = everyone.of(level)
        assert (limit.cosine is None) == (count > limit.most)
        assert limit.cosine is None or limit.cosine == table.threshold(level, count)


def test_a_door_says_which_level_it_cannot_guarantee_and_for_how_many() -> None:
    view = gallery(29)
    (problem,) = unguaranteed(policy_for(view, "high", table=TABLE)).values()
    assert problem.startswith("level 'high' cannot be guaranteed: 29 of 28 people (ways out: a smaller")
    assert unguaranteed(policy_for(view, "high", [f"p{n:05}" for n in range(28)], TABLE)) == {}
    assert unguaranteed(policy_for(view, "normal", table=TABLE)) == {}
    assert "shut" not in unguaranteed(AccessPolicy()), "no doors, no problem"


def test_an_estimated_level_counts_only_at_a_door_that_allows_it() -> None:
    view = gallery(100)
    assert (LONGER.most("high"), LONGER.most("high", estimated=True)) == (28, 285)
    doors = {
        name: Door.model_validate({"camera": CAMERA, "allow": [{"group": "all"}], "estimated": name})
        for name in ("refuse", "allow")
    }
    groups = {"all": tuple(person.id for person in view.people)}
    policy = with_limits(AccessPolicy(doors, groups), LONGER, view)
    refused, allowed = (policy.limits_of(name).of("high") for name in ("refuse", "allow"))
    assert (refused.cosine, refused.most, refused.most_estimated) == (None, 28, 285)
    assert (allowed.cosine, allowed.basis, allowed.most) == (0.58, "estimated", 285)
    assert policy.limits_of("allow").of("normal").basis == "measured"
    assert "a better embedder, estimated: allow)" in unguaranteed(policy)["refuse"]
    assert "allow" not in unguaranteed(policy)


def test_a_door_for_few_is_asked_although_the_camera_can_match_no_one() -> None:
    view, few = gallery(5_000), tuple(f"p{n:05}" for n in range(8))
    accept, cameras = limits_for(view, "normal", "normal", few, table=SHORT)
    assert (accept.level, accept.accept) == (None, math.inf)
    face = at_cosine(view, 3, cameras[CAMERA].least + 0.02)
    results, unknowns = show(view, face, "normal", few, table=SHORT)
    assert claimed(results) == {"p00003"}
    assert {kind for kind, *_ in events(results)} <= {"uncertain"}
    assert len(unknowns) == 0
    reached = levels(policy_for(view, "normal", few, SHORT), (c for r in results for c in r.claims))
    assert {level for _, level in reached} == {"normal"}


def test_a_claim_needs_the_nearest_of_all_people_and_the_margin() -> None:
    view, few = gallery(500), tuple(f"p{n:05}" for n in range(8))
    one, other = view.matrix[3], view.matrix[400]
    nearer, close = unit(one * 0.6 + other * 0.7), unit(one * 0.7 + other * (0.7 - MARGIN / 2))
    least = limits_for(view, "normal", "normal", few, table=TABLE)[1][CAMERA].least
    assert min(float(nearer @ one), float(close @ one)) > least
    assert "p00003" not in claimed(show(view, nearer, "normal", few)[0])
    assert claimed(show(view, close, "normal", few)[0]) == set()


def test_a_match_is_claimed_where_the_door_cannot_guarantee_its_level() -> None:
    view = gallery(200)
    results, _ = show(view, at_cosine(view, 3, 0.9), "high", level="low")
    assert claimed(results) == {"p00003"}
    reached = levels(policy_for(view, "high", table=TABLE), (c for r in results for c in r.claims))
    assert {level for _, level in reached} == {"normal"}


def test_a_camera_with_a_group_matches_its_people_only() -> None:
    view, group = gallery(300), frozenset({"p00001", "p00002", "gone"})
    accept = limits_for(view, "normal", groups={CAMERA: group}, table=TABLE)[1][CAMERA].thresholds
    assert (accept.people, accept.accept) == (2, TABLE.threshold("normal", 2))
    assert accept.accept < thresholds(TABLE, "normal", view).accept
    face = at_cosine(view, 1, accept.accept + 0.02)
    assert ("match", "p00001", "normal") in events(show(view, face, None, group=group)[0])
    assert not [kind for kind, *_ in events(show(view, face, None)[0]) if kind == "match"], "too little among 300"
    outside, unknowns = show(view, at_cosine(view, 9, 0.95), None, group=group)
    assert events(outside) == [("unknown", None, "normal")]
    assert len(unknowns) == 0, "someone who is enrolled leaves no unknown"
    _, unknowns = show(view, at_cosine(view, 9, 0.1), None, group=group)
    assert len(unknowns) == 1


def test_a_face_that_is_nearer_to_someone_outside_the_group_is_not_matched() -> None:
    view, group = gallery(300), frozenset({"p00001"})
    face = unit(view.matrix[1] * 0.65 + view.matrix[9] * 0.7)
    assert float(face @ view.matrix[1]) > TABLE.threshold("normal", 1)
    assert {kind for kind, *_ in events(show(view, face, None, group=group)[0])} == {"uncertain"}
    # The mean of the frames may be nearer to them although the newest frame is not.
    seen = compare(Evidence((face,), (0.0,)), view, 0.0)
    assert seen is not None
    assert seen.match.person == "p00009"
    mixed = Comparison(seen.match, Match("p00001", 0.9, 0.1))
    inside = Group.of(view, group, 2.0).among(mixed, face)
    assert inside is not None
    assert (inside.match.person, inside.match.runner_up) == ("p00001", seen.match.score)
    assert not inside.confirms(TABLE.threshold("normal", 1))


def test_a_group_without_anyone_enrolled_matches_no_one() -> None:
    view = gallery(20)
    results, _ = show(view, at_cosine(view, 1, 0.95), None, group=frozenset({"gone"}))
    assert [kind for kind, *_ in events(results)] == ["unknown"]


def test_a_door_without_anyone_enrolled_opens_for_no_one() -> None:
    policy = policy_for(gallery(20), "high", ["gone"])
    assert policy.limits_of(DOOR).people == 0
    assert unguaranteed(policy) == {}


def test_the_limits_follow_the_doors_of_a_camera() -> None:
    view = gallery(20)
    doors = {
        "strict": Door.model_validate({"camera": "porch", "allow": [{"person": "p00001"}], "level": "high"}),
        "lax": Door.model_validate(
            {
                "camera": "porch",
                "allow": [{"person": "p00001"}, {"person": "p00002", "level": "normal"}],
                "level": "low",
            }
        ),
        "other": Door.model_validate({"camera": "yard", "allow": [{"person": "p00001"}], "level": "normal"}),
    }
    policy = with_limits(AccessPolicy(doors), TABLE, view)
    _, cameras = camera_limits(policy, {}, "normal", TABLE, view)
    assert cameras["porch"].doors == (TABLE.threshold("low", 2), TABLE.threshold("high", 1))
    assert cameras["yard"].doors == (TABLE.threshold("normal", 1),) * 2


def test_everyone_is_all_who_are_enrolled_now_but_a_group_of_that_name_is_itself() -> None:
    view = gallery(3)
    doors = {"front": Door.model_validate({"camera": "porch", "allow": [{"group": "everyone"}]})}
    policy = with_limits(AccessPolicy(doors), TABLE, view)
    ids = frozenset(person.id for person in view.people)
    assert policy.allowed(doors["front"]) == ids
    assert policy.limits_of("front").people == len(ids)
    one = next(iter(ids))
    assert list(policy.rules_for(doors["front"], one))
    assert not list(policy.rules_for(doors["front"], "mallory"))
    # Without the gallery it is no one.
    assert not AccessPolicy(doors).allowed(doors["front"])
    own = with_limits(AccessPolicy(doors, {"everyone": (one,)}), TABLE, view)
    assert own.allowed(doors["front"]) == {one}
