"""A door with `owner:`: its controller on a real broker, and the list of device keys."""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgeface.core.clock import synchronised
from edgeface.door.controller import Controller
from edgeface.door.factors import FactorPublisher
from edgeface.door.key_list import KeyList, ListedKey, Received, read
from edgeface.door.relay import in_this_process
from edgeface.door.relays.log import LogRelay
from edgeface.door.settings import DoorSettings, SealSettings
from edgeface.door.trusted_keys import ListMemory, Time, TrustedKeys
from edgeface.door.verifier import GrantVerifier
from edgeface.mqtt.connection import Message
from edgeface.mqtt.settings import Mqtt
from edgeface.mqtt.topics import Topics
from edgeface.security.signing_keys import sign
from tests.door.test_controller import process
from tests.support.broker import Listener, until
from tests.support.key_lists import Owner, ShiftedClock, listed
from tests.support.threaded import threaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edgeface.demo.mosquitto import Mosquitto

KEYS, GENERATION = "edgeface/doors/keys", "edgeface/doors/front/generation"
CHALLENGE, GRANT, RESULT, STATE = (f"edgeface/doors/front/{name}" for name in ("challenge", "grant", "result", "state"))
DAY = 86_400


class Site:
    """A broker with an owner, a door, and devices that ask it to open."""

    def __init__(self, broker: Mosquitto, listener: Listener, folder: Path) -> None:
        self.broker, self.listener, self.folder = broker, listener, folder
        self.owner, self.clock = Owner(), ShiftedClock()
        self.porch, self.stolen = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        self.seq = 0
        self.used: str | None = None

    @property
    def both(self) -> tuple[Any, Any]:
        return listed("porch", self.porch), listed("stolen", self.stolen)

    def settings(self, **changes: Any) -> DoorSettings:
        known: dict[str, Any] = {"owner": {self.owner.kid: self.owner.text}, **changes}
        relay, mqtt = LogRelay(seconds=0.2), Mqtt(port=self.broker.port)
        return DoorSettings(door="front", data=self.folder / "door", relay=relay, mqtt=mqtt, **known)

    @contextmanager
    def door(self, **changes: Any) -> Iterator[Controller]:
        controller = Controller(self.settings(**changes), self.clock, in_this_process, synced=lambda: self.clock.synced)
        count = len(self.listener.of(STATE))
        with threaded(controller):
            until(lambda: len(self.listener.of(STATE)) > count and self.latest_nonce() is not None, 10)
            yield controller

    def publish(self, envelope: bytes | str, *, retain: bool = True) -> None:
        self.listener.client.publish(KEYS, envelope, qos=1, retain=retain).wait_for_publish(30)

    def latest_nonce(self) -> str | None:
        return next((str(heard.json["nonce"]) for heard in reversed(self.listener.of(CHALLENGE))), None)

    def ask(self, device: str = "porch", kid: str = "") -> str:
        """Have a device's key sign a grant for a fresh nonce; returns `accepted` or the door's reason."""
        until(lambda: self.latest_nonce() != self.used)
        self.seq += 1
        nonce = self.latest_nonce()
        payload = json.dumps({
            "v": 1, "aud": "front", "device": device, "boot": "b0", "seq": self.seq, "nonce": nonce,
            "person": "alice", "score": 7120, "level": "high", "age_ms": 140, "frames": 4, "liveness": "off",
        })  # fmt: skip
        private = self.porch if device == "porch" else self.stolen
        sig = base64.b64encode(private.sign(payload.encode())).decode()
        count = len(self.listener.of(RESULT))
        envelope = {"payload": payload, "kid": kid or f"{device}-1", "alg": "ed25519", "sig": sig}
        self.listener.publish(GRANT, json.dumps(envelope))
        until(lambda: len(self.listener.of(RESULT)) > count)
        answer = self.listener.of(RESULT)[-1].json
        self.used = nonce if answer["accepted"] else self.used
        return "accepted" if answer["accepted"] else str(answer["reason"])

    def state(self) -> dict[str, Any]:
        return self.listener.of(STATE)[-1].json

    def until_keys(self, seconds: float = 10.0, **wanted: Any) -> None:
        """Wait until the door's state has these facts about its list."""
        until(lambda: wanted.items() <= self.state()["key_list"].items(), seconds)

    def until_problem(self, words: str) -> None:
        until(lambda: words in (self.state()["problem"] or ""), 10)


