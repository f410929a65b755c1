"""Leases end although nothing can be written, and in every program that matches people."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from edgeface.access.policy import Rule
from edgeface.access.site_policy import SiteDoor, SitePolicy
from edgeface.core.clock import DAY
from edgeface.recognition_service.gallery_reader import GalleryReader
from tests.support.disks import full_disk
from tests.support.embeddings import unit

if TYPE_CHECKING:
    from tests.support.fleet_device import Device


POLICY = SitePolicy(doors={"front": SiteDoor(allow=(Rule(group="everyone"),))})


@pytest.fixture
def leased(device: Device) -> Device:
    """A device with someone of the centre, who never answers again, and someone of its own."""
    device.enroll("zoe", 9)
    device.centre.set_policy(POLICY)
    device.centre.put("alice", unit(1))
    device.done(2)
    device.centre.refuse |= dict.fromkeys(("changes", "snapshot", "epoch", "applied", "proposals"), 503)
    return device


def test_a_full_disk_does_not_keep_the_end_of_a_lease(leased: Device) -> None:
    with leased.opened() as (follower, book, applier):
        with full_disk():
            leased.clock.sleep(29 * DAY)
            follower.round(book, applier)
            before = follower.leases(leased.clock.wall())
            leased.clock.sleep(2 * DAY)
            follower.round(book, applier)
            after = follower.leases(leased.clock.wall())
        assert (set(before), set(after)) == ({"house"}, set())
        assert "cannot be written" in str(follower.problems)
        # Nothing could be written, and no one is matched all the same.
        assert (leased.stored, leased.matched_by(follower)) == ({"alice", "zoe"}, {"zoe"})
        follower.round(book, applier)
    assert leased.stored == {"zoe"}


def test_a_lease_ends_although_the_thread_that_counts_it_is_stuck(leased: Device) -> None:
    follower = leased.rounds()
    assert leased.matched_by(follower) == {"alice", "zoe"}
    leased.clock.sleep(31 * DAY)
    assert leased.matched_by(follower) == {"zoe"}


@pytest.mark.parametrize(("days", "matched"), [(29, {"alice", "zoe"}), (31, {"zoe"})])
def test_a_daemon_starts_with_a_full_disk_and_goes_by_what_is_stored(
    leased: Device, days: float, matched: set[str]
) -> None:
    leased.clock.sleep(days * DAY)
    follower = leased.follower()
    with full_disk():
        follower.start()
        found = follower.leases(leased.clock.wall())
        follower.stop()
    assert follower.policies.current == {"house": POLICY}
    assert (found == {"house"}) == ("alice" in matched)
    assert follower.problems
    assert leased.matched_by(follower) == matched


def test_a_clock_that_was_set_back_extends_no_lease_where_nothing_is_counted(leased: Device) -> None:
    leased.rounds()
    leased.clock.epoch -= 2 * DAY
    assert leased.matched == {"zoe"}


def test_the_recognition_service_goes_by_the_leases_without_a_daemon(leased: Device) -> None:
    with closing(GalleryReader(leased.data, leased.model)) as reader:
        found = reader.newest(leased.clock.wall())
        assert found is not None
        assert set(found.rows) == {"alice", "zoe"}
        assert reader.newest(leased.clock.wall()) is None
        leased.clock.sleep(31 * DAY)
        found = reader.newest(leased.clock.wall())
        assert found is not None
        assert set(found.rows) == {"zoe"}


def test_without_fleet_db_no_one_of_the_centre_is_matched(leased: Device) -> None:
    for path in leased.data.glob("fleet.db*"):
        path.unlink()
    assert leased.matched == {"zoe"}


def test_a_lease_that_someone_has_put_into_the_file_holds_for_no_one(leased: Device) -> None:
    with leased.opened() as (_, book, __):
        book.file._db.execute("UPDATE leases SET site = 'other'")
    with leased.gallery() as gallery:
        assert gallery.leases(leased.clock.wall()) == frozenset()


def test_someone_who_is_enrolled_again_here_still_needs_the_lease(leased: Device) -> None:
    with leased.gallery() as gallery:
        gallery.replace("alice", "Alice", gallery.templates("alice"), leased.clock.wall(), ignored=False)
    assert leased.matched == {"alice", "zoe"}
    leased.clock.sleep(31 * DAY)
    assert leased.matched == {"zoe"}
