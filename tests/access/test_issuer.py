"""From a claim to a signed grant, with a real broker, and messages of hostile doors."""

import base64
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.access.issuer import GrantIssuer
from edgeface.access.levels import DoorLimits, LevelLimit
from edgeface.access.policy import AccessPolicy, Door
from edgeface.access.protocol import MAX_MESSAGE_BYTES, Nonces, read_object, read_result
from edgeface.core.clock import SystemClock
from edgeface.core.events import LIFETIME, SEND_WITHIN
from edgeface.core.types import Claim
from edgeface.demo.mosquitto import Mosquitto
from edgeface.journal.journal import Journal
from edgeface.mqtt import topics
from edgeface.mqtt.mqtt_publisher import MqttPublisher
from edgeface.mqtt.settings import Mqtt
from edgeface.security import signing_keys
from edgeface.security.vault import open_vault
from tests.support.broker import Listener, until
from tests.support.clock import FixedClock

CLOCK = SystemClock()
CHALLENGE = "edgeface/doors/front-door/challenge"
GRANT = "edgeface/doors/front-door/grant"
RESULT = "edgeface/doors/front-door/result"
STATE = "edgeface/front/state"

Listen = Callable[..., Listener]


def challenge(nonce: str | None = None, boot: str = "d00r") -> str:
    return json.dumps({"nonce": nonce or secrets.token_urlsafe(18), "boot": boot})


def result(seq: int | None, *, accepted: bool = True, boot: str | None = "b007", **changes: Any) -> str:
    facts = {"v": 1, "door": "front-door", "boot": "d00r", "accepted": accepted, "device": "front", "grant_boot": boot}
    return json.dumps({**facts, "reason": None if accepted else "nonce", "grant_seq": seq, **changes})


def a_door(**changes: Any) -> Door:
    return Door.model_validate({"camera": "porch", "allow": [{"person": "alice"}], **changes})


def a_claim(visit: int = 1, person: str = "alice", at: float | None = None, **changes: Any) -> Claim:
    facts = {"score": 0.712, "newest": 0.7, "look_alike": False, "frames": 4, "faces_in_view": 1, **changes}
    return Claim("porch", visit, CLOCK.monotonic() if at is None else at, person, **facts)


LIMITS = DoorLimits(1, (LevelLimit("low", 0.5, 1000), LevelLimit("normal", 0.6, 100), LevelLimit("high", 0.7, 10)))


def policy_of(doors: dict[str, Door], limits: DoorLimits = LIMITS) -> AccessPolicy:
    named = {name.replace("_", "-"): door for name, door in doors.items()}
    return AccessPolicy(named, limits=dict.fromkeys(named, limits))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    signing_keys.write(folder, signing_keys.new((), "first", open_vault(folder), 0.0))
    return folder


@pytest.fixture
def journal(data: Path) -> Iterator[Journal]:
    journal = Journal(data / "journal.db")
    yield journal
    journal.close()


@pytest.fixture
def policies() -> list[AccessPolicy]:
    """The configured policies; the last one counts."""
    return [AccessPolicy()]


@pytest.fixture
def publish(data: Path, journal: Journal, policies: list[AccessPolicy]) -> Iterator[Callable[..., MqttPublisher]]:
    publishers: list[MqttPublisher] = []

    def make(port: int, **doors: Door) -> MqttPublisher:
        policies.append(policy_of(doors or {"front_door": a_door()}))
        signer = signing_keys.Signer(data, open_vault(data), CLOCK)
        publisher = MqttPublisher(
            Mqtt(port=port),
            "front",
            CLOCK,
            journal,
            on_enabled=lambda _camera, _on: None,
            cameras=("porch",),
            boot="b007",
            policy=lambda: policies[-1],
            signer=signer,
        )
        publishers.append(publisher)
        publisher.start()
        publisher.set(topics.STATE, {"version": "1"})
        until(lambda: publisher.connected)
        # The broker answers in order, so the subscriptions are active.
        until(lambda: publisher.counters()["queue"] == 0)
        time.sleep(0.1)
        return publisher

    yield make
    for publisher in publishers:
        publisher.close()


Publish = Callable[..., MqttPublisher]


