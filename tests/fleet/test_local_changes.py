"""What is done at the device: proposed to the centre, and provisional until it is accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edgeface.gallery.snapshot import Template, day
from edgeface.people.service import PeopleService
from tests.fleet.test_lease import DAY, away
from tests.support.embeddings import unit

if TYPE_CHECKING:
    from tests.support.fleet_device import Device


@pytest.fixture
def joined(device: Device) -> Device:
    device.centre.put("alice", unit(1), groups=("staff",))
    device.done()
    return device


def forget(device: Device, *people: str) -> None:
    assert PeopleService(device.configuration, clock=device.clock).erase(*people).traces == ()


def rename(device: Device, person: str, name: str) -> None:
    with device.gallery() as gallery:
        gallery.rename(person, name, device.clock.wall())


def expires(device: Device, person: str) -> str | None:
    with device.gallery() as gallery:
        return gallery.person(person).expires


def test_someone_enrolled_here_is_proposed_and_holds_for_a_week(joined: Device) -> None:
    joined.enroll("bob", 2)
    joined.done()
    ((proposal, facts),) = joined.centre.proposals
    assert (proposal.seq, proposal.forget) == (0, False)
    assert facts is not None
    assert (facts.id, facts.name, facts.expires) == ("bob", "Bob", None)
    assert facts.embedding == pytest.approx(unit(2), abs=1e-3)
    assert expires(joined, "bob") == day(joined.clock.wall() + 7 * DAY)
    assert joined.matched == {"alice", "bob"}


def test_accepted_they_are_like_any_other(joined: Device) -> None:
    joined.enroll("bob", 2)
    joined.done()
    joined.centre.accept()
    follower = joined.done()
    assert expires(joined, "bob") is None
    assert follower.facts["proposals"] == 0
    assert joined.matched == {"alice", "bob"}
    assert len(joined.centre.proposals) == 1


def test_not_accepted_they_are_no_longer_matched_after_a_week(joined: Device) -> None:
    joined.enroll("bob", 2)
    joined.done()
    joined.clock.sleep(7.1 * DAY)
    assert joined.matched == {"alice"}


def test_offline_it_waits_and_is_sent_once(joined: Device) -> None:
    away(joined)
    joined.enroll("bob", 2)
    assert joined.rounds(2).facts["proposals"] == 1
    assert joined.centre.proposals == []
    assert joined.matched == {"alice", "bob"}
    joined.centre.refuse.clear()
    joined.done(3)
    assert len(joined.centre.proposals) == 1


def test_a_change_here_is_proposed_with_the_change_number_that_is_known(joined: Device) -> None:
    rename(joined, "alice", "Alice B.")
    joined.done(2)
    ((proposal, facts),) = joined.centre.proposals
    assert proposal.seq == 1
    assert facts is not None
    assert (facts.name, facts.version, facts.groups) == ("Alice B.", 2, ("staff",))
    joined.centre.accept()
    assert joined.done().facts["proposals"] == 0
    with joined.gallery() as gallery:
        assert gallery.person("alice").name == "Alice B."


def test_a_change_that_no_one_accepts_for_a_week_is_undone(joined: Device) -> None:
    rename(joined, "alice", "Mallory")
    joined.done(2)
    joined.clock.sleep(7.1 * DAY)
    joined.centre.now = joined.clock.wall()
    joined.done(2)
    with joined.gallery() as gallery:
        assert gallery.person("alice").name == "Alice"
    assert len(joined.centre.proposals) == 1


def test_someone_forgotten_here_is_gone_at_once_and_proposed_to_be_forgotten(joined: Device) -> None:
    forget(joined, "alice")
    joined.done(2)
    ((proposal, facts),) = joined.centre.proposals
    assert proposal.forget
    assert facts is None
    # Until the centre has decided they stay away, whatever it says of them.
    joined.centre.put("alice", unit(1), proposal.person)
    joined.centre.floor = joined.centre.seq
    joined.done(3)
    assert joined.stored == set()
    joined.centre.accept()
    assert joined.done().facts["proposals"] == 0
    assert joined.stored == set()


def test_changed_here_and_there_the_centre_counts_and_a_person_is_told(joined: Device) -> None:
    (alice,) = joined.centre.people
    rename(joined, "alice", "Here")
    joined.centre.put("alice", unit(1), alice, name="There")
    follower = joined.done(3)
    assert follower.facts["conflicts"] == 1
    assert "did not take 1 change made here" in " ".join(follower.problems)
    with joined.gallery() as gallery:
        assert gallery.person("alice").name == "There"


def test_changed_here_and_forgotten_there_they_are_erased(joined: Device) -> None:
    (alice,) = joined.centre.people
    rename(joined, "alice", "Here")
    joined.centre.forget(alice)
    joined.done(2)
    assert joined.stored == set()
    assert joined.centre.receipts[-1].count == 0


def test_a_new_epoch_is_no_conflict(joined: Device) -> None:
    joined.centre.new_epoch()
    joined.enroll("bob", 2)
    assert joined.done().facts["conflicts"] == 0
    assert len(joined.centre.proposals) == 1


def test_who_expires_by_the_centre_s_word_is_not_proposed_to_be_forgotten(device: Device) -> None:
    from edgeface.people.retention import expire

    device.centre.put("alice", unit(1), expires=day(device.clock.wall() + DAY))
    device.done()
    device.clock.sleep(2 * DAY)
    device.centre.now = device.clock.wall()
    with device.gallery() as gallery:
        assert expire(gallery, device.configuration, device.clock.wall(), synced=True, alike=0.6) == 1
    device.done(2)
    assert device.centre.proposals == []


def test_enrolled_and_forgotten_before_the_centre_knew_nothing_is_sent(joined: Device) -> None:
    away(joined)
    joined.enroll("bob", 2)
    joined.rounds()
    forget(joined, "bob")
    joined.rounds()
    joined.centre.refuse.clear()
    joined.done(2)
    assert joined.centre.proposals == []


def test_another_template_here_is_a_change(joined: Device) -> None:
    with joined.gallery() as gallery:
        wall = joined.clock.wall()
        gallery.enroll("alice", None, [Template(unit(5), joined.model, "camera", wall)], wall)
    joined.done(2)
    assert len(joined.centre.proposals) == 1


def test_with_a_clock_that_is_unsure_no_day_is_set_yet(joined: Device) -> None:
    joined.synced = False
    joined.enroll("bob", 2)
    joined.done()
    assert expires(joined, "bob") is None
    joined.synced = True
    joined.done()
    assert expires(joined, "bob") is not None
    assert len(joined.centre.proposals) == 1


def test_a_centre_that_takes_no_more_proposals_now_is_followed_all_the_same(joined: Device) -> None:
    joined.centre.refuse["proposals"] = 429
    joined.enroll("bob", 2)
    joined.centre.put("carol", unit(3))
    follower = joined.rounds(4)
    assert follower.facts["proposals"] == 1
    assert follower.problems == ()
    assert joined.matched == {"alice", "bob", "carol"}
    assert joined.centre.asked.count("POST proposals") == 1
    joined.centre.refuse.clear()
    # The next start asks at once; a running device does so after a minute.
    joined.rounds(2)
    assert len(joined.centre.proposals) == 1