@pytest.fixture
def site(broker: Mosquitto, listen: Callable[..., Listener], tmp_path: Path) -> Site:
    return Site(broker, listen(broker, "edgeface/doors/+/+"), tmp_path)


@pytest.mark.broker
def test_a_revoked_device_opens_nothing_once_the_list_has_arrived(site: Site) -> None:
    first = site.owner.list(*site.both)
    site.publish(first)
    with site.door():
        site.until_keys(in_force=True, devices=2)
        assert (site.ask("porch"), site.ask("stolen")) == ("accepted", "accepted")
        after = read(first, site.owner.public).revoking("stolen")
        assert after is not None
        site.publish(site.owner.sign(after.renewed(site.clock.wall() + 1, DAY)))
        site.until_keys(in_force=True, devices=1)
        assert [site.ask("stolen") for _ in range(3)] == ["unknown_key"] * 3
        assert site.ask("porch") == "accepted"
        # The broker is hostile and publishes the first list again.
        site.publish(first)
        site.until_keys(refused={"older": 1})
        assert site.ask("stolen") == "unknown_key"
        assert site.ask("porch") == "accepted"
        site.until_problem("older than one seen before")
        until(lambda: site.state()["accepted"] == 4)
    # It remembers over a restart what the broker would have it forget.
    with site.door():
        site.until_keys(in_force=False, refused={"older": 1})
        assert (site.ask("stolen"), site.ask("porch")) == ("no_keys", "no_keys")


@pytest.mark.broker
def test_no_grant_is_accepted_before_a_list_has_arrived_on_this_connection(site: Site) -> None:
    envelope = site.owner.list(*site.both)
    site.publish(envelope)
    with site.door():
        site.until_keys(in_force=True)
        assert site.ask() == "accepted"
        # The broker comes back without what it retained.
        site.broker.kill()
        site.broker.start()
        until(lambda: (site.state()["key_list"]["in_force"], site.state()["key_list"]["number"]) == (False, None), 15)
        assert site.ask() == "no_keys"
        site.until_problem("no list of device keys has arrived on this connection")
        site.publish(envelope)
        site.until_keys(in_force=True)
        assert site.ask() == "accepted"


@pytest.mark.broker
def test_a_list_expires_while_the_door_is_online_whatever_the_wall_clock_does(site: Site) -> None:
    site.publish(site.owner.list(*site.both, seconds=4))
    with site.door():
        site.until_keys(in_force=True)
        assert site.ask() == "accepted"
        site.clock.wall_ahead -= 3_600
        site.until_keys(in_force=False)
        assert site.ask() == "keys_expired"
        assert site.state()["key_list"]["seconds_left"] == 0
        site.until_problem("it has expired")
        # The owner renews it, by a clock that is right.
        site.publish(site.owner.list(*site.both))
        site.until_keys(in_force=True)
        assert site.ask() == "accepted"


@pytest.mark.broker
def test_a_door_that_was_offline_for_a_day_opens_for_no_one_until_it_has_a_new_list(site: Site) -> None:
    site.publish(site.owner.list(*site.both))
    with site.door():
        site.until_keys(in_force=True)
        site.broker.pause()
        site.clock.pass_time(DAY)
        site.broker.resume()
        site.until_keys(in_force=False, seconds_left=0, seconds=20)
        assert (site.ask("stolen"), site.ask("porch")) == ("keys_expired", "keys_expired")
        site.publish(site.owner.list(listed("porch", site.porch), wall=site.clock.wall()))
        site.until_keys(in_force=True)
        assert (site.ask("stolen"), site.ask("porch")) == ("unknown_key", "accepted")