def verified(envelope: bytes, data: Path) -> tuple[str, dict[str, Any]]:
    """The kid and the payload of a grant, checked with cryptography alone."""
    outer = json.loads(envelope)
    assert set(outer) == {"payload", "kid", "alg", "sig"}
    assert outer["alg"] == "ed25519"
    public = {record.kid: base64.b64decode(record.public) for record in signing_keys.read(data)}[outer["kid"]]
    signature = base64.b64decode(outer["sig"], validate=True)
    Ed25519PublicKey.from_public_bytes(public).verify(signature, outer["payload"].encode())
    return outer["kid"], json.loads(outer["payload"])


def rows(journal: Journal, *kinds: str) -> list[tuple[str, dict[str, Any]]]:
    return [(row.kind, json.loads(row.payload)) for row in journal.unpublished(1000) if row.kind in kinds]


def heard(listener: Listener, kind: str) -> list[dict[str, Any]]:
    return [one.json for one in listener.of("edgeface/front/audit") if one.json["event_type"] == kind]


def door_state(listener: Listener) -> dict[str, Any]:
    said = listener.of(STATE)
    return dict(said[-1].json["doors"].get("front-door", {})) if said else {}


@pytest.mark.broker
def test_a_door_that_reads_version_2_gets_it(broker: Mosquitto, listen: Listen, publish: Publish, data: Path) -> None:
    listener = listen(broker, "edgeface/#")
    publisher = publish(broker.port)
    facts = {**json.loads(challenge(secrets.token_urlsafe(18))), "reads": [1, 2]}
    listener.publish(CHALLENGE, json.dumps(facts))
    time.sleep(0.1)
    publisher.claim(replace(a_claim(), factor="pin"))
    until(lambda: listener.of(GRANT))
    payload = verified(listener.of(GRANT)[0].payload, data)[1]
    assert (payload["v"], payload["person"]) == (2, "alice")
    new = {key: payload[key] for key in ("factor", "liveness_kind", "level_basis")}
    assert new == {"factor": "pin", "liveness_kind": "off", "level_basis": "measured"}


@pytest.mark.broker
def test_a_door_that_reads_version_1_gets_no_grant_with_a_factor(
    broker: Mosquitto, listen: Listen, publish: Publish
) -> None:
    listener = listen(broker, "edgeface/#")
    publisher = publish(broker.port)
    for _ in range(4):
        listener.publish(CHALLENGE, challenge(secrets.token_urlsafe(18)))
        time.sleep(0.1)
        publisher.claim(replace(a_claim(), factor="pin"))
        time.sleep(0.7)
    until(lambda: door_state(listener).get("refused") == {"version": 1})
    assert listener.of(GRANT) == []


@pytest.mark.broker
def test_a_claim_and_a_nonce_are_a_grant(broker: Mosquitto, listen: Listen, publish: Publish, data: Path) -> None:
    listener = listen(broker, "edgeface/#")
    publisher = publish(broker.port)
    nonce = secrets.token_urlsafe(18)
    listener.publish(CHALLENGE, challenge(nonce))
    time.sleep(0.1)
    publisher.claim(a_claim())
    until(lambda: listener.of(GRANT))
    (grant,) = listener.of(GRANT)
    assert not grant.retained
    assert grant.qos == 1
    assert grant.expiry in {1, 2}
    kid, payload = verified(grant.payload, data)
    age = payload.pop("age_ms")
    assert kid == "first"
    assert 0 <= age < 500
    assert payload == {
        "v": 1,
        "aud": "front-door",
        "device": "front",
        "boot": "b007",
        "seq": 1,
        "nonce": nonce,
        "person": "alice",
        "score": 7120,
        "level": "high",
        "frames": 4,
        "liveness": "off",
    }
    until(lambda: heard(listener, "granted"))
    row = heard(listener, "granted")[0]
    assert {key: row[key] for key in ("door", "person", "visit", "grant_seq", "score", "level")} == {
        "door": "front-door",
        "person": "alice",
        "visit": 1,
        "grant_seq": 1,
        "score": 0.712,
        "level": "high",
    }
    until(lambda: door_state(listener).get("granted") == 1)
    assert door_state(listener)["problem"] is None
    assert door_state(listener)["nonce_age"] < 3


