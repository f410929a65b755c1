"""A centre with its listeners, and a device with its follower: what an admin does is what the device matches."""

import base64
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edgeface.centre.admins.models import DeviceProof
from edgeface.centre.admins.sites import proof_object
from edgeface.centre.enrolling import Enrolling, Facts
from edgeface.centre.lost import lose
from edgeface.config.configuration import Configuration, Fleet
from edgeface.core.clock import SystemClock
from edgeface.core.errors import FleetError
from edgeface.faces.embedder import embedder_name
from edgeface.fleet import join_code
from edgeface.fleet.device.follower import Follower
from edgeface.fleet.device.joining import join
from edgeface.fleet.messages import Receipt
from edgeface.gallery.gallery import Gallery
from edgeface.people.enrollment import DEFAULT
from edgeface.security.vault import open_vault
from tests.support.broker import until
from tests.support.centre_server import SITE, Running

DATA = Path(__file__).parents[1] / "data"
MODEL = embedder_name()


@pytest.fixture
def joined(running: Running, tmp_path: Path) -> Configuration:
    """The configuration of a device that has joined."""
    url = f"https://localhost:{running.server.device_port}"
    made = Configuration(device="front", data=tmp_path / "device", fleet=Fleet(centres=(url,)))
    join(made.data, open_vault(made.data), "front", url, join_code.parse(running.code("front")))
    return made


@contextmanager
def following(configuration: Configuration) -> Iterator[Follower]:
    vault = open_vault(configuration.data)
    follower = Follower(lambda: configuration, vault, MODEL, SystemClock(), synced=lambda: True, wait=5.0)
    follower.start()
    try:
        yield follower
    finally:
        follower.stop()


def has_lease(follower: Follower) -> bool:
    return follower.facts.get("sites", {}).get(SITE, {}).get("lease") is not None


def matched(configuration: Configuration) -> set[str]:
    with closing(Gallery.open(configuration.data, MODEL)) as gallery:
        return {one.id for one in gallery.snapshot(SystemClock().wall()).people}


def state(running: Running) -> Any:
    (device,) = running.context.store.proof(SITE).devices
    return device.state


def receipt_of(signed: DeviceProof) -> Receipt:
    """What the JSON of a proof says that a device has signed."""
    assert signed.at is not None
    assert signed.digest is not None
    assert signed.signature is not None
    return Receipt(
        seq=signed.seq, digest=signed.digest, count=signed.count, policy=signed.policy,
        model=signed.model, signature=base64.b64decode(signed.signature),
        at=round(datetime.fromisoformat(signed.at.replace("Z", "+00:00")).timestamp() * 1000),
    )  # fmt: skip


def public_key(text: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(text))


def test_enrolled_changed_and_forgotten_at_the_centre(running: Running, joined: Configuration) -> None:
    people = Enrolling(running.context, SITE, "admin")
    people.from_photos("barack", Facts(name="Barack"), [DATA / "obama.jpg"], DEFAULT)
    with following(joined) as follower:
        until(lambda: matched(joined) == {"barack"} and state(running) == "equal", 20)
        people.from_photos("joe", Facts(), [DATA / "biden.jpg"], DEFAULT)
        until(lambda: matched(joined) == {"barack", "joe"} and state(running) == "equal", 20)
        running.context.store.forget(SITE, people.find("barack").person, "admin")
        assert [one.device for one in running.context.store.proof(SITE).outstanding] == ["front"]
        until(lambda: matched(joined) == {"joe"} and state(running) == "equal", 20)
        assert follower.problems == ()
    assert running.context.store.proof(SITE).outstanding == ()
    (signed,) = proof_object(running.context.store.proof(SITE)).devices
    receipt_of(signed).verify(public_key(signed.receipt_key), "front", SITE)
    with pytest.raises(FleetError, match="not signed by the device"):
        receipt_of(signed.model_copy(update={"count": 2})).verify(public_key(signed.receipt_key), "front", SITE)


def test_a_lost_device_gets_nothing_new(running: Running, joined: Configuration) -> None:
    people = Enrolling(running.context, SITE, "admin")
    people.from_photos("barack", Facts(), [DATA / "obama.jpg"], DEFAULT)
    with following(joined) as follower:
        # The receipt has arrived at the centre before its answer is at the device.
        until(lambda: state(running) == "equal" and has_lease(follower), 20)
    assert lose(running.context.store, "front", "admin").people == {SITE: ("barack",)}
    people.from_photos("joe", Facts(), [DATA / "biden.jpg"], DEFAULT)
    with following(joined) as follower:
        until(lambda: any("revoked" in one for one in follower.problems), 20)
    assert matched(joined) == {"barack"}
