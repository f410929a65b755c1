"""The policy of a site on a device: only a newer one of the centre is taken up, and the doors follow it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgeface.access.policy import AccessPolicy, AllowRule, Door, check
from edgeface.access.site_policy import SitePolicy
from edgeface.faces.calibration import CalibrationTable
from edgeface.fleet import messages, sealing, signed_policy
from edgeface.fleet.packing import packed
from edgeface.fleet.signed_policy import MAX_BYTES
from edgeface.recognition.limits import with_limits
from edgeface.security.vault import open_vault
from tests.access.test_policy import CLAIM, NOW
from tests.fleet.test_crashes import killed
from tests.support.embeddings import unit
from tests.support.fleet import SmallCentre

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeface.fleet.messages import Rows
    from tests.support.fleet_device import Device

STAFF = SitePolicy.model_validate({"doors": {"front": {"allow": [{"group": "staff"}]}}})
BOB = SitePolicy.model_validate({"doors": {"front": {"allow": [{"person": "bob"}]}}})
EVERYONE = AccessPolicy({"front": Door(camera="porch", allow=(AllowRule(group="everyone"),))})


def allowed(device: Device) -> set[str]:
    """Who may pass the front door now, by a config.yaml that lets everyone in."""
    follower = device.rounds(0)
    with device.gallery() as gallery:
        view = gallery.snapshot(device.clock.wall())
    made = with_limits(EVERYONE, CalibrationTable.shipped(), view, follower.policies.current)
    return set(made.allowed(made.doors["front"])) & set(view.rows)


@pytest.fixture
def house(device: Device) -> Device:
    """Two people of the centre, and one who is enrolled here."""
    device.enroll("zoe", 9)
    device.centre.put("alice", unit(1), groups=("staff",))
    device.centre.put("bob", unit(2))
    return device


def test_without_a_policy_config_yaml_decides_alone(house: Device) -> None:
    house.done(2)
    assert allowed(house) == {"alice", "bob", "zoe"}


def test_a_policy_holds_for_the_people_of_its_site_and_no_one_else(house: Device) -> None:
    house.centre.set_policy(STAFF)
    follower = house.done(2)
    assert allowed(house) == {"alice", "zoe"}
    assert follower.facts["sites"]["house"]["policy"] == 3
    assert house.centre.receipts[-1].policy == 3


def test_a_new_policy_is_followed_and_signed_at_once(house: Device) -> None:
    house.centre.set_policy(STAFF)
    house.done(2)
    house.centre.set_policy(BOB)
    house.done()
    assert allowed(house) == {"bob", "zoe"}
    assert house.centre.receipts[-1].policy == 4


def test_a_removed_policy_leaves_the_decision_to_config_yaml(house: Device) -> None:
    house.centre.set_policy(STAFF)
    house.done(2)
    house.centre.set_policy(None)
    house.done()
    assert allowed(house) == {"alice", "bob", "zoe"}
    assert house.centre.receipts[-1].policy == 4


def test_a_policy_holds_while_the_centre_is_away_and_in_a_new_epoch(house: Device) -> None:
    house.centre.set_policy(STAFF)
    house.done(2)
    house.centre.refuse = {"changes": 503}
    house.rounds(2)
    assert allowed(house) == {"alice", "zoe"}
    house.centre.refuse = {}
    house.centre.new_epoch()
    house.centre.set_policy(BOB)
    house.done()
    assert allowed(house) == {"bob", "zoe"}


def test_a_local_change_of_someone_of_the_site_does_not_take_them_out_of_it(house: Device) -> None:
    house.centre.set_policy(STAFF)
    house.done(2)
    with house.gallery() as gallery:
        gallery.rename("bob", "Robert", 1.0)
        gallery.replace("bob", "Robert", gallery.templates("bob"), 1.0, ignored=False)
    house.done()
    assert allowed(house) == {"alice", "zoe"}


def centre_of(device: Device) -> SmallCentre:
    assert isinstance(device.centre, SmallCentre)
    return device.centre


def _signed_by_another(device: Device) -> messages.SealedPolicy:
    return centre_of(device).sealed_policy(key=Ed25519PrivateKey.generate())


def _of_another_site(device: Device) -> messages.SealedPolicy:
    return centre_of(device).sealed_policy(site="annex")


def _of_another_version(device: Device) -> messages.SealedPolicy:
    return centre_of(device).sealed_policy(version=3)


def _sealed_with_another_key(device: Device) -> messages.SealedPolicy:
    made = centre_of(device).sealed_policy()
    return made.model_copy(update={"sealed": made.sealed[:-1] + bytes([made.sealed[-1] ^ 1])})


def _of(device: Device, document: Any) -> messages.SealedPolicy:
    """The centre's own key signs a document that is no policy."""
    centre = device.centre
    body = packed(document)
    version = centre.policy_version
    signed = packed([body, centre.enrolling.sign(signed_policy._message(centre.site, version, body))])
    sealed = sealing.seal_policy(centre.epoch_key, centre.site, centre.epoch, version, signed)
    return messages.SealedPolicy(version=version, sealed=sealed)


