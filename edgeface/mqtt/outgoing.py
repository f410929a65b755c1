"""What is queued for the broker: events within their lifetime, retained values, the state, audit rows, and grants."""

from __future__ import annotations

import json
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from edgeface.core import events
from edgeface.core.clock import rfc3339, synchronised
from edgeface.core.event_kinds import DOOR_ALARMS
from edgeface.journal.journal import audit
from edgeface.mqtt.connection import Tag
from edgeface.mqtt.topics import AUDIT, CHALLENGE, DOOR_GRANT, EVENT, SNAPSHOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgeface.access.issuer import GrantIssuer
    from edgeface.core.clock import Clock
    from edgeface.core.types import ChallengeReport, Event
    from edgeface.journal.journal import Journal
    from edgeface.journal.writer import JournalWriter
    from edgeface.mqtt.connection import Connection, PublishResult
    from edgeface.mqtt.topics import Topic, Topics

MAX_ALARMS = 256
"""More than all doors report in a day without a flood."""
MAX_QUEUED_EVENTS = 256
"""Events that wait to be published; any more go to the audit topic."""
DISK_TIMEOUT = 0.1
"""Seconds for which an event waits to be on the disk before it is published anyway."""
_CHALLENGE_EXPIRY = 3
"""Seconds that the broker may hold a request to turn the head."""
_DENIED_PAUSE = 60.0
"""Seconds without an attempt after the broker has denied the audit topic."""
_STATE_INTERVAL = 1.0
"""Least seconds between two state messages."""
REPUBLISH_DELAY = 1.0
"""Seconds after Home Assistant has started until discovery is published again."""
REPUBLISH_SECONDS = 30.0
"""Least seconds between two such publications."""


class QueuedEvent(NamedTuple):
    """An event, and when it was queued, in monotonic seconds."""

    at: float
    event: Event
    snapshot: bytes | None


class EventQueue:
    """Any thread puts, one thread flushes; nothing older than events.SEND_WITHIN is published."""

    def __init__(self, writer: JournalWriter, topics: Topics, clock: Clock) -> None:
        self._writer = writer
        self._topics = topics
        self._clock = clock
        self._queue: deque[QueuedEvent] = deque()
        self.missed = 0
        """Events that were not published in time; they go to the audit topic later."""
        self.snapshots_dropped = 0
        """Snapshots for which the network had no room."""

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, event: Event, snapshot: bytes | None, *, late: bool = False) -> None:
        """Record the event and queue it; if the queue is full or the event is `late`, only record it."""
        self._writer.record(event)
        if len(self._queue) < MAX_QUEUED_EVENTS and not late:
            self._queue.append(QueuedEvent(self._clock.monotonic(), event, snapshot))
        else:
            self._miss(event)

    def flush(self, connection: Connection) -> None:
        """Publish what is queued, as far as the broker accepts it."""
        while (queued := self._first()) is not None and connection.in_flight < connection.window:
            # A stalled broker still accepts bytes and would deliver them, old, when it recovers:
            # nothing is sent until it has answered a request that was made after the event was queued.
            if connection.answered < queued.at:
                connection.probe()
                return
            # The journal has what subscribers get, unless the disk takes too long.
            if not self._writer.written(queued.event.id) and self._clock.monotonic() - queued.at < DISK_TIMEOUT:
                return
            self._queue.popleft()
            self._publish(queued, connection)

    def drop_late(self) -> None:
        """Leave events that are too old to the journal."""
        while self._queue and self._clock.monotonic() - self._queue[0].event.monotonic > events.SEND_WITHIN:
            self._miss(self._queue.popleft().event)

    def _first(self) -> QueuedEvent | None:
        self.drop_late()
        return self._queue[0] if self._queue else None

    def _publish(self, queued: QueuedEvent, connection: Connection) -> None:
        event, picture = queued.event, queued.snapshot
        if picture is not None and connection.congested:
            picture = None
            self.snapshots_dropped += 1
        snapshot = self._topics(SNAPSHOT, camera=event.camera)
        wire = events.to_wire(
            event,
            sent_at=self._clock.wall(),
            synced=synchronised(),
            snapshot=None if picture is None else snapshot.name,
        )
        # The broker drops the event when the whole seconds left of its life are over.
        left = int(events.LIFETIME - (self._clock.monotonic() - event.monotonic))
        if picture is not None:
            # First, so that whoever shows a picture when the event arrives has this one.
            connection.publish(snapshot, picture, about={"event": event.id})
        connection.publish(
            self._topics(EVENT, camera=event.camera),
            events.to_json(wire).encode(),
            Tag("event", event.id),
            expiry=max(1, left),
            until=event.monotonic + events.ACKNOWLEDGE_WITHIN,
        )

    def _miss(self, event: Event) -> None:
        self.missed += 1
        self._writer.release([event.id])


