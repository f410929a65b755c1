"""A subscriber that receives everything a device publishes, and notes when."""

from __future__ import annotations

import json
import secrets
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

DOOR = "front-door"
DOOR_TOPIC = f"edgeface/doors/{DOOR}"

LIFETIME = 3.0
"""Seconds after its capture within which an event may arrive (docs/events.md)."""


@dataclass(frozen=True, slots=True)
class Received:
    """One message of the event or audit topic."""

    id: str
    kind: str
    """The event type."""
    person: str | None
    audit: bool
    after: float | None
    """Seconds from capture to arrival, by this machine's clock; None without a capture time."""
    at: float
    """Monotonic seconds."""
    camera: str | None = None

    @property
    def late(self) -> bool:
        """Whether a consumer received something that was already over; `left` is always about the past."""
        return not self.audit and self.kind != "left" and self.after is not None and self.after > LIFETIME


class Listener:
    """Listens from construction until `close`, reconnecting by itself; `received` grows."""

    def __init__(self, port: int, device: str) -> None:
        """Connect to 127.0.0.1; TimeoutError if the broker does not answer within 5 s."""
        self.received: list[Received] = []
        self.state: dict[str, Any] = {}
        """The last state message."""
        self.bad = 0
        """Messages that could not be read."""
        self.grants = 0
        """Grants received for the door."""
        self._device = device
        self._ready = threading.Event()
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id="faults-listener", protocol=paho.MQTTv5)
        topics = [(f"edgeface/{device}/#", 1), (f"{DOOR_TOPIC}/grant", 1)]
        client.on_connect = lambda client, *_: client.subscribe(topics)
        client.on_subscribe = lambda *_: self._ready.set()
        client.on_message = lambda _client, _data, message: self._take(message.topic, message.payload)
        client.reconnect_delay_set(min_delay=1, max_delay=1)
        # A paused broker must not make us lose the messages it holds for us.
        client.connect("127.0.0.1", port, keepalive=3600)
        client.loop_start()
        self._client = client
        if not self._ready.wait(5):
            raise TimeoutError("the broker does not answer")

    def ids(self, *, audit: bool | None = None) -> set[str]:
        """Ids received on the event topic (False), the audit topic (True), or either."""
        return {received.id for received in list(self.received) if audit is None or received.audit == audit}

    def challenge(self) -> None:
        """Ask for a grant, as a door does once a second."""
        self._client.publish(
            f"{DOOR_TOPIC}/challenge", json.dumps({"nonce": secrets.token_urlsafe(18), "boot": "listener"})
        )

    def close(self) -> None:
        """Stop listening."""
        self._client.disconnect()
        self._client.loop_stop()

    def _take(self, topic: str, payload: bytes | bytearray) -> None:
        wall, now = time.time(), time.monotonic()
        last = topic.rpartition("/")[2]
        try:
            if topic == f"edgeface/{self._device}/state":
                self.state = json.loads(payload)
            elif topic == f"{DOOR_TOPIC}/grant":
                self.grants += 1
            elif last in {"event", "audit"}:
                self.received.append(_received(json.loads(payload), wall, now, audit=last == "audit"))
        except (ValueError, KeyError):
            self.bad += 1


def _received(wire: dict[str, Any], wall: float, now: float, *, audit: bool) -> Received:
    captured = wire.get("captured_at")
    after = None if captured is None else wall - datetime.fromisoformat(captured.replace("Z", "+00:00")).timestamp()
    return Received(wire["id"], wire["event_type"], wire.get("person"), audit, after, now, wire.get("camera"))