@pytest.mark.broker
def test_a_nonce_that_comes_a_second_later_opens_and_serves_once(
    broker: Mosquitto, listen: Listen, publish: Publish, data: Path
) -> None:
    listener = listen(broker, GRANT)
    publisher = publish(broker.port, front_door=a_door(allow=[{"person": "alice"}, {"person": "bob"}]))
    publisher.claim(a_claim(1))
    publisher.claim(a_claim(2, "bob"))
    time.sleep(1.0)
    assert not listener.of(GRANT)
    listener.publish(CHALLENGE, challenge())
    until(lambda: listener.of(GRANT))
    time.sleep(0.3)
    assert [verified(one.payload, data)[1]["person"] for one in listener.of(GRANT)] == ["alice"]
    listener.publish(CHALLENGE, challenge())
    until(lambda: len(listener.of(GRANT)) == 2)
    assert [verified(one.payload, data)[1]["seq"] for one in listener.of(GRANT)] == [1, 2]
    nonces = {verified(one.payload, data)[1]["nonce"] for one in listener.of(GRANT)}
    assert len(nonces) == 2


@pytest.mark.broker
@pytest.mark.slow(seconds=6)
def test_without_a_fresh_nonce_there_is_no_grant(broker: Mosquitto, listen: Listen, publish: Publish) -> None:
    listener = listen(broker, "edgeface/#")
    publisher = publish(broker.port)
    listener.publish(CHALLENGE, challenge())
    time.sleep(LIFETIME + 0.1)
    publisher.claim(a_claim())
    until(lambda: heard(listener, "refused"), 4)
    assert heard(listener, "refused")[0]["reason"] == "no_nonce"
    assert heard(listener, "refused")[0]["person"] == "alice"
    assert not listener.of(GRANT)
    until(lambda: door_state(listener).get("refused") == {"no_nonce": 1})


@pytest.mark.broker
def test_a_retained_or_hostile_challenge_is_counted_and_not_used(
    broker: Mosquitto, listen: Listen, publish: Publish
) -> None:
    listener = listen(broker, GRANT)
    listener.publish(CHALLENGE, challenge(), retain=True)
    publisher = publish(broker.port)
    listener.publish(CHALLENGE, challenge(), retain=True)
    for text in ("", "{}", challenge("short"), challenge("x" * 129), challenge("x" * 21 + "+"), "[" * 900, "x" * 2000):
        listener.publish(CHALLENGE, text)
    until(lambda: publisher.counters()["ignored"] == 8)
    publisher.claim(a_claim())
    time.sleep(0.3)
    assert not listener.of(GRANT)


@pytest.mark.broker
def test_two_doors_of_one_camera_open_each_with_its_own_nonce(
    broker: Mosquitto, listen: Listen, publish: Publish, data: Path
) -> None:
    listener = listen(broker, "edgeface/doors/+/grant")
    publisher = publish(broker.port, front_door=a_door(), gate=a_door(level="low"), shed=a_door(camera="yard"))
    for door in ("front-door", "gate", "shed"):
        listener.publish(f"edgeface/doors/{door}/challenge", challenge(door[0] * 24))
    time.sleep(0.1)
    publisher.claim(a_claim())
    until(lambda: len(listener.heard) == 2)
    payloads = [verified(one.payload, data)[1] for one in listener.heard]
    assert {(one["aud"], one["nonce"]) for one in payloads} == {("front-door", "f" * 24), ("gate", "g" * 24)}
    assert [one.topic.split("/")[2] for one in listener.heard] == [one["aud"] for one in payloads]


@pytest.mark.broker
def test_a_key_that_is_rotated_while_the_daemon_runs(
    broker: Mosquitto, listen: Listen, publish: Publish, data: Path
) -> None:
    listener = listen(broker, GRANT)
    publisher = publish(broker.port, front_door=a_door(cooldown=0))
    listener.publish(CHALLENGE, challenge())
    publisher.claim(a_claim(1))
    until(lambda: len(listener.of(GRANT)) == 1)
    signing_keys.write(
        data, signing_keys.rotate(signing_keys.new(signing_keys.read(data), "second", open_vault(data), 1.0))
    )
    time.sleep(signing_keys.CHECK_SECONDS + 1)
    listener.publish(CHALLENGE, challenge())
    publisher.claim(a_claim(2))
    until(lambda: len(listener.of(GRANT)) == 2)
    assert [verified(one.payload, data)[0] for one in listener.of(GRANT)] == ["first", "second"]