def _with_unknown_key(device: Device) -> messages.SealedPolicy:
    return _of(device, {"doors": {}, "opens": "everything"})


def _with_unknown_schedule(device: Device) -> messages.SealedPolicy:
    return _of(device, {"doors": {"front": {"allow": [{"group": "everyone", "schedule": "never-made"}]}}})


def _nested(device: Device) -> messages.SealedPolicy:
    deep: Any = {}
    for _ in range(400):
        deep = {"doors": deep}
    return _of(device, deep)


def _of_an_unknown_zone(device: Device) -> messages.SealedPolicy:
    return _of(device, {"schedules": {"day": {"zone": "Moon/Crater", "week": {"mon": ["08:00-09:00"]}}}})


def _too_long(device: Device) -> messages.SealedPolicy:
    return _of(device, {"doors": {"front": {"allow": []}}, "x": "y" * (MAX_BYTES + 1)})


def _held_back(_: Device) -> None:
    return None


FORGED = (
    _signed_by_another, _of_another_site, _of_another_version, _sealed_with_another_key, _with_unknown_key,
    _with_unknown_schedule, _nested, _of_an_unknown_zone, _too_long, _held_back,
)  # fmt: skip


@pytest.mark.parametrize("forged", FORGED)
def test_what_is_not_a_policy_of_the_centre_is_refused_and_the_old_set_stays(
    house: Device, forged: Callable[[Device], messages.SealedPolicy | None]
) -> None:
    house.centre.set_policy(STAFF)
    house.done(2)
    house.centre.put("carol", unit(3), groups=("staff",))
    house.centre.set_policy(BOB)
    house.centre.alter = lambda rows: rows.model_copy(update={"policy": forged(house)})
    for _ in range(2):
        follower = house.rounds()
        assert follower._problem is not None
        assert "bob" not in follower._problem
        assert house.matched == {"alice", "bob", "zoe"}
        assert allowed(house) == {"alice", "zoe"}
    house.centre.alter = None
    house.done()
    assert allowed(house) == {"bob", "zoe"}


def test_an_earlier_policy_cannot_be_played_back(house: Device) -> None:
    centre = house.centre
    centre.set_policy(None)
    earlier = centre.sealed_policy()
    version = centre.policy_version
    centre.set_policy(STAFF)
    house.done(2)

    def played_back(rows: Rows) -> Rows:
        """As whoever owns the database could send it, with a digest that fits."""
        return rows.model_copy(update={"policy": earlier, "seq": rows.seq + 1})

    centre.alter = played_back
    follower = house.rounds()
    assert follower._problem is not None
    assert "older than what is known here" in follower._problem
    assert earlier.version == version
    assert allowed(house) == {"alice", "zoe"}


def test_a_whole_list_without_the_policy_is_refused_though_its_digest_fits(house: Device) -> None:
    centre = house.centre
    centre.set_policy(STAFF)
    house.done(2)
    centre.policy, centre.policy_version, centre.floor = None, 0, centre.seq + 1
    follower = house.rounds(3)
    assert follower._problem is not None
    assert "holds back the policy" in follower._problem
    assert allowed(house) == {"alice", "zoe"}


def test_a_policy_that_can_no_longer_be_read_lets_no_one_of_the_site_in(house: Device) -> None:
    house.centre.set_policy(STAFF)
    house.done(2)
    with house.opened() as (_, book, _applier):
        site = book.sites["house"]
        book.put_site(site.model_copy(update={"signed_policy": site.signed_policy[:-1]}))
    assert allowed(house) == {"zoe"}
    house.centre.refuse = {"changes": 503}
    problems = house.rounds().problems
    assert any("the people of house pass no door" in line for line in problems)


def test_people_of_a_site_that_the_device_does_not_know_pass_no_door(house: Device) -> None:
    house.done(2)
    (house.data / "fleet.db").unlink()
    assert allowed(house) == {"zoe"}