@pytest.mark.broker
def test_a_clock_that_is_not_known_to_be_right_opens_nothing_at_the_start(site: Site) -> None:
    site.clock.synced = False
    site.publish(site.owner.list(*site.both))
    with site.door():
        site.until_keys(in_force=False, refused={"clock": 1})
        site.until_problem("the clock of this door is not known to be right")
        assert site.ask() == "no_keys"
        site.clock.synced = True
        site.until_keys(in_force=True)
        assert site.ask() == "accepted"
        # From here on, the monotonic clock is enough.
        site.clock.synced = False
        site.publish(site.owner.list(listed("porch", site.porch), number=2**40))
        site.until_keys(in_force=True, devices=1)
        assert site.ask() == "accepted"
    # A clock that was set back by a year is noticed by what the door remembers.
    site.clock.synced = True
    site.clock.wall_ahead -= 365 * DAY
    with site.door():
        site.until_keys(in_force=False, refused={"clock": 1})
        assert site.ask() == "no_keys"


@pytest.mark.broker
def test_a_list_from_the_future_replaces_the_old_one_and_opens_nothing(site: Site) -> None:
    site.publish(site.owner.list(*site.both))
    with site.door():
        site.until_keys(in_force=True)
        site.publish(site.owner.list(*site.both, wall=site.clock.wall() + 3_600))
        site.until_keys(in_force=False, refused={"not_yet": 1})
        assert site.ask() == "no_keys"
        site.until_problem("it is from the future")
        site.clock.wall_ahead += 3_500
        site.until_keys(in_force=True)
        assert site.ask() == "accepted"


@pytest.mark.broker
@pytest.mark.parametrize("reason", ["the clock is not known", "the disk is full", "it is from the future"])
def test_a_list_that_is_not_in_force_yet_is_replaced_by_no_older_one(reason: str, site: Site) -> None:
    first = site.owner.list(*site.both)
    later = site.clock.wall() + (3_600 if "future" in reason else 1)
    second = site.owner.list(listed("porch", site.porch), wall=later)
    site.clock.synced = "clock" not in reason
    folder = site.folder / "door"
    with site.door():
        if "disk" in reason:
            folder.write_text("no folder can be made here")
        site.publish(second)
        site.until_keys(number=read(second, site.owner.public).number, in_force=False)
        # The broker is hostile, and publishes what the owner has replaced.
        site.publish(first)
        until(lambda: site.state()["key_list"]["refused"].get("older") == 1, 10)
        if "disk" in reason:
            folder.unlink()
        site.clock.synced = True
        assert site.ask("stolen") in {"no_keys", "unknown_key"}
        site.publish(second)
        if "future" not in reason:
            site.until_keys(in_force=True, devices=1)
        assert site.ask("stolen") == ("no_keys" if "future" in reason else "unknown_key")


@pytest.mark.broker
def test_a_clock_that_was_ahead_for_a_moment_shuts_no_door_after_a_restart_and_is_named_until_then(site: Site) -> None:
    site.clock.wall_ahead = 20 * 3_600
    with site.door():
        site.publish(site.owner.list(*site.both, seconds=DAY))
        site.until_keys(in_force=True)
        site.clock.monotonic_ahead += 5 * 3_600
        site.clock.wall_ahead = 0
        site.until_problem("restart this controller")
        assert site.ask() == "keys_expired"
    site.clock.monotonic_ahead = 0
    with site.door():
        site.until_keys(in_force=True)
        assert site.ask() == "accepted"


@pytest.mark.broker
def test_what_the_owner_has_not_signed_changes_nothing(site: Site) -> None:
    good = site.owner.list(*site.both)
    number = read(good, site.owner.public).number
    site.publish(good)
    foreign = Owner()
    with site.door():
        site.until_keys(in_force=True, devices=2)
        hostile = {
            "signature": foreign.list(listed("stolen", site.stolen), number=number + 9),
            "unknown_owner": Owner(kid="other").list(*site.both),
            "malformed": good[:-30],
            "too_large": b" " * 12_001,
            "conflict": site.owner.list(listed("stolen", site.stolen), number=number),
            "older": site.owner.list(*site.both, number=number - 1),
            "algorithm": good.replace(b'"alg":"ed25519"', b'"alg":"none"'),
        }
        for envelope in hostile.values():
            site.publish(envelope)
        # Removed from the broker.
        site.publish(b"")
        site.until_keys(refused={**dict.fromkeys(hostile, 1), "malformed": 2}, in_force=True, number=number)
        assert (site.ask("porch"), site.ask("stolen")) == ("accepted", "accepted")
        site.until_problem("was removed from the broker")
    with site.door():
        assert site.ask() == "no_keys"