class ChallengeQueue:
    """Any thread puts, one thread flushes; of each camera, only what is newest is kept, and only for SEND_WITHIN."""

    def __init__(self, topics: Topics, clock: Clock) -> None:
        self._topics = topics
        self._clock = clock
        self._lock = threading.Lock()
        self._reports: dict[str, tuple[float, ChallengeReport]] = {}

    def put(self, report: ChallengeReport) -> None:
        """Queue what a challenge asks for, or its end."""
        with self._lock:
            self._reports[report.request.camera] = self._clock.monotonic(), report

    def flush(self, connection: Connection) -> None:
        """Publish what is queued."""
        with self._lock:
            reports, self._reports = self._reports, {}
        now = self._clock.monotonic()
        for camera, (at, report) in reports.items():
            if now - at <= events.SEND_WITHIN:
                payload = json.dumps(challenge_wire(report, now, self._clock.wall()), separators=(",", ":")).encode()
                connection.publish(self._topics(CHALLENGE, camera=camera), payload, expiry=_CHALLENGE_EXPIRY)


def challenge_wire(report: ChallengeReport, monotonic: float, wall: float) -> events.Wire:
    """The payload of the topic `challenge` at this time; docs/events.md is the contract."""
    left = None if report.turn is None else max(0.0, round(report.until - monotonic, 1))
    return {
        "v": 1,
        "turn": report.turn,
        "until": None if left is None else rfc3339(wall + left),
        "seconds": left,
        "track": report.request.visit,
        "result": report.result,
    }


class RetainedQueue:
    """Any thread puts, one thread flushes; only the newest payload of a topic is kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._payloads: dict[Topic, bytes] = {}
        self._changed: dict[Topic, None] = {}

    def __len__(self) -> int:
        return len(self._changed)

    def put(self, topic: Topic, payload: bytes) -> None:
        """Have `payload` published instead of the topic's last one; an empty one removes what the broker retains."""
        with self._lock:
            self._payloads[topic] = payload
            self._changed[topic] = None

    def keep(self, topic: Topic, payload: bytes) -> None:
        """Remember what the broker retains, should it lose that; a payload of our own stays."""
        with self._lock:
            self._payloads.setdefault(topic, payload)

    def accepted(self, name: str) -> None:
        """Forget a topic that the broker has removed, now that it has accepted the empty payload."""
        with self._lock:
            removed = [one for one, payload in self._payloads.items() if one.name == name and not payload]
            for topic in removed:
                if topic not in self._changed:
                    del self._payloads[topic]

    def put_all(self) -> None:
        """Have everything published again: the broker may have lost it."""
        with self._lock:
            self._changed = dict.fromkeys(self._payloads)

    def flush(self, connection: Connection) -> None:
        """Publish what has changed, as far as the network accepts it; half of the window is left to events."""
        while connection.in_flight < connection.window // 2 and not connection.congested:
            with self._lock:
                topic = next(iter(self._changed), None)
                if topic is None:
                    return
                del self._changed[topic]
                payload = self._payloads[topic]
            connection.publish(topic, payload)


class KeyListFeed(Protocol):
    """Publishes the list of device keys; the publisher's thread calls it."""

    @property
    def topic(self) -> Topic:
        """Where the list is published."""

    def connected(self) -> None:
        """There is a new connection."""

    def flush(self, connection: Connection) -> None:
        """Publish what the broker does not have."""

    def on_result(self, result: PublishResult) -> None:
        """Take the broker's answer to a request about any topic."""

    def on_message(self, payload: bytes) -> None:
        """Take the list that the broker has."""


