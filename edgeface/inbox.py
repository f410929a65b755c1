"""Events that wait for their moment: said within their lifetime, or left to the journal."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from edgeface import events
from edgeface.clock import synchronised
from edgeface.connection import Tag

if TYPE_CHECKING:
    from edgeface.clock import Clock
    from edgeface.connection import Connection
    from edgeface.outbox import Outbox
    from edgeface.topics import Topics
    from edgeface.types import Event

SAYABLE = events.LIFETIME - 1.0
"""Seconds after its capture within which an event is sent: the last one is for the network and the broker,
whose expiry counts in whole seconds (MQTT 5, 3.3.2.3.3), so that nobody receives it after events.LIFETIME."""

LIMIT = 256
"""Events that wait to be said; one more goes to the audit topic."""


class Said(NamedTuple):
    """What the pipeline said, and when it came in by the monotonic clock."""

    at: float
    event: Event
    snapshot: bytes | None


class Inbox:
    """Any thread puts, one thread takes; `first` gives nothing older than SAYABLE."""

    def __init__(self, clock: Clock, outbox: Outbox) -> None:
        self._clock = clock
        self._outbox = outbox
        self._waiting: deque[Said] = deque()
        self.missed = 0
        """Events that were not said in time: the audit topic has them later."""

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, event: Event, snapshot: bytes | None, *, late: bool = False) -> None:
        """Write the event down and let it wait; when too many wait, or it is `late`, only the former."""
        self._outbox.record(event)
        if len(self._waiting) < LIMIT and not late:
            self._waiting.append(Said(self._clock.monotonic(), event, snapshot))
        else:
            self._miss(event)

    def first(self) -> Said | None:
        """Give the oldest that may still be said."""
        self.forget_late()
        return self._waiting[0] if self._waiting else None

    def pop(self) -> None:
        """Take the first away: it has been said."""
        self._waiting.popleft()

    def forget_late(self) -> None:
        """Leave those that are too old to the journal."""
        while self._waiting and self._clock.monotonic() - self._waiting[0].event.monotonic > SAYABLE:
            self._miss(self._waiting.popleft().event)

    def _miss(self, event: Event) -> None:
        self.missed += 1
        self._outbox.release([event.id])


def send(said: Said, connection: Connection, topics: Topics, clock: Clock) -> bool:
    """Publish the event and then its picture; False when the network has no room for the picture now."""
    event, room = said.event, not connection.congested
    topic = topics.snapshot(event.camera) if said.snapshot is not None and room else None
    wire = events.to_wire(event, sent_at=clock.wall(), synced=synchronised(), snapshot=topic)
    # The whole seconds that are left of its life: no broker holds it longer.
    left = int(events.LIFETIME - (clock.monotonic() - event.monotonic))
    payload = events.to_json(wire).encode()
    connection.publish(topics.event(event.camera), payload, Tag("event", event.id), expiry=max(1, left))
    if said.snapshot is not None and topic is not None:
        connection.publish(topic, said.snapshot, Tag("snapshot", event.id), qos=0)
    return room or said.snapshot is None
