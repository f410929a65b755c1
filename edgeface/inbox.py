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

LIMIT = 256
"""Events that wait to be said; one more goes to the audit topic."""


PATIENCE = 0.1
"""Seconds for which an event waits to be on the disk before it is said; a disk that hangs holds nobody up."""


class Said(NamedTuple):
    """What the pipeline said, and when it came in by the monotonic clock."""

    at: float
    event: Event
    snapshot: bytes | None


class Inbox:
    """Any thread puts, one thread takes; `first` gives nothing older than events.SAYABLE."""

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

    def ripe(self, said: Said) -> bool:
        """Whether it is on the disk, or the disk has had its time: what is heard is then in the journal too."""
        return self._outbox.written(said.event.id) or self._clock.monotonic() - said.at >= PATIENCE

    def pop(self) -> None:
        """Take the first away: it has been said."""
        self._waiting.popleft()

    def forget_late(self) -> None:
        """Leave those that are too old to the journal."""
        while self._waiting and self._clock.monotonic() - self._waiting[0].event.monotonic > events.SAYABLE:
            self._miss(self._waiting.popleft().event)

    def _miss(self, event: Event) -> None:
        self.missed += 1
        self._outbox.release([event.id])


def tell(inbox: Inbox, connection: Connection, topics: Topics, clock: Clock) -> int:
    """Publish what waits, as far as the broker lets us; gives the pictures for which the network had no room."""
    dropped = 0
    while (said := inbox.first()) is not None and connection.in_flight < connection.window:
        # A stalled broker still takes bytes and would pass them on, old, when it comes back:
        # nothing is sent before it has answered something that was asked after the event came in.
        if connection.answered < said.at:
            connection.probe()
            break
        if not inbox.ripe(said):
            break
        inbox.pop()
        dropped += not _send(said, connection, topics, clock)
    return dropped


def _send(said: Said, connection: Connection, topics: Topics, clock: Clock) -> bool:
    """Publish the event and then its picture; False when the network has no room for the picture now."""
    event, room = said.event, not connection.congested
    topic = topics.snapshot(event.camera) if said.snapshot is not None and room else None
    wire = events.to_wire(event, sent_at=clock.wall(), synced=synchronised(), snapshot=topic)
    # The whole seconds that are left of its life: no broker holds it longer.
    left = int(events.LIFETIME - (clock.monotonic() - event.monotonic))
    payload = events.to_json(wire).encode()
    until = event.monotonic + events.LIFETIME
    connection.publish(topics.event(event.camera), payload, Tag("event", event.id), expiry=max(1, left), until=until)
    if said.snapshot is not None and topic is not None:
        connection.publish(topic, said.snapshot, Tag("snapshot", event.id), qos=0)
    return room or said.snapshot is None
