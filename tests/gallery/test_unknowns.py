from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.core.text import is_unknown_id
from edgeface.core.types import Embedding
from edgeface.gallery.unknowns import (
    ID_DIGITS,
    PROPOSED,
    TEMPLATES,
    Likeness,
    Unknown,
    UnknownChanges,
    Unknowns,
    joined,
)
from tests.support.embeddings import unit
from tests.support.unknowns import fixed

DAY = 86400.0
THRESHOLD = 0.6


def visit(person: int, frames: int = 5, noise: float = 0.4, shots: int = 0) -> list[Embedding]:
    mixed = [unit(person) + np.float32(noise) * unit(1000 * (person + 1) + shots + n) for n in range(frames)]
    return [vector / np.float32(np.linalg.norm(vector)) for vector in mixed]


def fresh(days: int = 30, boot: str = "5f0c") -> Unknowns:
    return Unknowns(boot, fixed(THRESHOLD), days)


def test_one_visit_with_two_agreeing_frames_gives_an_id() -> None:
    unknowns = fresh()
    given_ = unknowns.see(visit(1), 100.0, "porch")
    assert given_ is not None
    assert is_unknown_id(given_)
    assert len(given_) == 2 + ID_DIGITS


def test_one_frame_alone_gives_none_and_a_second_one_on_a_later_visit_does() -> None:
    unknowns = fresh()
    assert unknowns.see(visit(1, 1), 100.0, "porch") is None
    assert unknowns.see(visit(2, 1), 101.0, "porch") is None
    assert unknowns.take_changes().seen == ()
    assert unknowns.see(visit(1, 1, shots=50), 160.0, "yard") is not None
    (kept,) = unknowns.take_changes().seen
    assert (kept.sightings, kept.weight, kept.first, kept.last, kept.camera) == (2, 2, 100.0, 160.0, "yard")


def test_frames_that_do_not_agree_are_one_sighting() -> None:
    assert fresh().see([unit(1), unit(2)], 100.0, "porch") is None


def test_the_same_person_has_the_same_id_on_later_visits_and_others_have_others() -> None:
    unknowns = fresh()
    first = unknowns.see(visit(1), 100.0, "porch")
    second = unknowns.see(visit(2), 101.0, "porch")
    assert first != second
    for day in range(1, 20):
        assert unknowns.see(visit(1, shots=10 * day), day * DAY, "porch") == first
    assert unknowns.see(visit(2, shots=10), 20 * DAY, "porch") == second
    assert len(unknowns) == 2


def test_the_id_survives_a_restart() -> None:
    before = fresh()
    identity = before.see(visit(1), 100.0, "porch")
    after = Unknowns("a-new-boot", fixed(THRESHOLD), 30, before.take_changes().seen)
    assert after.see(visit(1, shots=20), 200.0, "porch") == identity


def test_a_replay_gives_the_same_ids() -> None:
    runs = []
    for _ in range(2):
        unknowns = fresh()
        runs.append([unknowns.see(visit(person), 100.0, "porch") for person in range(20)])
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 20
    assert runs[0] != [fresh(boot="other").see(visit(0), 100.0, "porch")] * 20


def test_an_id_that_is_taken_or_gone_is_not_given_again() -> None:
    first = fresh().see(visit(1), 100.0, "porch")
    assert first is not None
    someone = Unknown(first, unit(50), (unit(50),), 2, 1, 90.0, 90.0, "porch")
    taken = Unknowns("5f0c", fixed(THRESHOLD), 30, [someone]).see(visit(1), 100.0, "porch")
    gone = Unknowns("5f0c", fixed(THRESHOLD), 30, [], {first}).see(visit(1), 100.0, "porch")
    assert taken is not None
    assert taken == gone
    assert taken.startswith(first)
    assert len(taken) == len(first) + 1


def test_drain_gives_what_changed_once() -> None:
    unknowns = fresh()
    identity = unknowns.see(visit(1), 100.0, "porch")
    assert [u.id for u in unknowns.take_changes().seen] == [identity]
    assert unknowns.take_changes() == UnknownChanges()


def test_an_unknown_is_kept_for_its_days_and_no_longer() -> None:
    unknowns = fresh(days=2)
    identity = unknowns.see(visit(1), 0.0, "porch")
    unknowns.take_changes()
    assert unknowns.take_changes(2 * DAY).expired == ()
    assert unknowns.take_changes(2 * DAY + 1).expired == (identity,)
    assert len(unknowns) == 0
    assert unknowns.see(visit(1), 3 * DAY, "porch") != identity


