"""Who is matched for how long without the centre: simulated time, and clocks that are wrong."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgeface.core.errors import FleetError
from edgeface.fleet.device.lease import DeviceLease
from edgeface.fleet.messages import Lease, Receipt
from edgeface.fleet.packing import packed
from tests.support.clock import FixedClock
from tests.support.embeddings import unit

if TYPE_CHECKING:
    from tests.support.fleet_device import Device

DAY = 86_400.0
DOCS = Path(__file__).parents[2] / "docs/fleet.md"
WALL = 1_795_334_400.0
LEASE = DeviceLease.granted(30 * DAY, WALL)


def test_either_limit_ends_a_lease() -> None:
    assert not LEASE.after(29 * DAY, WALL + 29 * DAY).is_over(WALL + 29 * DAY)
    assert LEASE.is_over(WALL + 30 * DAY)
    assert LEASE.after(30 * DAY, WALL).is_over(WALL)


def test_a_clock_that_is_set_back_gains_nothing() -> None:
    late = LEASE.after(10 * DAY, WALL + 10 * DAY)
    assert late.remaining(WALL - 900 * DAY) == 20 * DAY
    assert late.remaining(0.0) == 20 * DAY
    assert late.after(20 * DAY, 0.0).is_over(0.0)


def test_time_that_runs_backwards_does_not_extend_a_lease() -> None:
    assert LEASE.after(-5.0, WALL - 5.0) == LEASE


def away(device: Device) -> None:
    """The centre answers nothing any more."""
    device.centre.refuse |= dict.fromkeys(("changes", "snapshot", "epoch", "applied", "proposals"), 503)


def elapse(device: Device, days: float, by: float = 0.5) -> None:
    """Run for so many days without the centre."""
    with device.opened() as (follower, book, applier):
        left = days
        while left > 0:
            device.clock.sleep(min(by, left) * DAY)
            follower.round(book, applier)
            left -= by


@pytest.fixture
def leased(device: Device) -> Device:
    device.centre.put("alice", unit(1))
    device.done()
    away(device)
    return device


def test_doors_are_as_before_for_72_hours_without_the_centre(leased: Device) -> None:
    elapse(leased, 3, by=0.02)
    assert leased.matched == {"alice"}


def test_after_the_lease_no_one_is_matched_and_they_are_erased(leased: Device) -> None:
    elapse(leased, 29.9)
    assert leased.matched == {"alice"}
    elapse(leased, 0.2, by=0.1)
    assert leased.stored == set()


def test_who_was_enrolled_here_before_is_matched_without_a_lease(device: Device) -> None:
    device.enroll("zoe", 9)
    device.centre.put("alice", unit(1))
    device.done()
    away(device)
    elapse(device, 31)
    assert device.stored == {"zoe"}


def test_the_centre_brings_them_back(leased: Device) -> None:
    elapse(leased, 31)
    assert leased.stored == set()
    leased.centre.refuse.clear()
    leased.centre.now = leased.clock.wall()
    leased.done()
    assert leased.matched == {"alice"}
    elapse(leased, 20)
    assert leased.matched == {"alice"}


def test_a_clock_that_is_set_back_every_day_does_not_extend_it(leased: Device) -> None:
    with leased.opened() as (follower, book, applier):
        for _ in range(31):
            leased.clock.sleep(DAY)
            leased.clock.epoch -= DAY
            follower.round(book, applier)
    assert leased.stored == set()


def test_off_for_longer_than_the_lease_no_one_is_matched_from_the_start(leased: Device) -> None:
    leased.clock = FixedClock(epoch=WALL + 31 * DAY)
    with leased.opened():
        assert leased.matched == set()


def test_restarts_with_a_clock_in_1970_use_up_the_lease(device: Device) -> None:
    """Each run is shorter than what is stored in between; each start is charged for that."""
    device.centre.lease = 6000
    device.centre.put("alice", unit(1))
    device.done()
    away(device)
    leased, device.synced = device, False
    assert leased.matched == {"alice"}
    for _ in range(11):
        leased.clock = FixedClock(epoch=0.0)
        with leased.opened() as (follower, book, applier):
            follower._counter.count(book, applier)
            # A loss of power: nothing is stored at the end.
            book.sites.clear()
    assert leased.matched == set()


def test_a_clock_that_is_unsure_at_the_start_matches_until_the_running_time_is_over(leased: Device) -> None:
    leased.synced = False
    leased.clock = FixedClock(epoch=0.0)
    assert leased.matched_by(leased.rounds()) == {"alice"}
    # A program that does not count how long the device runs has nothing but this clock.
    assert leased.matched == set()
    elapse(leased, 31)
    assert leased.stored == set()


def test_a_centre_whose_clock_was_set_back_has_no_one_erased(device: Device) -> None:
    device.centre.put("alice", unit(1))
    device.done()
    device.centre.now -= 31 * DAY
    device.centre.put("bob", unit(2))
    assert "clock of the centre or of this device is wrong" in str(device.rounds(2).problems)
    assert device.stored == {"alice", "bob"}
    elapse(device, 31)
    assert device.stored == set()


@pytest.mark.parametrize("wrong", [{"seconds": 1_000_000_000, "now": 0}, {"seconds": 60, "now": 1 << 60}])
def test_a_lease_that_no_centre_can_mean_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(FleetError, match="not a Lease"):
        Lease.read(packed(wrong))


def test_a_clock_that_jumps_ahead_unsure_hides_people_and_erases_no_one(leased: Device) -> None:
    leased.synced = False
    leased.clock.epoch += 900 * DAY
    leased.rounds()
    assert leased.matched == set()
    assert leased.stored == {"alice"}
    leased.clock.epoch -= 900 * DAY
    leased.centre.refuse.clear()
    leased.done()
    assert leased.matched == {"alice"}
    leased.synced = True
    leased.done()
    assert leased.matched == {"alice"}


def test_a_certificate_that_has_ended_is_named(leased: Device) -> None:
    """The centre closes the connection without a word then."""
    leased.clock.epoch += 40 * DAY
    (problem,) = leased.rounds().problems
    assert problem.endswith("the certificate of this device has ended: edgeface fleet join URL --again")


def test_the_bytes_of_a_receipt_are_those_of_the_docs() -> None:
    key = Ed25519PrivateKey.generate()
    words = re.search(r'`\["(edgeface fleet receipt \d)", DEVICE, SITE, (.*)\]`', DOCS.read_text())
    assert words is not None
    facts = {"seq": 7, "digest": "0" * 64, "count": 3, "at": 1_000, "policy": 4, "model": "other:0123abcd"}
    receipt = Receipt.signed(key, "front", "house", facts)
    listed = [words[1], "front", "house", *(facts[one] for one in words[2].split(", "))]
    key.public_key().verify(receipt.signature, packed(listed))
    receipt = Receipt.signed(key, "front", "house", {**facts, "model": None})
    key.public_key().verify(receipt.signature, packed(listed[:-1]))
