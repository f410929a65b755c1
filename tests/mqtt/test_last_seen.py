"""What a broker retains about people: published for those who are shown, and removed when they are gone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from edgeface.journal.journal import Journal
from edgeface.mqtt.connection import Message
from edgeface.mqtt.discovery import Discovery
from edgeface.mqtt.last_seen import LastSeen
from edgeface.mqtt.mqtt_publisher import MqttPublisher
from edgeface.mqtt.outgoing import RetainedQueue
from edgeface.mqtt.settings import Mqtt
from edgeface.mqtt.topics import Topic, Topics
from tests.mqtt.test_mqtt_publisher import CLOCK, Listen, MakeBroker
from tests.support.broker import until
from tests.support.sayings import an_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from edgeface.demo.mosquitto import Mosquitto

SEEN = "edgeface/front/people/{}/seen"
CONFIG = "homeassistant/device/edgeface_front/person_{}/config"
TOPICS = Topics.of_device(Mqtt(), "front")


class Shown:
    """Who is to be shown, as the daemon would say."""

    def __init__(self, **people: str) -> None:
        self.people: Mapping[str, str] | None = people

    def __call__(self) -> Mapping[str, str] | None:
        return self.people


@pytest.fixture
def publish(tmp_path: Path) -> Iterator[Callable[..., MqttPublisher]]:
    journal, made = Journal(tmp_path / "journal.db"), []

    def start(broker: Mosquitto, people: Shown, **settings: Any) -> MqttPublisher:
        publisher = MqttPublisher(
            Mqtt(port=broker.port, **settings),
            "front",
            CLOCK,
            journal,
            on_enabled=lambda *_: None,
            people=people,
            cameras=("porch", "yard"),
        )
        made.append(publisher)
        publisher.start()
        until(lambda: publisher.connected)
        return publisher

    yield start
    for publisher in made:
        publisher.close()
    journal.close()


def retained(broker: Mosquitto, listen: Listen) -> dict[str, bytes]:
    """What a broker retains about people now."""
    listener = listen(broker, "edgeface/front/people/#", "homeassistant/device/edgeface_front/+/config", "$SYS/#")
    until(lambda: any(heard.topic.startswith("$SYS") for heard in listener.heard))
    found = {heard.topic: heard.payload for heard in listener.heard if heard.retained and heard.payload}
    return {topic: payload for topic, payload in found.items() if "person_" in topic or "/people/" in topic}


def empty(broker: Mosquitto, listen: Listen) -> None:
    until(lambda: retained(broker, listen) == {}, 8)


@pytest.mark.broker
def test_a_person_is_announced_seen_renamed_and_removed(
    broker: Mosquitto, listen: Listen, publish: Callable[..., MqttPublisher]
) -> None:
    people = Shown(alice="Alice")
    publisher = publish(broker, people)
    until(lambda: CONFIG.format("alice") in retained(broker, listen))
    publisher.publish(an_event(1))
    until(lambda: SEEN.format("alice") in retained(broker, listen))
    seen = json.loads(retained(broker, listen)[SEEN.format("alice")])
    assert {**seen, "at": ""} == {"v": 1, "camera": "porch", "at": ""}
    people.people = {"alice": "Alice Liddell"}
    until(lambda: b"Liddell" in retained(broker, listen)[CONFIG.format("alice")])
    people.people = {}
    empty(broker, listen)
    # Not even the names of the topics are kept.
    until(lambda: not [topic for topic in publisher._retained._payloads if "alice" in topic.name])


@pytest.mark.broker
def test_nothing_about_people_unless_they_are_to_be_shown(
    broker: Mosquitto, listen: Listen, publish: Callable[..., MqttPublisher]
) -> None:
    publisher = publish(broker, Shown(bob="Bob"), discovery=False)
    publisher.publish(an_event(1))
    publisher.publish(an_event(2, person="bob"), late=True)
    publisher.publish(an_event(2, person="bob", type="left"))
    publisher.publish(an_event(3, person="bob", type="uncertain"))
    publisher.publish(an_event(4, person=None, type="unknown"))
    until(lambda: publisher.counters()["said"] == 4)
    assert retained(broker, listen) == {}
    publisher.publish(an_event(5, person="bob", camera="yard", captured_at=1e9))
    until(lambda: SEEN.format("bob") in retained(broker, listen))
    publisher.publish(an_event(5, person="bob", camera="yard", captured_at=2e9, type="left"))
    until(lambda: b"2033-05-18T03:33:20.000Z" in retained(broker, listen)[SEEN.format("bob")])
    assert [*retained(broker, listen)] == [SEEN.format("bob")]


@pytest.mark.broker
@pytest.mark.parametrize("later", [{"bob": "Bob"}, {}])
def test_who_was_erased_while_no_edgeface_ran_leaves_nothing(
    later: dict[str, str], broker: Mosquitto, listen: Listen, publish: Callable[..., MqttPublisher]
) -> None:
    first = publish(broker, Shown(alice="Alice", bob="Bob"))
    first.publish(an_event(1))
    first.publish(an_event(2, person="bob"))
    until(lambda: len(retained(broker, listen)) == 4)
    first.close()
    assert len(retained(broker, listen)) == 4
    second = publish(broker, Shown(**later))
    expected = {one.format(person) for person in later for one in (SEEN, CONFIG)}
    until(lambda: {*retained(broker, listen)} == expected, 8)
    assert second.counters()["ignored"] == 0


@pytest.mark.broker
def test_who_was_erased_while_the_broker_was_away_leaves_nothing(
    make_broker: MakeBroker, listen: Listen, publish: Callable[..., MqttPublisher], tmp_path: Path
) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept").chmod(0o777)
    kept = ("allow_anonymous true", "persistence true", f"persistence_location {tmp_path / 'kept'}/")
    broker, people = make_broker(*kept), Shown(alice="Alice")
    publisher = publish(broker, people)
    publisher.publish(an_event(1))
    until(lambda: len(retained(broker, listen)) == 2)
    broker.stop()
    until(lambda: not publisher.connected)
    people.people = {}
    broker.start()
    empty(broker, listen)


@pytest.mark.broker
def test_a_broker_that_has_lost_everything_gets_it_back_from_a_later_run(
    broker: Mosquitto, listen: Listen, publish: Callable[..., MqttPublisher]
) -> None:
    first = publish(broker, Shown(alice="Alice"))
    first.publish(an_event(1))
    until(lambda: len(retained(broker, listen)) == 2)
    before = retained(broker, listen)
    first.close()
    second = publish(broker, Shown(alice="Alice"))
    until(lambda: Topic(SEEN.format("alice"), 1, retain=True) in second._retained._payloads)
    broker.stop()
    broker.start()
    until(lambda: retained(broker, listen) == before, 10)


GOOD = b'{"v":1,"camera":"yard","at":"2026-11-22T08:15:02.412Z","more":"<script>"}'


@pytest.mark.parametrize(
    ("payload", "kept"),
    [
        (GOOD, b'{"v":1,"camera":"yard","at":"2026-11-22T08:15:02.412Z"}'),
        (b"", b""),
        (b"{", b""),
        (b"[1]", b""),
        (b"\xff", b""),
        (b"[" * 5000, b""),
        (GOOD.replace(b"yard", b"a/b"), b""),
        (GOOD.replace(b"2026-11-22", b"yesterday"), b""),
        (GOOD.replace(b"Z", b"Z\\n"), b""),
    ],
)
def test_what_a_broker_retains_is_checked_and_written_again(payload: bytes, kept: bytes) -> None:
    queue = RetainedQueue()
    last = LastSeen(TOPICS, queue, Shown(alice="Alice"), ["porch"], None)
    assert last.on_message(Message(SEEN.format("alice"), payload, retained=True))
    assert {topic.name: found for topic, found in queue._payloads.items()} == {SEEN.format("alice"): kept}
    # What is good already is not published again.
    assert len(queue) == (kept == b"")


@pytest.mark.parametrize(
    ("topic", "flag", "is_ours"),
    [
        (SEEN.format("zed"), False, False),
        (SEEN.format("u-7f3a"), True, False),
        (SEEN.format("a/b"), True, False),
        (CONFIG.format("ZED"), True, True),
        ("homeassistant/device/edgeface_front/camera_porch/config", True, True),
        ("edgeface/front/people", True, False),
    ],
)
def test_other_messages_remove_nothing(topic: str, flag: bool, is_ours: bool) -> None:  # noqa: FBT001 - a table
    queue = RetainedQueue()
    last = LastSeen(TOPICS, queue, Shown(), ["porch"], None)
    assert last.on_message(Message(topic, GOOD, retained=flag)) is is_ours
    assert queue._payloads == {}


def test_nothing_is_removed_before_anyone_knows_who_there_is() -> None:
    queue, people = RetainedQueue(), Shown()
    people.people = None
    last = LastSeen(TOPICS, queue, people, ["porch"], None)
    last.on_message(Message(SEEN.format("alice"), GOOD, retained=True))
    last.refresh()
    assert queue._payloads == {}


def test_a_person_has_two_sensors_and_a_trigger_for_each_camera() -> None:
    made = json.loads(
        Discovery(TOPICS, "front", snapshots=False, page="https://e/").person("alice", "Alice", ["porch"])
    )
    assert made["dev"]["name"] == "Alice"
    assert made["dev"]["cu"] == "https://e/"
    assert made["dev"]["via_device"] == "edgeface_front"
    parts = made["cmps"]
    assert {parts[key]["state_topic"] for key in ("camera", "seen")} == {SEEN.format("alice")}
    assert parts["seen"]["device_class"] == "timestamp"
    assert parts["at_porch"] == {
        "p": "device_automation",
        "automation_type": "trigger",
        "type": "at porch",
        "subtype": "alice",
        "topic": "edgeface/front/porch/event",
        "value_template": "{{ value_json.person if value_json.event_type == 'match' else '' }}",
        "payload": "alice",
    }


def test_a_message_about_a_person_fits_what_the_daemon_can_read_back() -> None:
    cameras = [f"camera-{number:02}" + "x" * 54 for number in range(16)]
    made = Discovery(TOPICS, "d" * 64, snapshots=False, page="https://" + "e" * 200).person(
        "p" * 64, "N" * 100, cameras
    )
    assert len(made.encode()) < 14_000