@pytest.mark.broker
def test_a_list_for_other_doors_opens_nothing_here(site: Site) -> None:
    porch, stolen = site.both
    site.publish(site.owner.list(listed("porch", site.porch, doors=("front", "back")), stolen))
    with site.door():
        site.until_keys(in_force=True)
        assert (site.ask("porch"), site.ask("stolen")) == ("accepted", "accepted")
        site.publish(site.owner.list(porch, listed("stolen", site.stolen, doors=("garage",)), number=2**40))
        site.until_keys(number=2**40)
        assert (site.ask("porch"), site.ask("stolen")) == ("accepted", "unknown_key")


@pytest.mark.broker
def test_two_owner_keys_are_one_line_of_numbers_until_one_is_removed(site: Site) -> None:
    old, new = site.owner, Owner(kid="owner-2027-01")
    both = {"owner": {one.kid: one.text for one in (old, new)}}
    site.publish(old.list(*site.both, number=2**50))
    with site.door(**both):
        site.until_keys(in_force=True, number=2**50)
        site.publish(new.list(listed("porch", site.porch), number=2**50 + 1))
        site.until_keys(in_force=True, devices=1)
        assert (site.ask("stolen"), site.ask("porch")) == ("unknown_key", "accepted")
        site.publish(old.list(*site.both, number=2**50))
        site.until_keys(refused={"older": 1})
        # The old key was stolen: its thief signs the highest number that there is.
        site.publish(old.list(*site.both, number=2**53 - 1))
        site.until_keys(number=2**53 - 1)
    site.publish(new.list(listed("porch", site.porch), number=2**50 + 2))
    with site.door(owner={new.kid: new.text}):
        site.until_keys(in_force=True, number=2**50 + 2)
        assert (site.ask("stolen"), site.ask("porch")) == ("unknown_key", "accepted")


@pytest.mark.broker
def test_factors_are_sealed_to_the_keys_of_the_list(site: Site) -> None:
    porch, stolen = site.both
    site.publish(site.owner.list(porch, stolen))
    with site.door(seal=(SealSettings(device="porch"), SealSettings(device="cellar"))) as controller:
        site.until_keys(in_force=True)
        assert [(key.device, key.kid, key.public) for key in controller._factors._keys] == [
            ("porch", "s1", porch.sealing.raw)
        ]
        site.until_problem("no sealing key of cellar")
        site.publish(site.owner.list(stolen, number=2**40))
        site.until_keys(number=2**40)
        assert controller._factors._keys == []


@pytest.mark.broker
def test_a_generation_that_was_retained_before_the_list_arrived_is_remembered(site: Site) -> None:
    payload = json.dumps({"v": 1, "device": "porch", "gallery": 7, "journal": 9, "mark": "0" * 32})
    site.listener.client.publish(
        "edgeface/porch/generation", sign(payload.encode(), "porch-1", site.porch), qos=1, retain=True
    ).wait_for_publish(30)
    with site.door():
        assert site.ask() == "no_keys"
        site.publish(site.owner.list(*site.both))
        until(lambda: any(b'"kid":"porch-1"' in heard for heard in site.listener.payloads(GENERATION)), 10)


@pytest.mark.broker
def test_a_real_controller_follows_the_list_if_the_clock_of_this_machine_is_right(site: Site) -> None:
    site.publish(site.owner.list(*site.both))
    config = site.folder / "door.yaml"
    config.write_text(
        f"door: front\nowner: {{{site.owner.kid}: {site.owner.text}}}\nrelay: {{type: log, seconds: 0.2}}\n"
        f"data: {site.folder / 'door'}\nmqtt: {{port: {site.broker.port}}}\n"
    )
    with process(config):
        until(lambda: site.listener.of(STATE), 20)
        if synchronised():
            site.until_keys(in_force=True)
            assert (site.ask("porch"), (site.folder / "door" / "front.key-list").exists()) == ("accepted", True)
        else:
            site.until_problem("the clock of this door is not known to be right")
            until(lambda: site.latest_nonce() is not None)
            assert site.ask("porch") == "no_keys"