def test_each_visit_makes_the_days_start_again() -> None:
    unknowns = fresh(days=2)
    identity = unknowns.see(visit(1), 0.0, "porch")
    for day in range(1, 10):
        assert unknowns.see(visit(1, shots=day), day * DAY, "porch") == identity


def test_a_single_sighting_expires_too() -> None:
    unknowns = fresh(days=1)
    unknowns.see(visit(1, 1), 0.0, "porch")
    unknowns.take_changes(2 * DAY)
    assert unknowns.see(visit(1, 1), 2 * DAY, "porch") is None


def test_no_days_keep_nobody() -> None:
    stored = Unknown("u-7f3a", unit(1), (unit(1),), 2, 1, 90.0, 90.0, "porch")
    unknowns = Unknowns("5f0c", fixed(THRESHOLD), 0, [stored])
    assert unknowns.see(visit(1), 100.0, "porch") is None
    assert unknowns.take_changes() == UnknownChanges(expired=("u-7f3a",))


def test_the_oldest_goes_when_there_are_too_many() -> None:
    unknowns = Unknowns("5f0c", fixed(THRESHOLD), most=3)
    ids = [unknowns.see(visit(person), 100.0 + person, "porch") for person in range(5)]
    assert (len(unknowns), unknowns.dropped) == (3, 2)
    drained = unknowns.take_changes()
    assert sorted(drained.expired) == sorted(str(i) for i in ids[:2])
    assert {u.id for u in drained.seen} == set(ids[2:])


def test_who_was_seen_again_stays_longer_and_a_newcomer_is_not_the_first_to_go() -> None:
    unknowns = Unknowns("5f0c", fixed(THRESHOLD), most=2)
    regular = unknowns.see(visit(1), 0.0, "porch")
    unknowns.see(visit(1, shots=10), 10.0, "porch")
    once = unknowns.see(visit(2), 20.0, "porch")
    unknowns.see(visit(3), DAY / 2, "porch")
    assert regular in unknowns.ids
    assert once not in unknowns.ids
    newcomers = [unknowns.see(visit(4 + number), (1.5 + number) * DAY, "porch") for number in range(2)]
    assert unknowns.ids == set(newcomers)


def test_the_frames_of_a_visit_need_not_be_more_alike_among_more_unknowns() -> None:
    unknowns = Unknowns("5f0c", lambda count: Likeness(0.5 if count <= 1 else 0.95, 2.0))
    assert [unknowns.see(visit(person), float(person), "porch") is not None for person in range(4)] == [True] * 4


def test_other_limits_hold_from_the_next_visit_on() -> None:
    unknowns = fresh()
    for person in range(4):
        unknowns.see(visit(person), float(person), "porch")
    unknowns.limit(30, 2)
    last = unknowns.see(visit(9), 9.0, "porch")
    assert (len(unknowns), last in unknowns.ids) == (2, True)
    unknowns.limit(0, 2)
    assert (len(unknowns), unknowns.see(visit(1), 10.0, "porch")) == (0, None)
    assert last in unknowns.take_changes().expired


def test_no_one_in_view_is_removed_however_many_there_are() -> None:
    unknowns = Unknowns("5f0c", fixed(THRESHOLD), most=2)
    in_view: list[str] = []
    for person in range(5):
        given_ = unknowns.see(visit(person), float(person), "porch", in_view)
        assert given_ is not None
        in_view.append(given_)
    assert unknowns.ids == set(in_view)
    last = unknowns.see(visit(9), 9.0, "porch", in_view[:1])
    assert unknowns.ids == {in_view[0], last}


def test_ten_thousand_people_on_a_busy_street_leave_as_many_as_may_be_kept() -> None:
    unknowns, rng = Unknowns("5f0c", fixed(THRESHOLD), most=500), np.random.default_rng(3)
    people = rng.standard_normal((10_000, 192), np.float32)
    people /= np.linalg.norm(people, axis=1, keepdims=True)
    for number, person in enumerate(people):
        unknowns.see([person, person], float(number), "porch")
        assert len(unknowns) <= 500
    changes = unknowns.take_changes()
    assert (len(changes.seen), len(changes.expired), unknowns.dropped) == (500, 9500, 9500)
    assert unknowns.see([people[-1]] * 2, 10_001.0, "porch") == max(changes.seen, key=lambda one: one.last).id


def test_two_ids_that_look_alike_are_proposed_once_with_the_latest_cosine() -> None:
    unknowns = Unknowns("5f0c", fixed(0.9, 0.5))
    one, other = (unknowns.see(visit(1, 1, noise) * 2, noise, "porch") for noise in (0.1, 0.9))
    unknowns.see(visit(2, noise=0.1), 3.0, "porch")
    assert one is not None
    assert other is not None
    assert one != other
    ((first, second, score),) = unknowns.take_changes().alike
    assert [first, second] == sorted((one, other))
    assert 0.5 <= score < 0.9
    assert unknowns.take_changes().alike == ()