@pytest.mark.broker
@pytest.mark.slow(seconds=5)
def test_without_a_key_the_state_says_so(
    broker: Mosquitto, listen: Listen, publish: Publish, data: Path, policies: list[AccessPolicy]
) -> None:
    (data / signing_keys.FILE).unlink()
    listener = listen(broker, "edgeface/#")
    publisher = publish(broker.port)
    until(lambda: door_state(listener).get("problem") == "no signing key (edgeface keys new)")
    listener.publish(CHALLENGE, challenge())
    publisher.claim(a_claim())
    until(lambda: heard(listener, "refused"), 4)
    assert heard(listener, "refused")[0]["reason"] == "no_key"
    assert "door front-door: no signing key (edgeface keys new)" in listener.of(STATE)[-1].json["problems"]
    assert not listener.of(GRANT)
    signing_keys.write(data, signing_keys.new((), "late", open_vault(data), 0.0))
    until(lambda: listener.of(STATE)[-1].json["problems"] == [], signing_keys.CHECK_SECONDS + 3)
    policies.append(AccessPolicy())
    until(lambda: listener.of(STATE)[-1].json["doors"] == {})


@pytest.mark.broker
def test_what_the_door_says_is_written_down_and_a_flood_is_counted(
    broker: Mosquitto, listen: Listen, publish: Publish
) -> None:
    listener = listen(broker, "edgeface/#")
    publisher = publish(broker.port)
    listener.publish(CHALLENGE, challenge())
    publisher.claim(a_claim())
    until(lambda: listener.of(GRANT))
    listener.publish(RESULT, result(1))
    until(lambda: heard(listener, "opened"))
    opened = heard(listener, "opened")[0]
    assert {key: opened[key] for key in ("door", "person", "grant_seq")} == {
        "door": "front-door",
        "person": "alice",
        "grant_seq": 1,
    }
    for seq in range(2, 32):
        listener.publish(RESULT, result(seq, accepted=False))
    listener.publish(RESULT, result(99, device="back"))
    for text in ("", "{}", result(1, accepted=False, reason="<b>\n"), result(1, v=2), result(1, door="gate")):
        listener.publish(RESULT, text)

    def counted() -> bool:
        # Results beyond the rate are not recorded; the next state counts them.
        publisher.set(topics.STATE, {"version": "1"})
        return door_state(listener).get("rejected") == 30

    until(counted, 20)
    until(lambda: len(heard(listener, "rejected")) == 9, 20)
    time.sleep(0.2)
    assert len(heard(listener, "rejected")) == 9
    assert door_state(listener)["opened"] == 1
    assert publisher.counters()["ignored"] == 5


@pytest.mark.broker
@pytest.mark.slow(seconds=13)
def test_a_stalled_broker_passes_on_no_old_grant(
    broker: Mosquitto, listen: Listen, publish: Publish, data: Path
) -> None:
    publisher = publish(broker.port, front_door=a_door(cooldown=0))
    listener = listen(broker, "edgeface/#")
    door = listen(broker, "nothing")
    done = threading.Event()

    def speak() -> None:
        while not done.wait(0.5):
            door.client.publish(CHALLENGE, challenge())

    threading.Thread(target=speak, daemon=True).start()
    publisher.claim(a_claim(1))
    until(lambda: len(listener.of(GRANT)) == 1)
    broker.pause()
    for visit in range(2, 26):
        publisher.claim(a_claim(visit))
        time.sleep(0.5)
    broker.resume()
    resumed = CLOCK.monotonic()
    until(lambda: publisher.connected, 40)
    listening = listen(broker, GRANT)
    time.sleep(0.5)
    publisher.claim(a_claim(99))
    until(lambda: listening.of(GRANT), 5)
    done.set()
    assert publisher.counters()["reconnects"] >= 1
    # A claim of the last two seconds may still be in time when the broker wakes; none that is older.
    late = [one for one in (*listener.of(GRANT)[1:], *listening.of(GRANT)) if one.at >= resumed - 0.5]
    assert all(verified(one.payload, data)[1]["age_ms"] <= SEND_WITHIN * 1000 for one in late)
    assert {verified(one.payload, data)[1]["seq"] for one in late}
    visits = [row["visit"] for row in heard(listener, "granted")]
    assert set(visits) <= {1, *range(21, 26), 99}