@pytest.mark.parametrize(("step", "now"), [("policy", "bob"), ("marked", "bob"), ("written", "bob")])
def test_killed_while_a_policy_comes_with_people(house: Device, step: str, now: str) -> None:
    house.centre.set_policy(STAFF)
    house.done(2)
    house.centre.put("carol", unit(3), groups=("staff",))
    house.centre.set_policy(BOB)
    killed(house, step)
    # Carol is never here with the policy by which staff may pass.
    assert allowed(house) == {now, "zoe"}
    house.done()
    assert house.matched == {"alice", "bob", "carol", "zoe"}
    assert allowed(house) == {"bob", "zoe"}


def test_a_door_refuses_and_grants_by_it(house: Device) -> None:
    house.centre.set_policy(STAFF)
    follower = house.done(2)
    with house.gallery() as gallery:
        view = gallery.snapshot(house.clock.wall())
    made = with_limits(EVERYONE, CalibrationTable.shipped(), view, follower.policies.current)
    front = made.doors["front"]
    claims = {who: replace(CLAIM, person=who, camera="porch") for who in ("alice", "bob", "zoe")}
    assert {who: check(made, front, one, NOW) for who, one in claims.items()} == {
        "alice": None, "bob": "person", "zoe": None,
    }  # fmt: skip


def kept_from(device: Device, *people: str) -> None:
    """The centre gives the device these people without their rows from now on, as the policy says."""
    centre = centre_of(device)

    def without(rows: Rows) -> Rows:
        hidden = {number for number, one in centre.people.items() if one.facts is not None and one.facts.id in people}
        made = (
            one.model_copy(update={"key": b"", "sealed": None}) if one.person in hidden else one for one in rows.rows
        )
        return rows.model_copy(update={"rows": tuple(made)})

    centre.alter = without


def test_someone_proposed_here_who_may_pass_nowhere_here_is_erased_with_the_proposal(house: Device) -> None:
    kept_from(house, "nina")
    house.done(2)
    house.enroll("nina", 5)
    # One follower: it has asked about the proposal, and does not ask again for an hour.
    with house.opened() as (follower, book, applier):
        follower.round(book, applier)
        assert house.matched == {"alice", "bob", "nina", "zoe"}
        house.centre.accept()
        follower.round(book, applier)
        assert house.stored == {"alice", "bob", "zoe"}
        assert follower.facts["proposals"] == 0
        assert list(book.file.proposals()) == []


def test_who_may_no_longer_pass_goes_with_a_change_that_waits_and_comes_back(house: Device) -> None:
    house.done(2)
    with house.gallery() as gallery:
        gallery.rename("bob", "Robert", 1.0)
    house.done()
    assert len(house.centre.proposals) == 1
    kept_from(house, "bob")
    house.centre.floor = house.centre.seq + 1
    house.centre.set_policy(STAFF)
    assert house.done(2).facts["proposals"] == 0
    assert house.stored == {"alice", "zoe"}
    house.centre.alter = None
    house.centre.floor = house.centre.seq + 1
    house.centre.set_policy(None)
    house.done(2)
    assert house.stored == {"alice", "bob", "zoe"}


def test_who_was_forgotten_here_does_not_come_back_after_a_policy_kept_them_away(house: Device) -> None:
    house.done(2)
    with house.gallery() as gallery:
        gallery.remove(["bob"])
    house.done()
    kept_from(house, "bob")
    house.centre.floor = house.centre.seq + 1
    house.centre.set_policy(STAFF)
    house.done(2)
    house.centre.alter = None
    house.centre.floor = house.centre.seq + 1
    house.centre.set_policy(None)
    house.done(2)
    assert house.stored == {"alice", "zoe"}
    house.centre.accept()
    assert house.done().facts["proposals"] == 0
    assert house.stored == {"alice", "zoe"}


def test_a_daemon_starts_with_the_file_of_a_newer_version_and_lets_no_one_of_the_site_in(house: Device) -> None:
    house.done(2)
    vault, about = open_vault(house.data), "fleet site house"
    with house.opened() as (_, book, _applier):
        body = packed({**book.sites["house"].model_dump(), "newer": 1})
    with closing(sqlite3.connect(house.data / "fleet.db")) as db, db:
        db.execute("UPDATE sites SET sealed = ?", (vault.seal(body, about),))
    follower = house.follower()
    follower.start()
    follower.stop()
    assert any("not a SiteFile of this version" in line for line in follower.problems)
    assert follower.policies.current == {}