def test_only_the_most_alike_pairs_are_kept() -> None:
    unknowns = Unknowns("5f0c", fixed(0.99, -1.0))
    for person in range(120):
        unknowns.see(visit(person, noise=0.01), float(person), "porch")
    scores = [pair.score for pair in unknowns.take_changes().alike]
    assert len(scores) == PROPOSED == 100
    assert scores == sorted(scores, reverse=True)


def test_changes_that_wait_become_one() -> None:
    unknowns = fresh()
    first = unknowns.see(visit(1), 100.0, "porch")
    gone = unknowns.see(visit(2), 100.0, "porch")
    before = unknowns.take_changes()
    unknowns.see(visit(1, shots=10), 200.0, "yard")
    unknowns.update((), [str(gone)], ())
    after = unknowns.take_changes()._replace(expired=(str(gone),))
    (whole,) = before.then(after).seen
    assert (whole.id, whole.sightings, whole.first, whole.last, whole.camera) == (first, 2, 100.0, 200.0, "yard")
    assert before.then(after).expired == (gone,)


def test_a_merge_by_someone_else_is_taken_over_with_the_visits_that_wait() -> None:
    unknowns = fresh()
    one, other = (unknowns.see(visit(person), 100.0, "porch") for person in (1, 2))
    assert one is not None
    assert other is not None
    stored = {each.id: each for each in unknowns.take_changes().seen}
    unknowns.see(visit(1, shots=10), 200.0, "porch")
    whole = replace(joined(stored[one], stored[other]), merged=(other,))
    unknowns.update([whole], [other], {other})
    assert unknowns.ids == {one}
    (waiting,) = unknowns.take_changes().seen
    assert joined(whole, waiting).sightings == 3
    assert joined(whole, waiting).ids == (one, other)
    assert unknowns.see(visit(1, shots=20), 300.0, "porch") == one


def test_what_was_enrolled_elsewhere_goes_from_memory_and_unsaved_news_stay() -> None:
    unknowns = fresh()
    enrolled = unknowns.see(visit(1), 100.0, "porch")
    stays = unknowns.see(visit(2), 101.0, "porch")
    stored = unknowns.take_changes().seen
    unknowns.see(visit(1, shots=9), 102.0, "porch")
    unsaved = unknowns.see(visit(3), 103.0, "porch")
    assert {u.id for u in stored} == {enrolled, stays}
    unknowns.update((), [str(enrolled)], {str(enrolled)})
    assert len(unknowns) == 2
    assert [u.id for u in unknowns.take_changes().seen] == [unsaved]
    assert unknowns.see(visit(2, shots=9), 104.0, "porch") == stays
    assert unknowns.see(visit(1, shots=20), 105.0, "porch") not in {enrolled, stays, unsaved}


def test_a_visit_in_another_year_makes_nobody_expire() -> None:
    unknowns = fresh(days=1)
    first = unknowns.see(visit(1), 0.0, "porch")
    unknowns.see(visit(2), 400 * DAY, "porch")
    assert unknowns.take_changes().expired == ()
    assert unknowns.see(visit(1), 60.0, "porch") == first


def test_templates_are_varied_and_few() -> None:
    unknowns = fresh()
    same = [unit(1)] * 5
    unknowns.see(same, 100.0, "porch")
    (whole,) = unknowns.take_changes().seen
    assert len(whole.templates) == 1
    for n in range(10):
        unknowns.see(visit(1, shots=10 * n), 101.0 + n, "porch")
        whole = joined(whole, unknowns.take_changes().seen[0])
    assert (len(whole.templates), whole.sightings) == (TEMPLATES, 11)
    scores = np.stack(whole.templates) @ np.stack(whole.templates).T
    assert np.triu(scores, 1).max() < 0.95


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 5), st.floats(0, 100)), max_size=30))
def test_ids_are_unique_and_records_whole(visits: list[tuple[int, int, float]]) -> None:
    unknowns = fresh()
    ids: dict[int, str] = {}
    for shots, (person, frames, wall) in enumerate(visits):
        identity = unknowns.see(visit(person, frames, shots=10 * shots), wall, "porch")
        if identity is not None:
            assert ids.setdefault(person, identity) == identity
    assert len(set(ids.values())) == len(ids)
    for kept in unknowns.take_changes().seen:
        assert np.linalg.norm(kept.mean) == pytest.approx(1, abs=1e-5)
        assert kept.first <= kept.last
        assert kept.weight >= 2