class Entrance:
    """An issuer with its own clock and no broker."""

    def __init__(self, data: Path, clock: FixedClock, *, synced: bool = True, **doors: Door) -> None:
        signer = signing_keys.Signer(data, open_vault(data), clock)
        self.clock = clock
        self.policy = policy_of(doors)
        self.issuer = GrantIssuer(
            "front",
            "b007",
            clock,
            signer=signer,
            policy=lambda: self.policy,
            synced=lambda: synced,
        )
        self.issuer.reload()

    def ask(self, visit: int, person: str = "alice", **changes: Any) -> list[int]:
        """Claim with a fresh nonce; the numbers of the grants."""
        for name in self.issuer.doors:
            assert self.issuer.on_message(name, "challenge", challenge().encode(), retained=False)
        self.issuer.claim(a_claim(visit, person, self.clock.monotonic(), **changes))
        return self.grants()

    def grants(self) -> list[int]:
        self.issuer.review()
        made = []
        while (pending := self.issuer.first()) is not None:
            grant = self.issuer.grant(pending)
            if grant is not None:
                made.append(int(grant.id.rpartition("#")[2]))
        return made


def test_a_visit_gets_one_grant_and_the_next_after_the_cooldown(data: Path) -> None:
    entrance = Entrance(data, FixedClock(100.0), front_door=a_door(cooldown=10.0))
    assert entrance.ask(1) == [1]
    entrance.clock.sleep(30)
    assert entrance.ask(1) == [], "the same visit"
    assert entrance.ask(2) == [2]
    entrance.clock.sleep(5)
    assert entrance.ask(3) == [], "too soon"
    entrance.clock.sleep(SEND_WITHIN + 0.1)
    assert entrance.grants() == []
    assert entrance.issuer.facts()["front-door"]["refused"] == {"cooldown": 1}
    entrance.clock.sleep(5)
    assert entrance.ask(3) == [3]


def test_two_faces_are_refused_until_one_has_left(data: Path) -> None:
    entrance = Entrance(data, FixedClock(100.0), front_door=a_door())
    assert entrance.ask(1, faces_in_view=2) == []
    entrance.clock.sleep(0.5)
    assert entrance.ask(1, faces_in_view=1) == [1]
    entrance.clock.sleep(5)
    assert entrance.grants() == []
    assert [kind for kind, _ in entrance.issuer.take_records()] == ["granted"], "a granted visit was not refused"


def test_a_refusal_is_written_once_a_visit_and_reason(data: Path) -> None:
    entrance = Entrance(data, FixedClock(100.0), front_door=a_door())
    for _ in range(5):
        assert entrance.ask(1, newest=0.69) == []
        entrance.clock.sleep(SEND_WITHIN + 0.1)
        entrance.grants()
    assert entrance.ask(1, "mallory") == []
    entrance.clock.sleep(SEND_WITHIN + 0.1)
    entrance.grants()
    assert entrance.issuer.take_records() == [
        ("refused", {"door": "front-door", "person": "alice", "reason": "level"}),
        ("refused", {"door": "front-door", "person": "mallory", "reason": "person"}),
    ]


def test_what_comes_too_late_is_stale(data: Path) -> None:
    entrance = Entrance(data, FixedClock(100.0), front_door=a_door())
    entrance.issuer.claim(a_claim(at=100 - SEND_WITHIN - 0.1))
    assert entrance.grants() == []
    assert entrance.issuer.facts()["front-door"]["refused"] == {"stale": 1}


