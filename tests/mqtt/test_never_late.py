"""A match is published in time or never, whatever the network does, and nothing is lost.

All scenarios run at once, each with its own broker, proxy, journal and publisher.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from edgeface.core.clock import SystemClock
from edgeface.core.events import LIFETIME
from edgeface.demo.mosquitto import Mosquitto
from edgeface.journal.journal import Journal
from edgeface.mqtt.mqtt_publisher import MqttPublisher
from edgeface.mqtt.settings import Mqtt
from tests.support.broker import Listener, until
from tests.support.journals import counts
from tests.support.proxy import Proxy
from tests.support.sayings import an_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edgeface.core.types import Event

pytestmark = [pytest.mark.broker, pytest.mark.slow(seconds=16)]
CLOCK = SystemClock()
EVENT = "edgeface/front/porch/event"
AUDIT = "edgeface/front/audit"
HEAVY = bool(os.environ.get("EDGEFACE_HEAVY"))
PACE = 0.1


@dataclass
class Scene:
    """One scenario: events are published all the time, and a subscriber next to the broker records their arrival."""

    broker: Mosquitto
    proxy: Proxy
    journal: Journal
    publisher: MqttPublisher
    listener: Listener
    said: dict[str, Event] = field(default_factory=dict)

    def publish(self, seconds: float = 0.0) -> None:
        """Publish an event every PACE seconds for this long."""
        ends = time.monotonic() + seconds
        while True:
            event = an_event(len(self.said))
            self.said[event.id] = event
            self.publisher.publish(event)
            if time.monotonic() + PACE > ends:
                return
            time.sleep(PACE)

    def settle(self, seconds: float = 30.0) -> None:
        """Wait until every event has been acknowledged, on one topic or the other."""
        until(lambda: self.publisher.connected and counts(self.journal) == (len(self.said), 0), seconds)
        until(lambda: {heard.json["id"] for heard in self.listener.heard} == self.said.keys())

    def ids(self, topic: str) -> list[str]:
        return [heard.json["id"] for heard in self.listener.of(topic)]

    def ages(self) -> dict[str, float]:
        """How old each event was when the subscriber got it, in seconds."""
        return {heard.json["id"]: heard.at - self.said[heard.json["id"]].monotonic for heard in self.listener.of(EVENT)}


def quiet(scene: Scene) -> None:
    """Wait until nothing is in transit, so that a fault that starts now affects no earlier event."""
    until(lambda: counts(scene.journal) == (len(scene.said), 0), 15)
    time.sleep(0.1)


def a_stall(scene: Scene) -> None:
    for _ in range(3 if HEAVY else 1):
        quiet(scene)
        scene.proxy.stall()
        scene.publish(12)
        scene.proxy.passes()
        scene.publish(3)


def stalls_that_the_broker_does_not_notice(scene: Scene) -> None:
    """Longer than a match lives, but shorter than 1.5 times the keepalive, so the broker keeps the connection."""
    for seconds in (3.5, 5) * (10 if HEAVY else 1):
        quiet(scene)
        scene.proxy.stall()
        scene.publish(seconds)
        scene.proxy.passes()
        scene.publish(1)


def a_stalled_broker(scene: Scene) -> None:
    quiet(scene)
    scene.broker.pause()
    scene.publish(12)
    scene.broker.resume()
    scene.publish(2)


def a_dead_way_up(scene: Scene) -> None:
    quiet(scene)
    scene.proxy.half_open("up")
    scene.publish(6)
    scene.proxy.passes()
    scene.publish(1)


def a_dead_way_down(scene: Scene) -> None:
    scene.proxy.half_open("down")
    scene.publish(6)
    scene.proxy.passes()
    scene.publish(1)


def a_trickle(scene: Scene) -> None:
    for speed in (60, 300, 1200):
        quiet(scene)
        scene.proxy.trickle(speed, "up")
        scene.publish(4)
        scene.proxy.passes()
        until(lambda: scene.publisher.connected, 10)


def resets(scene: Scene) -> None:
    chance = random.Random(5)
    for _ in range(40 if HEAVY else 6):
        scene.proxy.cut_after(chance.randrange(30, 2500))
        scene.publish(1.5)


def a_broker_away(scene: Scene) -> None:
    scene.broker.kill()
    scene.proxy.refuse()
    scene.publish(8)
    for _ in range(100):
        scene.publish()
    scene.broker.start()
    scene.proxy.passes()
    until(lambda: scene.publisher.connected, 10)
    scene.publish(2)


def a_session_taken_over(scene: Scene) -> None:
    for _ in range(3):
        scene.publish(1)
        other = Listener(scene.broker.port, ("nothing",), "edgeface-front")
        other.close()
    scene.publish(1)


def a_box_in_between(scene: Scene) -> None:
    """The worst case: a middlebox holds the event itself, and releases it long after the publisher gave up."""
    quiet(scene)
    scene.proxy.stall_before(EVENT.encode())
    scene.publish(5)
    scene.proxy.passes()
    scene.publish(2)


SCENARIOS: tuple[Callable[[Scene], None], ...] = (
    a_stall,
    stalls_that_the_broker_does_not_notice,
    a_stalled_broker,
    a_dead_way_up,
    a_dead_way_down,
    a_trickle,
    resets,
    a_broker_away,
    a_session_taken_over,
)


def run(folder: Path, scenario: Callable[[Scene], None]) -> Scene:
    folder.mkdir()
    journal = Journal(folder / "journal.db")
    with Mosquitto(folder) as broker, Proxy(broker.port) as proxy:
        settings = Mqtt(port=proxy.port, keepalive=5)
        publisher = MqttPublisher(settings, "front", CLOCK, journal, on_enabled=lambda *_: None, cameras=("porch",))
        listener = Listener(broker.port, (EVENT, AUDIT), "subscriber")
        scene = Scene(broker, proxy, journal, publisher, listener)
        publisher.start()
        try:
            until(lambda: publisher.connected, 10)
            scene.publish(0.5)
            scenario(scene)
            scene.publish(0.5)
            scene.settle()
        finally:
            publisher.close()
            listener.close()
            journal.close()
    return scene


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Scene]]:
    folder = tmp_path_factory.mktemp("never-late")
    with ThreadPoolExecutor(len(SCENARIOS) + 1) as pool:
        scenarios = (*SCENARIOS, a_box_in_between)
        futures = {scenario.__name__: pool.submit(run, folder / scenario.__name__, scenario) for scenario in scenarios}
        yield {name: future.result() for name, future in futures.items()}


every_scenario = pytest.mark.parametrize("name", [scenario.__name__ for scenario in SCENARIOS])


@every_scenario
def test_no_match_comes_late(scenes: dict[str, Scene], name: str) -> None:
    ages = scenes[name].ages()
    assert len(ages) >= 5
    assert max(ages.values()) <= LIFETIME


@every_scenario
def test_nothing_is_lost_and_history_says_that_it_is(scenes: dict[str, Scene], name: str) -> None:
    scene = scenes[name]
    events, history = scene.ids(EVENT), scene.ids(AUDIT)
    assert set(events) | set(history) == scene.said.keys()
    assert all(heard.json["late"] is True for heard in scene.listener.of(AUDIT))
    assert not any(heard.json["late"] or heard.retained for heard in scene.listener.of(EVENT))
    counters = scene.publisher.counters()
    assert counters["lost"] == 0
    assert counters["said"] + counters["late"] >= len(scene.said)


@every_scenario
def test_the_order_is_kept_and_nothing_is_published_twice_on_one_topic(scenes: dict[str, Scene], name: str) -> None:
    scene = scenes[name]
    order = list(scene.said)
    events = [order.index(id_) for id_ in scene.ids(EVENT)]
    assert events == sorted(set(events))
    # After a lost acknowledgement the audit topic repeats an event, with the same id.
    history = [order.index(id_) for id_ in dict.fromkeys(scene.ids(AUDIT))]
    again = len(scene.ids(AUDIT)) - len(history)
    assert again <= 16 * scene.publisher.counters()["failures"]


@every_scenario
def test_what_an_old_connection_held_is_not_sent_on_a_new_one(scenes: dict[str, Scene], name: str) -> None:
    scene = scenes[name]
    connections = scene.proxy.sent("up")
    topic = EVENT.encode()
    for id_ in scene.said:
        on = [number for number, sent in enumerate(connections) if topic in sent and _as_event(sent, id_)]
        assert len(on) <= 1


def test_what_a_box_in_between_holds_is_one_event_that_says_that_it_is_late(scenes: dict[str, Scene]) -> None:
    # No client can take back what a middlebox has acknowledged for the broker; a subscriber can recognise it.
    scene = scenes["a_box_in_between"]
    late = [id_ for id_, age in scene.ages().items() if age > LIFETIME]
    assert len(late) <= 1
    assert set(late) <= set(scene.ids(AUDIT))
    for heard in scene.listener.of(EVENT):
        expires = dt.datetime.fromisoformat(heard.json["expires_at"].replace("Z", "+00:00")).timestamp()
        captured = scene.said[heard.json["id"]].captured_at
        assert (expires - captured < scene.ages()[heard.json["id"]]) == (heard.json["id"] in late)
    assert set(scene.ids(EVENT)) | set(scene.ids(AUDIT)) == scene.said.keys()


def _as_event(sent: bytes, id_: str) -> bool:
    at = sent.find(f'"id":"{id_}"'.encode())
    while at >= 0:
        before = sent.rfind(b"edgeface/front/", 0, at)
        if sent.startswith(EVENT.encode(), before):
            return True
        at = sent.find(f'"id":"{id_}"'.encode(), at + 1)
    return False
