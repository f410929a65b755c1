"""What stands on the broker: the newest payload of each retained topic, and which of them it has not been told."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from edgeface.connection import Tag

if TYPE_CHECKING:
    from edgeface.connection import Connection


class Retained:
    """Any thread puts, one thread takes; only the newest payload of a topic is kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._payloads: dict[str, tuple[bytes, int]] = {}
        self._changed: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._changed)

    def put(self, topic: str, payload: bytes, qos: int) -> None:
        """Have `payload` told with `qos`; the payload before it is forgotten."""
        with self._lock:
            self._payloads[topic] = (payload, qos)
            self._changed[topic] = None

    def again(self) -> None:
        """Have everything told again: the broker may have forgotten it."""
        with self._lock:
            self._changed = dict.fromkeys(self._payloads)

    def take(self) -> tuple[str, bytes, int] | None:
        """Give topic, payload and QoS of what changed first; None when all has been told."""
        with self._lock:
            topic = next(iter(self._changed), None)
            if topic is None:
                return None
            del self._changed[topic]
            return (topic, *self._payloads[topic])


def tell(retained: Retained, connection: Connection) -> None:
    """Tell the broker what has changed, as far as the network takes it, and leave half of the window to events."""
    while connection.in_flight < connection.window // 2 and not connection.congested:
        changed = retained.take()
        if changed is None:
            return
        topic, payload, qos = changed
        connection.publish(topic, payload, Tag("retained", topic), qos=qos, retain=True)