def test_a_grant_that_may_not_have_been_delivered_is_made_again_with_another_nonce(data: Path) -> None:
    entrance = Entrance(data, FixedClock(100.0), front_door=a_door())
    assert entrance.ask(1) == [1]
    entrance.issuer.take_back(["front-door#1"])
    assert entrance.grants() == [], "its nonce is used up"
    assert entrance.ask(1) == [2]
    entrance.clock.sleep(SEND_WITHIN + 0.1)
    entrance.issuer.take_back(["front-door#2"])
    assert entrance.grants() == []
    assert entrance.issuer.facts()["front-door"]["refused"] == {}


def test_a_visit_that_the_door_turned_away_may_try_again_after_the_cooldown(data: Path) -> None:
    entrance = Entrance(data, FixedClock(100.0), front_door=a_door(cooldown=10.0))
    assert entrance.ask(1) == [1]
    assert entrance.issuer.on_message("front-door", "result", result(1, accepted=False).encode(), retained=False)
    entrance.clock.sleep(3)
    assert entrance.ask(1) == []
    entrance.clock.sleep(10)
    assert entrance.ask(1) == [2]


def test_other_doors_are_gone_by_at_once(data: Path) -> None:
    entrance = Entrance(data, FixedClock(100.0), front_door=a_door())
    assert not entrance.issuer.reload()
    entrance.policy = policy_of({"gate": a_door()})
    assert entrance.issuer.reload()
    assert entrance.issuer.doors == ["gate"]
    assert entrance.issuer.on_message("front-door", "challenge", b"", retained=False), "the broker may still send it"
    assert not entrance.issuer.on_message("gate", "challenge", b"", retained=False)
    assert entrance.ask(1) == [1]


def test_a_schedule_needs_a_clock_that_is_right(data: Path) -> None:
    entrance = Entrance(
        data, FixedClock(100.0), synced=False, front_door=a_door(allow=[{"person": "alice", "schedule": "x"}])
    )
    assert entrance.ask(1) == []
    entrance.clock.sleep(SEND_WITHIN + 0.1)
    entrance.grants()
    assert entrance.issuer.facts()["front-door"]["refused"] == {"clock": 1}


def test_a_nonce_is_fresh_for_three_seconds_and_heard_once() -> None:
    nonces, text = Nonces(), challenge("n" * 22).encode()
    assert not nonces.fresh(0.0)
    assert nonces.age(0.0) is None
    assert nonces.on_message(text, 10.0)
    assert nonces.fresh(10 + LIFETIME)
    assert not nonces.fresh(10.01 + LIFETIME)
    assert not nonces.on_message(text, 13.0), "a repeated nonce is not fresher"
    assert nonces.take() == "n" * 22
    assert not nonces.fresh(10.0)
    assert not nonces.on_message(text, 14.0)
    assert nonces.age(14.0) == 4.0


@pytest.mark.parametrize(
    "text",
    [
        b'{"nonce":"nnnnnnnnnnnnnnnnnnnnnn"}',
        b'{"nonce":"nnnnnnnnnnnnnnnnnnnnnn","boot":1}',
        b'{"nonce":"nnnnnnnnnnnnnnnnnnnnnn","boot":"a b"}',
        b'{"nonce":"nnnnnnnnnnnnnnnnnnnnnn","boot":"a","boot":"a"}',
        b'{"nonce":"nnnnnnnnnnnnnnnnnnnnnn\\n","boot":"a"}',
        b'{"nonce":["nnnnnnnnnnnnnnnnnnnnnn"],"boot":"a"}',
        b'{"nonce":"nnnnnnnnnnnnnnnnnnnnnn","boot":"a","x":NaN}',
        b'["nonce","boot"]',
    ],
)
def test_what_is_no_challenge(text: bytes) -> None:
    nonces = Nonces()
    assert not nonces.on_message(text, 0.0)
    assert not nonces.fresh(0.0)


