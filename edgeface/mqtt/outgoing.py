"""Events that wait for their moment: said within their lifetime, or left to the journal."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from edgeface.core import events
from edgeface.core.clock import synchronised
from edgeface.journal.journal import audit
from edgeface.mqtt.connection import Tag

if TYPE_CHECKING:
    from edgeface.access.issuer import GrantIssuer
    from edgeface.core.clock import Clock
    from edgeface.core.types import Event
    from edgeface.journal.writer import JournalWriter
    from edgeface.mqtt.connection import Connection
    from edgeface.mqtt.topics import Topics


def flush_grants(issuer: GrantIssuer, connection: Connection) -> None:
    """Publish the grants that may be given now, as soon as the broker has shown that it is alive."""
    issuer.review()
    while (waiting := issuer.first()) is not None and connection.in_flight < connection.window:
        # As for events: a stalled broker would pass a grant on when it is old.
        if connection.answered < waiting.at:
            connection.probe()
            return
        grant = issuer.grant(waiting)
        if grant is not None:
            tag = Tag("grant", grant.id)
            connection.publish(grant.topic, grant.envelope, tag, expiry=grant.expiry, until=grant.until)


MAX_QUEUED_EVENTS = 256
"""Events that wait to be said; one more goes to the audit topic."""


EVENT_TIMEOUT = 0.1
"""Seconds for which an event waits to be on the disk before it is said; a disk that hangs holds nobody up."""


class QueuedEvent(NamedTuple):
    """What the pipeline said, and when it came in by the monotonic clock."""

    at: float
    event: Event
    snapshot: bytes | None


class EventQueue:
    """Any thread puts, one thread takes; `first` gives nothing older than events.SAYABLE."""

    def __init__(self, clock: Clock, writer: JournalWriter) -> None:
        self._clock = clock
        self._writer = writer
        self._waiting: deque[QueuedEvent] = deque()
        self.missed = 0
        """Events that were not said in time: the audit topic has them later."""

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, event: Event, snapshot: bytes | None, *, late: bool = False) -> None:
        """Write the event down and let it wait; when too many wait, or it is `late`, only the former."""
        self._writer.record(event)
        if len(self._waiting) < MAX_QUEUED_EVENTS and not late:
            self._waiting.append(QueuedEvent(self._clock.monotonic(), event, snapshot))
        else:
            self._miss(event)

    def first(self) -> QueuedEvent | None:
        """Give the oldest that may still be said."""
        self.forget_late()
        return self._waiting[0] if self._waiting else None

    def ripe(self, said: QueuedEvent) -> bool:
        """Whether it is on the disk, or the disk has had its time: what is heard is then in the journal too."""
        return self._writer.written(said.event.id) or self._clock.monotonic() - said.at >= EVENT_TIMEOUT

    def pop(self) -> None:
        """Take the first away: it has been said."""
        self._waiting.popleft()

    def forget_late(self) -> None:
        """Leave those that are too old to the journal."""
        while self._waiting and self._clock.monotonic() - self._waiting[0].event.monotonic > events.SAYABLE:
            self._miss(self._waiting.popleft().event)

    def _miss(self, event: Event) -> None:
        self.missed += 1
        self._writer.release([event.id])


def flush_events(event_queue: EventQueue, connection: Connection, topics: Topics, clock: Clock) -> int:
    """Publish what waits, as far as the broker lets us; gives the pictures for which the network had no room."""
    dropped = 0
    while (said := event_queue.first()) is not None and connection.in_flight < connection.window:
        # A stalled broker still takes bytes and would pass them on, old, when it comes back:
        # nothing is sent before it has answered something that was asked after the event came in.
        if connection.answered < said.at:
            connection.probe()
            break
        if not event_queue.ripe(said):
            break
        event_queue.pop()
        dropped += not _send(said, connection, topics, clock)
    return dropped


def _send(said: QueuedEvent, connection: Connection, topics: Topics, clock: Clock) -> bool:
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


def flush_retained(retained: Retained, connection: Connection) -> None:
    """Tell the broker what has changed, as far as the network takes it, and leave half of the window to events."""
    while connection.in_flight < connection.window // 2 and not connection.congested:
        changed = retained.take()
        if changed is None:
            return
        topic, payload, qos = changed
        connection.publish(topic, payload, Tag("retained", topic), qos=qos, retain=True)


_DENIED = 60.0


class AuditFeed:
    """Says the rows of the outbox on the audit topic; one thread uses it."""

    def __init__(self, writer: JournalWriter, topics: Topics, clock: Clock) -> None:
        self._writer = writer
        self._topics = topics
        self._clock = clock
        self._at = float("-inf")

    def connected(self) -> None:
        """A broker has let us in: it may have another access list."""
        self._at = float("-inf")

    def denied(self) -> None:
        """The broker denies us the topic: leave it alone for a minute."""
        self._at = self._clock.monotonic() + _DENIED

    def tell(self, connection: Connection) -> None:
        """Publish rows, as far as half of the window and the network take them."""
        room = connection.window // 2 - connection.in_flight
        if room <= 0 or connection.congested or self._clock.monotonic() < self._at:
            return
        for row in self._writer.take(room):
            payload = audit(row, self._topics.device, self._clock.wall())
            connection.publish(self._topics.audit, payload.encode(), Tag("audit", row.id))