class Republication:
    """When discovery is published again: soon after Home Assistant has started, but not for each of many starts."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at: float | None = None
        self._last = float("-inf")

    def request(self) -> None:
        """Ask for a publication REPUBLISH_DELAY from now, or once REPUBLISH_SECONDS have passed since the last."""
        if self._at is None:
            self._at = max(self._clock.monotonic() + REPUBLISH_DELAY, self._last + REPUBLISH_SECONDS)

    def due(self) -> bool:
        """Whether to publish now; the request is then done."""
        now = self._clock.monotonic()
        if self._at is None or now < self._at:
            return False
        self._at, self._last = None, now
        return True


class StateMessage:
    """The daemon's facts and what the publisher adds; any thread puts, one thread composes."""

    def __init__(self, clock: Clock, journal: Journal, issuer: GrantIssuer) -> None:
        self._clock = clock
        self._journal = journal
        self._issuer = issuer
        self._facts: Mapping[str, Any] = {}
        self.doors: Mapping[str, Any] = {}
        """The doors as last published; replaced as a whole."""
        self.problems: list[str] = []
        """Why a door cannot open for anyone, one line each, as of the last `compose`."""
        self._door_names: list[str] = []
        self._due = True
        self._composed_at = float("-inf")

    def put(self, facts: Mapping[str, Any]) -> None:
        """Have these facts published."""
        self._facts = facts
        self._due = True

    def refresh(self, *, at_once: bool = False) -> None:
        """Have it published again, since what the publisher adds has changed; `at_once` is for rare changes."""
        self._due = True
        if at_once:
            self._composed_at = float("-inf")

    def compose(self, mqtt: Mapping[str, Any]) -> bytes | None:
        """The state as JSON; None if it is not due, or if the daemon has not reported yet."""
        now, doors = self._clock.monotonic(), (self._issuer.doors, self._issuer.lines())
        if doors != (self._door_names, self.problems):
            self._door_names, self.problems = doors
            self._due = True
        # Without the daemon's facts most keys of the contract would be missing.
        if not self._facts or not self._due or now - self._composed_at < _STATE_INTERVAL:
            return None
        self._due, self._composed_at = False, now
        self.doors = self._issuer.facts()
        problems = [*self._facts.get("problems", ()), *self.problems]
        more = {"problems": problems, "doors": self.doors, "journal": self._journal.facts()}
        return events.to_json(events.plain({**self._facts, **more, "mqtt": mqtt})).encode()


class AuditFeed:
    """Publishes unpublished rows of the journal on the audit topic; one thread uses it."""

    def __init__(self, writer: JournalWriter, topics: Topics, device: str, clock: Clock) -> None:
        self._writer = writer
        self._topics = topics
        self._device = device
        self._clock = clock
        self._paused_until = float("-inf")

    def connected(self) -> None:
        """Try again at once: a new connection may have another access list."""
        self._paused_until = float("-inf")

    def denied(self) -> None:
        """The broker denies the topic: pause for a minute."""
        self._paused_until = self._clock.monotonic() + _DENIED_PAUSE

    def flush(self, connection: Connection) -> None:
        """Publish rows, as far as half of the window and the network accept them."""
        room = connection.window // 2 - connection.in_flight
        if room <= 0 or connection.congested or self._clock.monotonic() < self._paused_until:
            return
        for row in self._writer.take(room):
            payload = audit(row, self._device, self._clock.wall())
            connection.publish(self._topics(AUDIT), payload.encode(), Tag("audit", row.id))


def flush_grants(issuer: GrantIssuer, connection: Connection, topics: Topics) -> None:
    """Publish the grants that may be issued now, once the broker has shown that it is alive."""
    issuer.review()
    while (pending := issuer.first()) is not None and connection.in_flight < connection.window:
        # As for events: a stalled broker would deliver a grant when it is old.
        if connection.answered < pending.at:
            connection.probe()
            return
        grant = issuer.grant(pending)
        if grant is not None:
            topic = topics(DOOR_GRANT, door=grant.door)
            connection.publish(topic, grant.envelope, Tag("grant", grant.id), expiry=grant.expiry, until=grant.until)


def recorded_alarms(journal: Journal) -> list[tuple[str, dict[str, Any]]]:
    """The newest alarms of doors in the journal, MAX_ALARMS at most: kind and facts."""
    found = journal.rows(kinds=tuple(DOOR_ALARMS.values()), last=MAX_ALARMS)
    return [(entry.row.kind, json.loads(entry.row.payload)) for entry in found]