@settings(max_examples=300)
@given(st.binary(max_size=1200) | st.text(alphabet='[]{}":,0123456789.eE-nulltrfas\\', max_size=1200).map(str.encode))
def test_any_bytes_are_an_object_or_nothing(data: bytes) -> None:
    facts = read_object(data)
    assert facts is None or (isinstance(facts, dict) and len(data) <= MAX_MESSAGE_BYTES)
    assert read_result(data, "front-door") is None
    assert not Nonces().on_message(data, 0.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"accepted": 1},
        {"accepted": None},
        {"door": "gate"},
        {"grant_seq": True},
        {"grant_seq": 0},
        {"grant_seq": 2**53},
        {"grant_seq": None},
        {"device": "a/b"},
        {"device": None},
        {"grant_boot": 5},
        {"grant_boot": ["b1"]},
        {"device": {"cam": 1}},
        {"grant_seq": [1]},
        {"reason": "late"},
    ],
    ids=str,
)
def test_what_is_no_result(changes: dict[str, Any]) -> None:
    assert read_result(result(1).encode(), "front-door") is not None
    assert read_result(result(1, **{"accepted": True, **changes}).encode(), "front-door") is None


def test_a_claim_is_judged_by_the_limits_of_each_door(data: Path) -> None:
    entrance = Entrance(data, FixedClock(100.0), strict=a_door(), lax=a_door(level="normal"))
    assert len(entrance.ask(1, newest=0.65)) == 1
    entrance.clock.sleep(SEND_WITHIN + 0.1)
    entrance.grants()
    rows = entrance.issuer.take_records()
    assert [(kind, facts["door"]) for kind, facts in rows] == [("granted", "lax"), ("refused", "strict")]
    assert rows[0][1]["level"] == "normal"
    assert rows[1][1]["reason"] == "level"


def test_a_door_without_limits_for_its_people_opens_for_no_one_and_says_so(data: Path) -> None:
    entrance = Entrance(data, FixedClock(100.0), front_door=a_door())
    short = DoorLimits(11, (LevelLimit("low", 0.5, 1000), LevelLimit("normal", 0.6, 100), LevelLimit("high", None, 10)))
    for limits in ({"front-door": short}, {}):
        entrance.policy = AccessPolicy({"front-door": a_door()}, limits=limits)
        assert entrance.issuer.reload()
        assert entrance.ask(1, score=1.0, newest=1.0) == []
        assert "level 'high' cannot be guaranteed" in entrance.issuer.problems["front-door"]
    entrance.policy = AccessPolicy({"front-door": a_door()}, limits={"front-door": short})
    entrance.issuer.reload()
    facts = entrance.issuer.facts()["front-door"]
    assert facts["problem"].startswith("level 'high' cannot be guaranteed: 11 of 10 people (ways out: ")
    assert facts["limit"] == {"level": None, "level_basis": "measured", "threshold": None, "people": 11, "most": 10}
    assert entrance.issuer.lines()[0].startswith("door front-door: level 'high' cannot be guaranteed")


def test_a_claim_that_waits_is_judged_by_the_limits_as_they_are_then(data: Path) -> None:
    entrance = Entrance(data, FixedClock(100.0), front_door=a_door())
    entrance.issuer.claim(a_claim(at=100.0, newest=0.71))
    assert entrance.grants() == [], "without a nonce"
    stricter = DoorLimits(9, (LevelLimit("high", 0.72, 10),))
    entrance.policy = policy_of({"front_door": a_door()}, stricter)
    entrance.issuer.reload()
    entrance.issuer.on_message("front-door", "challenge", challenge().encode(), retained=False)
    assert entrance.grants() == []
    entrance.clock.sleep(SEND_WITHIN + 0.1)
    entrance.grants()
    assert entrance.issuer.facts()["front-door"]["refused"] == {"level": 1}


def test_an_estimated_level_gets_no_grant_without_a_place_for_the_mark(data: Path) -> None:
    entrance = Entrance(data, FixedClock(100.0), front_door=a_door(estimated="allow"))
    entrance.policy = policy_of(
        {"front_door": a_door(estimated="allow")}, DoorLimits(20, (LevelLimit("high", 0.7, 30, "estimated"),))
    )
    entrance.issuer.reload()
    assert entrance.issuer.problems == {}
    assert entrance.ask(1) == []
    assert entrance.issuer.facts()["front-door"]["limit"]["level_basis"] == "estimated"
