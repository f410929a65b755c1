"""Garbage on the topics that the daemon subscribes to changes nothing, and is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgeface.journal.journal import Journal
from edgeface.mqtt.connection import Message
from edgeface.mqtt.mqtt_publisher import MqttPublisher
from edgeface.mqtt.settings import Mqtt
from tests.mqtt.test_mqtt_publisher import CLOCK
from tests.support.broker import Listener, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgeface.demo.mosquitto import Mosquitto

pytestmark = pytest.mark.broker

SET = "edgeface/front/porch/enabled/set"
BIRTH = "homeassistant/status"
NEARLY = (
    b"",
    b"on",
    b"On",
    b"ON ",
    b" ON",
    b"ON\n",
    b"ON\0",
    b"OFF\r\n",
    b"OFFON",
    b"true",
    b"1",
    b'"ON"',
    b'{"state":"ON"}',
    b"\xff\xfe",
    "\u041eN".encode(),
    "\uff2f\uff2e".encode(),
    b"[" * 5000,
    b"ON" * 100_000,
)


def garbage(seed: int) -> bytes:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, random.integers(0, 200), np.uint8).tobytes()


def test_only_on_and_off_switch_a_camera_and_the_rest_is_counted(
    tmp_path: Path,
    broker: Mosquitto,
    listen: Callable[..., Listener],
    caplog: pytest.LogCaptureFixture,
) -> None:
    journal = Journal(tmp_path / "journal.db")
    switched: list[tuple[str, bool]] = []
    publisher = MqttPublisher(
        Mqtt(port=broker.port),
        "front",
        CLOCK,
        journal,
        on_enabled=lambda camera, on: switched.append((camera, on)),
        cameras=("porch",),
    )
    publisher.start()
    try:
        until(lambda: publisher.connected)
        sender = listen(broker, "edgeface/front/porch/enabled/state")
        payloads = [*NEARLY, *(garbage(seed) for seed in range(300))]
        for payload in payloads:
            sender.client.publish(SET, payload, qos=1)
            sender.client.publish(BIRTH, payload, qos=1)
        sender.client.publish(SET, b"OFF", qos=1)
        until(lambda: switched, 20)
        assert switched == [("porch", False)]
        # A retained message may be of any age.
        sender.client.publish(SET, b"ON", qos=1, retain=True).wait_for_publish(30)
        sender.client.publish(SET, b"ON", qos=1)
        until(lambda: len(switched) > 1)
        assert {on for _, on in switched[1:]} == {True}
        # The connection discards what is larger than any command.
        small = [payload for payload in payloads if len(payload) < 10_000]
        assert publisher.counters()["ignored"] >= len(small)
        assert publisher.connected
        assert [record for record in caplog.records if record.exc_info] == []
    finally:
        publisher.close()
        journal.close()


PUSH = "edgeface/front/porch/ignore"


def test_only_a_press_that_is_made_now_has_a_stranger_ignored(
    tmp_path: Path, make_broker: Callable[..., Mosquitto], listen: Callable[..., Listener]
) -> None:
    # This broker keeps even messages of QoS 0 for a client that is away.
    broker = make_broker("allow_anonymous true", "queue_qos0_messages true")
    journal = Journal(tmp_path / "journal.db")
    pressed: list[str] = []

    def started() -> MqttPublisher:
        publisher = MqttPublisher(
            Mqtt(port=broker.port),
            "front",
            CLOCK,
            journal,
            on_enabled=lambda *_: None,
            on_ignore=pressed.append,
            cameras=("porch",),
        )
        publisher.start()
        until(lambda: publisher.connected and publisher._incoming._obeyed)
        return publisher

    first = started()
    sender = listen(broker, "edgeface/front/status")
    try:
        for payload in (*NEARLY, *(garbage(seed) for seed in range(100)), b"PRESS ", b"press", b"PRESSPRESS"):
            sender.client.publish(PUSH, payload, qos=0)
        sender.client.publish(PUSH, b"PRESS", qos=1, retain=True).wait_for_publish(30)
        sender.client.publish(PUSH, b"PRESS", qos=1).wait_for_publish(30)
        until(lambda: pressed, 20)
        assert pressed == ["porch"]
        # The broker keeps the session for an hour; what is pressed meanwhile must not count later.
        first.close()
        for qos in (0, 1):
            sender.client.publish(PUSH, b"PRESS", qos=qos).wait_for_publish(30)
        second = started()
        assert second.counters()["ignored"] >= 1
        assert pressed == ["porch"]
        sender.client.publish(PUSH, b"PRESS", qos=1)
        until(lambda: len(pressed) == 2)
        second.close()
    finally:
        first.close()
        journal.close()


def test_a_switch_that_a_broker_marks_as_retained_is_not_obeyed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    switched: list[bool] = []
    publisher = MqttPublisher(
        Mqtt(), "front", CLOCK, journal, on_enabled=lambda _, on: switched.append(on), cameras=("porch",)
    )
    # The subscription asks for none of these, but a broker may send them all the same.
    publisher._incoming.on_message(Message(SET, b"OFF", retained=True))
    assert (switched, publisher.counters()["ignored"]) == ([], 1)
    publisher._incoming.on_message(Message(SET, b"OFF", retained=False))
    assert switched == [False]
    publisher._waker.close()
    journal.close()
