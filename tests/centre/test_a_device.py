"""The real device follows the real centre: both ends of the protocol, over TLS and on a real database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from edgeface.centre.records import Entry
from edgeface.config.configuration import Configuration, Fleet
from edgeface.core.errors import FleetError
from edgeface.faces.embedder import embedder_name
from tests.support.centre_server import SITE, Running
from tests.support.clock import FixedClock
from tests.support.embeddings import unit
from tests.support.fleet_device import Device

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.centre.store import Store

MODEL = embedder_name(Configuration().embedder.model)


@dataclass
class RealCentre:
    """What a device joins."""

    running: Running

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.running.server.device_port}"

    @property
    def store(self) -> Store:
        return self.running.context.store

    def code(self) -> str:
        return self.running.code("front")

    def put(self, person: str, seed: int, **facts: str) -> int:
        made = Entry(id=person, name=person.title(), embeddings={MODEL: unit(seed)}, **facts)  # type: ignore[arg-type]
        return self.store.put(SITE, made, "admin")

    def number(self, person: str) -> bytes:
        return next(one.person for one in self.store.people(SITE) if one.id == person)


@pytest.fixture
def device(tmp_path: Path, running: Running) -> Device:
    centre = RealCentre(running)
    settings = Configuration(device="front", data=tmp_path / "device", fleet=Fleet(centres=(centre.url,)))
    made = Device(settings, running.clock, centre)
    made.join()
    return made


def test_a_device_follows_and_the_centre_has_its_word(device: Device) -> None:
    centre = device.centre
    centre.put("alice", 1)
    centre.put("bob", 2)
    device.done()
    assert device.matched == {"alice", "bob"}
    centre.store.forget(SITE, centre.number("alice"), "admin")
    centre.put("bob", 3)
    device.done()
    assert device.stored == {"bob"}
    (proof,) = centre.store.proof(SITE).devices
    assert proof.state == "equal"
    assert proof.count == 1


def test_a_device_below_the_floor_lists_again(device: Device) -> None:
    centre = device.centre
    centre.put("alice", 1)
    device.done()
    centre.store.forget(SITE, centre.number("alice"), "admin")
    seq = centre.put("bob", 2)
    centre.store.upkeep.raise_floor(SITE, seq)
    device.done(2)
    assert device.stored == {"bob"}


def test_what_is_enrolled_here_is_accepted_there(device: Device) -> None:
    store = device.centre.store
    device.centre.put("alice", 1)
    device.done()
    device.enroll("carol", 3)
    device.done()
    (waiting,) = store.proposals()
    store.accept(waiting.n, "admin")
    assert device.done().facts["proposals"] == 0
    assert {one.id for one in store.people(SITE)} == {"alice", "carol"}
    with device.gallery() as gallery:
        assert gallery.person("carol").expires is None


def test_what_is_declined_is_known_here_within_the_hour(device: Device) -> None:
    store = device.centre.store
    device.done()
    device.enroll("carol", 3)
    with device.opened() as (follower, book, applier):
        follower._joined(book, applier, book.file.identity())  # type: ignore[arg-type]
        for _ in range(2):
            follower.round(book, applier)
    (waiting,) = store.proposals()
    store.decline(waiting.n, "admin")
    with device.opened() as (follower, book, applier):
        follower.round(book, applier)
        assert follower.facts["conflicts"] == 1
        assert follower.facts["proposals"] == 0


def test_after_another_device_was_lost_this_one_follows_with_the_new_epoch(device: Device) -> None:
    centre = device.centre
    centre.put("alice", 1)
    device.done()
    centre.store.new_epoch(SITE, "admin")
    centre.put("bob", 2)
    device.done()
    assert device.matched == {"alice", "bob"}


def test_a_revoked_device_gets_nothing_new(device: Device) -> None:
    centre = device.centre
    centre.put("alice", 1)
    device.done()
    centre.store.revoke("front", "admin")
    centre.put("bob", 2)
    with pytest.raises(Exception, match="refuses"):
        device.done()
    assert device.matched == {"alice"}


def test_a_code_works_once(device: Device) -> None:
    code = device.centre.code()
    device.centre.code = lambda: code
    device.join(again=True)
    with pytest.raises(FleetError, match="not joined"):
        device.join(again=True)


def test_a_certificate_is_renewed(device: Device) -> None:
    with device.opened() as (_, book, applier):
        before = book.file.identity()
        assert before is not None
        # TLS itself goes by the machine's clock, so that only the device's is ahead.
        device.clock = FixedClock(epoch=before.ends - 9 * 86_400)
        ahead = device.follower()
        ahead.round(book, applier)
        ahead.round(book, applier)
        ahead._disconnect()
        after = book.file.identity()
    assert after is not None
    assert after.certificate != before.certificate
    assert device.done().problems == ()
