"""A subscriber that keeps what it hears and when, and waits by conditions."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence


PATIENCE = 3.0
"""A wait is no measurement: on a busy machine everything takes longer."""


def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Waits for a condition that comes true within so many seconds on a quiet machine, or fails the test."""
    deadline = time.monotonic() + PATIENCE * seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.005)


@dataclass
class Heard:
    topic: str
    payload: bytes
    retained: bool
    qos: int
    at: float
    """Monotonic seconds."""
    expiry: int | None
    about: dict[str, str] = field(default_factory=dict)
    """User properties."""

    @property
    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.payload))


@dataclass
class Listener:
    """paho on its own thread, MQTT 5, connecting again by itself."""

    port: int
    topics: Sequence[str]
    name: str
    user: tuple[str, str] | None = None
    tls: ssl.SSLContext | None = None
    heard: list[Heard] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ready = threading.Event()
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=self.name, protocol=paho.MQTTv5)
        if self.user is not None:
            client.username_pw_set(*self.user)
        if self.tls is not None:
            client.tls_set_context(self.tls)
        client.reconnect_delay_set(min_delay=1, max_delay=1)
        client.on_connect = self._connected
        client.on_subscribe = lambda *_: self.ready.set()
        client.on_message = self._message
        client.connect("127.0.0.1", self.port, keepalive=30)
        client.loop_start()
        self.client = client
        assert self.ready.wait(30)

    def _connected(self, client: paho.Client, *_: Any) -> None:
        client.subscribe([(topic, 1) for topic in self.topics])

    def _message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        expiry = getattr(message.properties, "MessageExpiryInterval", None)
        about = dict(getattr(message.properties, "UserProperty", ()))
        self.heard.append(
            Heard(message.topic, bytes(message.payload), message.retain, message.qos, time.monotonic(), expiry, about)
        )

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> None:
        self.client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(30)

    def of(self, topic: str) -> list[Heard]:
        return [heard for heard in self.heard if heard.topic == topic]

    def payloads(self, topic: str) -> list[bytes]:
        return [heard.payload for heard in self.of(topic)]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
