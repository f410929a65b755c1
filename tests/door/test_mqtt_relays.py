"""Relays and locks at a real broker, each as its maker describes it."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from edgeface.core.clock import SystemClock
from edgeface.door.relay import Relay
from edgeface.door.relays.base import DoorContext
from edgeface.door.relays.mqtt import MqttRelay
from edgeface.door.relays.supervisor import RelayProcess
from edgeface.mqtt.settings import Mqtt
from tests.door.test_controller import settings
from tests.support.broker import until
from tests.support.relays import MqttRelay as FakeDevice
from tests.support.slack import Slack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgeface.demo.mosquitto import Mosquitto
    from tests.support.broker import Listener

    Makes = Callable[..., FakeDevice]
    Records = Callable[[str, object], None]

TOPICS: dict[str, dict[str, str]] = {
    "shelly-gen2": {"topic": "lock"},
    "shelly-gen1": {"topic": "lock"},
    "tasmota": {"topic": "lock"},
    "zigbee2mqtt-lock": {"topic": "lock"},
    "home-assistant-lock": {"topic": "lock/command", "state_topic": "lock/state"},
}
TIMED = ("shelly-gen2", "tasmota")
OPEN = 1.0
MOVING = 3.5
"""Long enough for the controller to notice, while it is open, that the device reports something else."""

pytestmark = pytest.mark.broker


@pytest.fixture
def make_device(broker: Mosquitto) -> Iterator[Makes]:
    made: list[FakeDevice] = []

    def make(kind: str, **more: Any) -> FakeDevice:
        made.append(FakeDevice(kind, broker.port, **more))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture(params=TOPICS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def device(make_device: Makes, kind: str) -> FakeDevice:
    return make_device(kind)


@contextmanager
def opened(kind: str, port: int, seconds: float = OPEN) -> Iterator[Relay]:
    settings = MqttRelay.model_validate({"device": kind, "seconds": seconds, **TOPICS[kind]})
    clock = SystemClock()
    relay = Relay(settings, clock, lambda: None, DoorContext("front", Mqtt(port=port), clock))
    try:
        yield relay
    finally:
        relay.close()


def test_it_opens_reads_back_and_shuts(broker: Mosquitto, device: FakeDevice, kind: str) -> None:
    device.contact.switch(True)
    with Slack() as slack, opened(kind, broker.port) as relay:
        until(lambda: relay.report.word == "off" and not device.contact.on, 6)
        relay.open(began := time.monotonic())
        until(lambda: relay.report.word == "on", 3)
        until(lambda: relay.report.word == "off", 5)
        assert OPEN - 0.1 < device.contact.off_at() - began < OPEN + 1 + slack.late
        assert relay.report.problem is None
        assert [on for _, on in device.contact.history] == [True, False, True, False]


@pytest.mark.slow(seconds=8)
def test_one_that_is_away_is_sent_nothing_that_unlocks_when_it_is_back(
    broker: Mosquitto, make_device: Makes, device: FakeDevice, kind: str
) -> None:
    with opened(kind, broker.port) as relay:
        until(lambda: relay.report.word == "off", 6)
        device.stop()
        relay.open(time.monotonic())
        until(lambda: relay.report.word == "not confirmed" and relay.report.problem is not None, 6)
        assert "has not reported its state" in str(relay.report.problem)
        time.sleep(OPEN)
        again = make_device(kind)
        until(lambda: relay.report.word == "off", 8)
        assert again.contact.history == []


@pytest.mark.slow(seconds=6)
def test_what_it_reports_counts(broker: Mosquitto, device: FakeDevice, kind: str, record_property: Records) -> None:
    with opened(kind, broker.port, MOVING) as relay:
        until(lambda: relay.report.word == "off", 6)
        device.reads = False
        relay.open(began := time.monotonic())
        until(lambda: relay.report.problem == "it reports off after it was switched on", 4)
        assert relay.report.word == "not confirmed"
        until(lambda: not device.contact.on and time.monotonic() - began > MOVING, MOVING + 5)
        record_property("off after seconds", device.contact.off_at() - began)
        device.reads = None
        until(lambda: relay.report.word == "off", 5)


@pytest.mark.slow(seconds=5)
def test_one_that_something_else_switches(
    broker: Mosquitto, device: FakeDevice, kind: str, record_property: Records
) -> None:
    with opened(kind, broker.port) as relay:
        until(lambda: relay.report.word == "off", 6)
        device.contact.pulse = 0.0
        device.contact.switch(True)
        began = time.monotonic()
        until(lambda: relay.report.problem == "it was switched on by something else", 4)
        assert relay.is_open
        until(lambda: not device.contact.on, OPEN + 5)
        record_property("off after seconds", time.monotonic() - began)
        until(lambda: relay.report.word == "off" and relay.report.problem is None, 3)


def test_the_brokers_last_will_closes_it_if_the_process_is_killed(
    broker: Mosquitto, device: FakeDevice, kind: str, record_property: Records
) -> None:
    relay = MqttRelay.model_validate({"device": kind, "seconds": 30, **TOPICS[kind]})
    one = RelayProcess(settings(broker.port, relay=relay), SystemClock(), lambda: None)
    try:
        until(lambda: one.report.word == "off" and one.healthy, 6)
        one.open(time.monotonic())
        until(lambda: one.report.word == "on" and one.healthy, 6)
        began = time.monotonic()
        os.kill(one.pid, signal.SIGKILL)
        # No other process has been started yet.
        until(lambda: not device.contact.on, 2)
        record_property("off after seconds", time.monotonic() - began)
    finally:
        one.close()


@pytest.mark.slow(seconds=8)
def test_a_broker_that_dies_while_it_is_open(
    broker: Mosquitto, device: FakeDevice, kind: str, record_property: Records
) -> None:
    with opened(kind, broker.port) as relay:
        until(lambda: relay.report.word == "off", 6)
        relay.open(began := time.monotonic())
        until(lambda: relay.report.word == "on", 3)
        broker.kill()
        until(lambda: relay.report.word == "not confirmed", 5)
        assert relay.is_open
        if kind in TIMED:
            until(lambda: not device.contact.on, OPEN + 5)
            record_property("off after seconds", device.contact.off_at() - began)
        else:
            time.sleep(OPEN + 0.5)
            assert device.contact.on  # the row of docs/doors.md
        broker.start()
        until(lambda: relay.report.word == "off" and not device.contact.on, 8)


def test_a_lock_that_jams_is_reported_and_locked_again(broker: Mosquitto, make_device: Makes) -> None:
    device = make_device("home-assistant-lock", seconds=0.3)
    with opened("home-assistant-lock", broker.port) as relay:
        until(lambda: relay.report.word == "off", 6)
        relay.open(time.monotonic())
        until(lambda: relay.report.word == "on", 3)
        device.deaf = True
        until(lambda: device.heard[-1][1] == b"LOCK", 3)
        device.publish("lock/state", "JAMMED", retain=True)
        until(lambda: relay.report.problem == "it reports JAMMED", 4)
        assert relay.report.word == "not confirmed"
        device.deaf = False
        until(lambda: relay.report.word == "off" and not device.contact.on, 5)


def test_a_broker_that_denies_the_last_will_is_reported(make_broker: Callable[..., Mosquitto], tmp_path: Any) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic read #\n")
    broker = make_broker("allow_anonymous true", f"acl_file {acl}")
    with opened("tasmota", broker.port) as relay:
        until(lambda: "Not authorized" in (relay.report.problem or ""), 5)
        assert relay.report.word == "not confirmed"


def test_garbage_on_its_topics_is_no_state(
    broker: Mosquitto, device: FakeDevice, listen: Callable[..., Listener], kind: str
) -> None:
    other = listen(broker, "nothing")
    garbage = ["", "\x00", "[]", "{}", json.dumps({"state": 1, "POWER": [], "id": 1, "result": 3}), "unlocked"]
    topics = ("lock", "lock/state", "lock/relay/0", "stat/lock/RESULT", "edgeface/doors/front/relay/rpc")
    with opened(kind, broker.port) as relay:
        until(lambda: relay.report.word == "off", 6)
        for topic in topics:
            for payload in garbage:
                other.publish(topic, payload)
        time.sleep(1)
        assert not relay.is_open
        relay.open(time.monotonic())
        until(lambda: relay.report.word == "on", 6)
        until(lambda: relay.report.word == "off", 6)
    assert not device.contact.on


@pytest.mark.parametrize(
    "wrong",
    [
        {"device": "tasmota", "topic": "lock/#"},
        {"device": "tasmota", "topic": "lock/+/a"},
        {"device": "tasmota", "topic": ""},
        {"device": "tasmota", "topic": "a", "state_topic": "b"},
        {"device": "home-assistant-lock", "topic": "a"},
        {"device": "tasmota", "topic": "a", "channel": -1},
    ],
)
def test_mistakes_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MqttRelay.model_validate(wrong)
