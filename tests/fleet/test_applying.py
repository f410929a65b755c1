"""What a device does with answers of the centre: all of one is applied or nothing, and nobody here is overwritten."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgeface.fleet import facts, sealing
from edgeface.journal.journal import Journal
from edgeface.people import trace_search
from tests.support.embeddings import unit

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeface.fleet.messages import Row, Rows
    from tests.support.fleet import SmallCentre
    from tests.support.fleet_device import Device


def test_who_was_enrolled_before_the_device_joined_stays(device: Device) -> None:
    device.enroll("zoe", 9)
    device.centre.put("alice", unit(1))
    device.done(3)
    device.clock.sleep(8 * 86_400)
    device.done()
    assert device.matched == {"alice", "zoe"}
    assert device.centre.proposals == []


def test_a_row_that_changes_nothing_here_is_only_noted(device: Device) -> None:
    both = "alice", "bob"
    alice, bob = device.centre.put("alice", unit(1)), device.centre.put("bob", unit(2))
    device.done()
    with device.gallery() as gallery:
        before = gallery.versions(both)
    # As when the centre gives them a template of another model: a new number, and the same person.
    device.centre.put("alice", unit(1), alice)
    device.centre.put("bob", unit(3), bob)
    assert device.done().problems == ()
    with device.gallery() as gallery:
        assert [who for who, version in gallery.versions(both).items() if version == before[who]] == ["alice"]
        assert gallery.embeddings("bob")[0] == pytest.approx(unit(3), abs=1e-3)
    # What is changed here and accepted there comes back like that, and is no longer waited for.
    with device.gallery() as gallery:
        gallery.rename("alice", "Alicia", device.clock.wall())
    with device.opened() as (follower, book, applier):
        follower.round(book, applier)
        assert [one.state for one in book.waiting.values()] == ["sent"]
        device.centre.accept()
        follower.round(book, applier)
        assert (follower.problems, book.waiting) == ((), {})
    assert device.centre.receipts[-1].seq == 5


def test_an_id_that_someone_has_here_is_a_problem_for_a_person(device: Device) -> None:
    device.enroll("alice", 9)
    device.centre.put("alice", unit(1))
    device.centre.put("bob", unit(2))
    follower = device.done(2)
    assert device.matched == {"alice", "bob"}
    with device.gallery() as gallery:
        assert gallery.embeddings("alice")[0] == pytest.approx(unit(9))
    assert "1 person of the centre has an id" in " ".join(follower.problems)
    assert "alice" not in " ".join(follower.problems)
    # The receipt counts both: it is the centre's list that the device has.
    assert device.centre.receipts[-1].count == 2


def test_two_people_with_one_face_are_look_alikes(device: Device) -> None:
    device.enroll("zoe", 1)
    device.centre.put("alice", unit(1))
    device.centre.put("bob", unit(2))
    device.centre.put("bill", unit(2))
    device.done()
    with device.gallery() as gallery:
        assert gallery.person("alice").look_alikes == ("zoe",)
        assert gallery.person("zoe").look_alikes == ("alice",)
        assert gallery.person("bill").look_alikes == ("bob",)
    assert device.centre.proposals == []


def test_an_id_can_pass_to_someone_else_and_takes_nothing_with_it(device: Device) -> None:
    first = device.centre.put("alice", unit(1))
    device.done()
    with device.gallery() as gallery:
        terms = trace_search.terms(gallery, ["alice"], 0.6)
    device.centre.forget(first)
    device.centre.put("alice", unit(2))
    device.done()
    with device.gallery() as gallery:
        assert gallery.embeddings("alice")[0] == pytest.approx(unit(2), abs=1e-3)
    no_words = terms.__class__((), (), terms.embeddings)
    assert trace_search.search(device.data, no_words)[1] == []


def test_a_person_whose_id_changes_has_the_new_one_only(device: Device) -> None:
    alice = device.centre.put("alice", unit(1))
    device.done()
    device.centre.put("alice-b", unit(1), alice)
    device.done()
    assert device.stored == {"alice-b"}


def test_who_is_forgotten_leaves_no_trace(device: Device) -> None:
    alice, _ = device.centre.put("alice-miller", unit(1)), device.centre.put("bob", unit(2))
    device.done()
    with closing(Journal(device.configuration.journal_path)) as journal:
        journal.record("match", device.clock.wall(), {"event_type": "match", "person": "alice-miller"})
    with device.gallery() as gallery:
        terms = trace_search.terms(gallery, ["alice-miller"], 0.6)
    device.centre.forget(alice)
    device.done()
    assert trace_search.search(device.data, terms)[1] == []
    assert device.centre.receipts[-1].count == 1


def test_a_list_has_those_who_are_missing_in_it_erased(device: Device) -> None:
    alice = device.centre.put("alice", unit(1))
    device.centre.put("bob", unit(2))
    device.done()
    device.centre.forget(alice)
    device.centre.floor = device.centre.seq
    device.done(2)
    assert device.stored == {"bob"}
    assert device.centre.asked.count("GET snapshot") == 2


def test_who_has_no_template_of_the_model_is_counted_and_not_matched(device: Device) -> None:
    device.centre.put("alice", unit(1))
    device.done()
    device.centre.alter = lambda rows: rows.model_copy(
        update={"rows": tuple(row.model_copy(update={"sealed": None}) for row in rows.rows)}
    )
    (alice,) = device.centre.people
    device.centre.put("alice", unit(1), alice)
    device.done()
    assert device.stored == set()
    assert device.centre.receipts[-1].count == 1
    device.centre.alter = None
    device.centre.put("alice", unit(1), alice)
    device.done()
    assert device.matched == {"alice"}


def test_a_new_epoch_needs_no_new_rows(device: Device) -> None:
    device.centre.put("alice", unit(1))
    device.done()
    device.centre.new_epoch()
    device.centre.put("bob", unit(2))
    device.done()
    assert device.matched == {"alice", "bob"}


def altered(change: Callable[[SmallCentre, Row], Row]) -> Callable[[Device], None]:
    """Has the row of the newest person changed."""

    def alter(device: Device) -> None:
        newest = device.centre.seq

        def changed(rows: Rows) -> Rows:
            made = tuple(change(device.centre, row) if row.seq == newest else row for row in rows.rows)
            return rows.model_copy(update={"rows": made})

        device.centre.alter = changed

    return alter


def signed_by_another(centre: SmallCentre, row: Row) -> Row:
    known = centre.people[row.person]
    assert known.facts is not None
    signed = facts.sign(centre.site, row.person, known.facts, Ed25519PrivateKey.generate())
    return row.model_copy(
        update={"sealed": sealing.seal_row(known.key, centre.site, row.person, row.seq, centre.model, signed)}
    )


def of_another_model(centre: SmallCentre, row: Row) -> Row:
    known = centre.people[row.person]
    assert known.facts is not None
    other = known.facts.model_copy(update={"model": "other:00000000"})
    signed = facts.sign(centre.site, row.person, other, centre.enrolling)
    return row.model_copy(
        update={"sealed": sealing.seal_row(known.key, centre.site, row.person, row.seq, centre.model, signed)}
    )


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        (
            altered(lambda _, row: row.model_copy(update={"sealed": bytes(900)})),
            "sealed row does not fit",
        ),
        (altered(lambda _, row: row.model_copy(update={"key": bytes(60)})), "sealed key does not fit"),
        (altered(lambda _, row: row.model_copy(update={"key": None})), "has no key"),
        (altered(lambda _, row: row.model_copy(update={"person": bytes(16)})), "does not fit"),
        (altered(lambda _, row: row.model_copy(update={"seq": 900})), "change number that does not fit"),
        (altered(signed_by_another), "not signed by the enrolling key"),
        (altered(of_another_model), "template of another model"),
    ],
)
def test_one_row_that_does_not_fit_refuses_the_whole_answer(
    device: Device, alter: Callable[[Device], None], said: str
) -> None:
    alice = device.centre.put("alice", unit(1))
    device.done()
    device.centre.forget(alice)
    device.centre.put("bob", unit(2))
    device.centre.put("mallory", unit(3))
    alter(device)
    follower = device.rounds()
    assert said in " ".join(follower.problems)
    assert device.matched == {"alice"}
    assert len(device.centre.receipts) == 1
    device.centre.alter = None
    assert device.done().problems == ()
    assert device.matched == {"bob", "mallory"}


def test_earlier_facts_cannot_be_played_back(device: Device) -> None:
    alice = device.centre.put("alice", unit(1), version=3)
    device.done()
    device.centre.put("alice", unit(2), alice, version=2)
    follower = device.rounds(2)
    assert "older than what is known here" in " ".join(follower.problems)
    device.centre.put("alice", unit(2), alice, version=4)
    device.done()
    device.centre.forget(alice)
    device.done()
    device.centre.put("alice", unit(1), alice, version=3)
    assert "older" in " ".join(device.rounds().problems)
    assert device.stored == set()


def test_who_was_forgotten_does_not_come_back_with_what_was_signed_before(device: Device) -> None:
    alice = device.centre.put("alice", unit(1))
    device.centre.put("bob", unit(2))
    device.done()
    device.centre.forget(alice)
    device.done()
    device.centre.put("alice", unit(1), alice, version=1)
    assert "older" in " ".join(device.rounds().problems)
    assert device.stored == {"bob"}


def test_a_wrong_digest_applies_nothing_and_lists_again(device: Device) -> None:
    device.centre.put("alice", unit(1))
    device.done()
    device.centre.put("bob", unit(2))
    device.centre.alter = lambda rows: rows.model_copy(update={"digest": "0" * 64})
    follower = device.rounds()
    assert "not those that the centre says" in " ".join(follower.problems)
    assert follower.facts["sites"]["house"]["digest_wrong"] == 1
    assert device.matched == {"alice"}
    # Nor does a list with a wrong digest.
    assert device.rounds().facts["sites"]["house"]["digest_wrong"] == 1
    assert device.matched == {"alice"}
    # Nor does no list at all end the problem.
    with device.opened() as (follower, book, applier):
        follower.round(book, applier)
        device.centre.refuse["snapshot"] = 503
        follower.round(book, applier)
        assert "house: the people here are not those that the centre says" in " ".join(follower.problems)
    device.centre.refuse.clear()
    device.centre.alter = None
    assert device.done().problems == ()
    assert device.matched == {"alice", "bob"}


def test_a_refused_receipt_lists_again(device: Device) -> None:
    device.centre.put("alice", unit(1))
    device.done()
    device.centre.put("bob", unit(2))
    device.centre.refuse["applied"] = 409
    assert device.rounds().facts["sites"]["house"]["digest_wrong"] == 1
    device.centre.refuse.clear()
    device.done()
    assert device.centre.asked.count("GET snapshot") == 2
    assert device.matched == {"alice", "bob"}


def test_a_name_that_no_one_may_have_refuses_the_answer(device: Device) -> None:
    device.centre.put("alice", unit(1), name="unknown")
    assert "reserved" in " ".join(device.rounds().problems)
    assert device.stored == set()