def received(number: int, owner: Owner, *, digest: str = "d", wall: float = 1_000.0) -> Received:
    return Received(KeyList(number, int(wall), int(wall) + 60), digest, owner.text)


def test_the_memory_is_one_small_file_of_mode_0600(tmp_path: Path) -> None:
    owner = Owner()
    memory = ListMemory(tmp_path / "door" / "front.key-list", owner.public)
    memory.remember(received(7, owner))
    path = tmp_path / "door" / "front.key-list"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    again = ListMemory(tmp_path / "door" / "front.key-list", owner.public)
    assert again.wall == 1_000.0
    again.check(received(7, owner))
    for worse in (received(6, owner), received(7, owner, digest="other")):
        with pytest.raises(ValueError, match="was seen before"):
            again.check(worse)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[" * 9_000, b'{"v":1}', b'{"v":1,"seen":{"x":[1,2,3]}}', b"\xff", b" " * 5_000]
)
def test_a_damaged_memory_accepts_no_list(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "front.key-list").write_bytes(content)
    owner = Owner()
    memory = ListMemory(tmp_path / "front.key-list", owner.public)
    assert "cannot be used" in (memory.problem or "")
    with pytest.raises(ValueError, match="cannot be used"):
        memory.check(received(9, owner))


def test_a_list_that_cannot_be_remembered_is_not_accepted(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    owner = Owner()
    memory = ListMemory(tmp_path / "elsewhere" / "front.key-list", owner.public)
    (tmp_path / "elsewhere").symlink_to(tmp_path / "file")
    with pytest.raises(ValueError, match="File exists"):
        memory.remember(received(1, owner))


def test_time_never_goes_back_and_needs_a_right_clock_once() -> None:
    clock = ShiftedClock(synced=False)
    time = Time(clock, lambda: clock.synced)
    start = clock.wall()
    assert time.now(0.0) is None
    clock.synced = True
    assert time.now(start + 301) is None
    assert abs((time.now(start + 299) or 0) - start) < 5
    clock.wall_ahead -= 1_000_000
    clock.monotonic_ahead += 60
    assert abs((time.now(0.0) or 0) - start - 60) < 5
    clock.wall_ahead += 2_000_000
    assert (time.now(0.0) or 0) > start + 900_000
    clock.synced = False
    clock.wall_ahead -= 2_000_000
    assert (time.now(0.0) or 0) > start + 900_000


def test_a_key_is_shown_as_door_yaml_has_it() -> None:
    assert ListedKey("k", bytes(range(32))).text == base64.b64encode(bytes(range(32))).decode()


class Answers:
    """What a connection has of its broker."""

    answered = float("-inf")

    def subscribe(self, topics: object, *, retained: bool) -> None:
        assert retained
        assert topics == [KEYS]


def test_a_list_that_was_queued_for_the_old_session_counts_only_with_what_is_retained(tmp_path: Path) -> None:
    owner, clock, connection = Owner(), ShiftedClock(), Answers()
    wanted = DoorSettings(door="front", owner={owner.kid: owner.text}, data=tmp_path, relay=LogRelay())
    verifier = GrantVerifier(wanted.rules())
    factors = FactorPublisher(wanted, clock, lambda: None)
    keys = TrustedKeys(wanted, Topics(prefix="edgeface"), verifier, factors, clock, lambda: True)
    queued, newest = owner.list(listed("stolen"), number=10), owner.list(listed("front"), number=11)
    keys.connected(connection)  # type: ignore[arg-type]  # what it needs of one
    assert keys.on_message(Message(KEYS, queued, retained=False))
    keys.review(connection)  # type: ignore[arg-type]
    connection.answered = clock.monotonic()
    keys.review(connection)  # type: ignore[arg-type]
    assert verifier.rules.keys == {}
    keys.on_message(Message(KEYS, newest, retained=True))
    assert set(verifier.rules.keys) == {"front-1"}
    assert not keys.on_message(Message("edgeface/doors/front/grant", b"", retained=False))
