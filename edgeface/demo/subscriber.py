"""A subscriber as a user would write it: receives and stores the events of one device."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgeface.core.clock import Clock

Wire = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """One event as it arrived."""

    wire: Wire
    after: float
    """Seconds from the capture of the frame to the event's arrival; both by the same clock."""


class Subscriber:
    """Receives events from `start` to `stop`, and writes each payload unchanged as one line of a file."""

    def __init__(
        self, port: int, topic: str, file: Path, clock: Clock, report: Callable[[ReceivedEvent], None]
    ) -> None:
        import paho.mqtt.client as mqtt
        from paho.mqtt.enums import CallbackAPIVersion

        self.events: list[ReceivedEvent] = []
        self._port = port
        self._file = file
        self._clock = clock
        self._report = report
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, "edgeface-demo-subscriber", protocol=mqtt.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda _client, _data, message: self._receive(bytes(message.payload))

    def start(self, timeout: float = 5.0) -> bool:
        """Connect to the broker on loopback; True once subscribed, False after `timeout` seconds."""
        self._file.write_bytes(b"")
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        return self._subscribed.wait(timeout)

    def stop(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _receive(self, payload: bytes) -> None:
        now = self._clock.wall()
        wire: Wire = json.loads(payload)
        with self._file.open("ab") as file:
            file.write(payload + b"\n")
        event = ReceivedEvent(wire, now - captured_at(wire))
        self.events.append(event)
        self._report(event)


def captured_at(wire: Wire) -> float:
    """When the event's frame was captured, in wall seconds."""
    # Python 3.10 does not read the Z of UTC.
    return datetime.fromisoformat(wire["captured_at"].replace("Z", "+00:00")).timestamp()


def sentence(event: ReceivedEvent) -> str:
    """One event as a line for people."""
    wire = event.wire
    who = wire["name"] or wire["unknown"] or ""
    score = f"score {wire['score']:.2f}, threshold {wire['threshold']:.2f}" if wire["event_type"] == "match" else ""
    seconds = f"after {wire['seconds']:.1f} s in view" if wire["seconds"] is not None else ""
    facts = ", ".join(part for part in (score, wire["reason"] or "", seconds) if part)
    clock = wire["captured_at"][11:23]
    return f"{clock}  {wire['camera']:<8} {wire['event_type']:<9} {who:<16} {facts:<28} {event.after * 1000:4.0f} ms"
