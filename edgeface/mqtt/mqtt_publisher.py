"""Publishes to a broker: events immediately or never, everything else with its latest value."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from edgeface.access.issuer import GrantIssuer
from edgeface.access.policy import AccessPolicy
from edgeface.core.errors import BrokerError
from edgeface.core.text import NO_ONE
from edgeface.journal.database import noted
from edgeface.journal.writer import JournalWriter
from edgeface.mqtt import topics
from edgeface.mqtt.connection import Connection, PublishResult, Waker
from edgeface.mqtt.discovery import Announcements, Discovery
from edgeface.mqtt.generation import DoorMemory
from edgeface.mqtt.incoming import Incoming
from edgeface.mqtt.last_seen import LastSeen
from edgeface.mqtt.outgoing import (
    AuditFeed,
    ChallengeQueue,
    EventQueue,
    KeyListFeed,
    RetainedQueue,
    StateMessage,
    flush_grants,
    recorded_alarms,
)
from edgeface.mqtt.problems import Backoff, ConnectionProblems
from edgeface.mqtt.publisher import OFF, ON
from edgeface.mqtt.settings import require_safe
from edgeface.mqtt.topics import Topics, client_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edgeface.access.factor_messages import PassShown
    from edgeface.access.second_factor import SecondFactors
    from edgeface.core.clock import Clock
    from edgeface.core.types import ChallengeReport, ChallengeRequest, Claim, Event, ExpectedPerson
    from edgeface.journal.journal import Journal
    from edgeface.mqtt.last_seen import People
    from edgeface.mqtt.leftovers import Leftovers
    from edgeface.mqtt.settings import Mqtt
    from edgeface.mqtt.topics import Topic
    from edgeface.security.sealing_keys import SealingKeys
    from edgeface.security.signing_keys import Signer

_TICK, _GOODBYE_TIMEOUT, _JOIN_TIMEOUT = 0.5, 2.0, 6.0


class MqttPublisher:
    """Publishes what one device sees; its thread owns the connection, the other methods only queue.

    An event is published on its topic only while the broker has just shown that it is alive, and within
    events.SEND_WITHIN of its capture by the monotonic clock. Otherwise it goes to the audit topic later, from the
    journal. The publisher's thread calls `on_enabled(camera, on)` when a camera is switched over MQTT,
    `on_ignore(camera)` when its button is pressed, `answered` with the seconds that the broker took for an event, and
    `policy` for the doors as they are now; all return at once. `people` are those whose last sight it publishes.
    Raises ConfigError if the settings are not safe.
    """

    def __init__(
        self,
        settings: Mqtt,
        device: str,
        clock: Clock,
        journal: Journal,
        *,
        on_enabled: Callable[[str, bool], None],
        on_ignore: Callable[[str], None] = lambda _: None,
        people: People = dict,
        cameras: Sequence[str] = (),
        names: Callable[[], Mapping[str, str]] = dict,
        snapshots: bool = False,
        page: str | None = None,
        boot: str = "",
        policy: Callable[[], AccessPolicy] = AccessPolicy,
        signer: Signer | None = None,
        answered: Callable[[float], None] = lambda _: None,
        keys: SealingKeys | None = None,
        factors: SecondFactors | None = None,
        expect: Callable[[ExpectedPerson], None] = lambda _: None,
        challenge: Callable[[ChallengeRequest], None] = lambda _: None,
        recall: Callable[[object, str], None] | None = None,
        generation: Callable[[], Mapping[str, Any] | None] = lambda: None,
        key_list: KeyListFeed | None = None,
        leftovers: Leftovers | None = None,
    ) -> None:
        """`page` is the page's address; `keys`, `factors`, `expect` and `challenge` are as in GrantIssuer.

        `recall` gets what broker and doors remember of an earlier run, and who does; `generation` is that of this run.
        `key_list` publishes the list of device keys; `leftovers` clears what is retained under earlier names.
        `names` are the display names of cameras, which may change.
        """
        require_safe(settings)
        self._settings, self._clock, self._journal = settings, clock, journal
        self._on_enabled, self._answered = on_enabled, answered
        self._name = client_id(device)
        self._topics = Topics.of_device(settings, device)
        self._status = self._topics(topics.STATUS)
        self._counts: Counter[str] = Counter()
        self._problems = ConnectionProblems(settings)
        self.connected = False
        """Whether the broker has accepted the connection."""
        self._closing = threading.Event()
        self._waker = Waker()
        self._writer = JournalWriter(journal, self._waker.wake)
        self._events = EventQueue(self._writer, self._topics, clock)
        self._retained = RetainedQueue()
        self._audit_feed = AuditFeed(self._writer, self._topics, device, clock)
        self._factors = factors
        if factors is not None:
            factors.wake = self._waker.wake
        self._challenges = ChallengeQueue(self._topics, clock)
        self._issuer = GrantIssuer(
            device,
            boot,
            clock,
            signer=signer,
            policy=policy,
            keys=keys,
            factors=factors,
            expect=expect,
            challenge=challenge,
            alarms=recorded_alarms(journal),
        )
        self._state_message = StateMessage(clock, journal, self._issuer)
        self._recall = recall
        self._door_memory = DoorMemory(self._topics, device, clock, signer, generation, recall or (lambda *_: None))
        self._key_list = key_list
        known = Discovery(self._topics, device, snapshots=snapshots, page=page, names=names)
        discovery = known if settings.discovery else None
        self._announcements = (
            None if discovery is None else Announcements(discovery, self._topics, cameras, self._retained)
        )
        self._last_seen = LastSeen(self._topics, self._retained, people, cameras, discovery)
        self._incoming = Incoming(
            self._topics,
            clock,
            self._issuer,
            self._door_memory,
            self._last_seen,
            cameras=cameras,
            on_ignore=on_ignore,
            on_enabled=self._switch,
            recall=None if recall is None else self._on_earlier,
            key_list=key_list,
            discovery=settings.discovery,
            leftovers=leftovers,
        )
        self._leftovers = leftovers
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        for camera in cameras:
            self.set(topics.ENABLED_STATE.at(camera=camera), ON)
            # If the last run was killed, the broker still has the people who were in view.
            self.set(topics.PEOPLE.at(camera=camera), NO_ONE)

    @property
    def problem(self) -> str | None:
        """Why there is no connection, or what the broker denies; None when all is well."""
        return self._problems.problem

    @property
    def alive(self) -> bool:
        """Whether its threads run."""
        others = self._writer.alive and (self._factors is None or self._factors.alive)
        return self._thread.is_alive() and others

    def start(self) -> None:
        """Start the threads; the broker need not be running."""
        self._issuer.reload()
        self._announce()
        self._writer.start()
        if self._factors is not None:
            self._factors.start()
        self._thread.start()

    def publish(self, event: Event, snapshot: bytes | None = None, *, late: bool = False) -> None:
        """Publish the event immediately or never, and record it; returns at once, whatever broker and disk do."""
        self._events.put(event, snapshot, late=late)
        if not late:
            self._last_seen.saw(event)
        self._waker.wake()

    def claim(self, claim: Claim) -> None:
        """Ask the doors of the claim's camera to open, immediately or never."""
        if self._issuer.claim(claim):
            self._waker.wake()

    def challenge(self, report: ChallengeReport) -> None:
        """Publish what a challenge asks for or how it has ended, and tell the doors; returns at once."""
        self._challenges.put(report)
        self._issuer.report(report)
        self._waker.wake()

    def show_pass(self, shown: PassShown) -> None:
        """Have the doors of a camera take a pass that it has read; returns at once."""
        self._issuer.show_pass(shown)
        self._waker.wake()

    def record(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Record a decision or an action in the journal."""
        self._writer.record_row(noted(kind, self._clock.wall(), facts))

    def set(self, topic: Topic, payload: str | Mapping[str, Any]) -> None:
        """Publish the new value of a retained topic, or the state from its facts, at most once a second."""
        if isinstance(payload, str):
            self._retained.put(self._topics(topic), payload.encode())
        else:
            self._state_message.put(payload)
        self._waker.wake()

    def counters(self) -> dict[str, int]:
        """Numbers of messages by what became of them, as docs/events.md names them."""
        return {
            **{name: self._counts[name] for name in ("said", "late")},
            "ignored": self._incoming.ignored,
            **self._problems.counters(),
            "snapshots_dropped": self._events.snapshots_dropped,
            "missed": self._events.missed,
            "queue": len(self._events),
            "lost": self._writer.lost + self._journal.dropped,
            "waiting_for_disk": self._writer.waiting,
            "unsaid": self._writer.unpublished,
        }

    def facts(self) -> Mapping[str, Any]:
        """What it adds to the state: the broker and the doors."""
        mqtt = {"problem": self.problem, **self.counters()}
        return {"mqtt": mqtt, "doors": self._state_message.doors, "problems": self._state_message.problems}

    def close(self) -> None:
        """Publish what is queued and `offline`, if the broker answers soon; record everything; end the threads."""
        self._closing.set()
        self._waker.wake()
        self._thread.join(_JOIN_TIMEOUT)
        if self._factors is not None:
            self._factors.close()
        self._writer.close()
        if not self._thread.is_alive():
            self._waker.close()

    def _run(self) -> None:
        backoff = Backoff(self._clock)
        while not self._closing.is_set():
            backoff.begin()
            try:
                self._serve()
            except BrokerError as error:
                self._problems.failed(str(error))
            until = self._clock.monotonic() + backoff.pause()
            while self._clock.monotonic() < until and not self._closing.wait(0.1):
                self._drop_late()

    def _serve(self) -> None:
        connection = Connection(self._settings, self._name, self._status, self._clock)
        try:
            while not connection.ready:
                self._wait(connection, _TICK)
                self._drop_late()
            self._go_online(connection)
            while not self._closing.is_set():
                self._work(connection)
                self._wait(connection, _TICK)
            self._go_offline(connection)
        finally:
            self.connected = False
            connection.drop()
            self._receive(connection)
            self._writer.release(tag.id for tag in connection.unanswered() if tag.kind in {"event", "audit"})
            self._issuer.take_back(tag.id for tag in connection.unanswered() if tag.kind == "grant")

    def _wait(self, connection: Connection, seconds: float) -> None:
        connection.wait(seconds, self._waker.socket)
        self._waker.clear()  # not earlier: a wake-up that comes while the thread works must end the next wait

    def _go_online(self, connection: Connection) -> None:
        self._problems.connected()
        self._audit_feed.connected()
        if self._key_list is not None:
            self._key_list.connected()
        connection.publish(self._status, b"online")
        self._incoming.subscribe(connection)
        self._retained.put_all()
        self._state_message.refresh()
        self.connected = True

    def _work(self, connection: Connection) -> None:
        self._receive(connection)
        if self._issuer.reload():
            self._incoming.subscribe_to_doors(connection)
            self._announce()
        elif self._announcements is not None and self._announcements.outdated:
            self._announce()
        self._events.flush(connection)
        self._challenges.flush(connection)
        if self._issuer.doors:
            # Before any grant, so that a door answers before it opens if it remembers a later generation.
            self._door_memory.flush(connection)
        flush_grants(self._issuer, connection, self._topics)
        self._record_grants()
        self._compose_state()
        self._last_seen.refresh()
        if self._leftovers is not None:
            self._leftovers.review(self._issuer.doors, self._retained, announced=self._settings.discovery)
        if self._incoming.births.due():
            self._announce()
            self._last_seen.announce()
        self._retained.flush(connection)
        if self._key_list is not None:
            self._key_list.flush(connection)
        self._audit_feed.flush(connection)

    def _announce(self) -> None:
        if self._announcements is not None:
            self._announcements.publish(self._issuer.doors)

    def _drop_late(self) -> None:
        """Without a connection: drop what may no longer be published."""
        self._events.drop_late()
        self._issuer.review()
        self._record_grants()

    def _record_grants(self) -> None:
        for kind, facts in self._issuer.take_records():
            self.record(kind, facts)
            self._state_message.refresh()

    def _compose_state(self) -> None:
        if self._incoming.earlier.awaited():
            return
        if (payload := self._state_message.compose(self.facts()["mqtt"])) is not None:
            self._retained.put(self._topics(topics.STATE), payload)

    def _receive(self, connection: Connection) -> None:
        for result in connection.results():
            self._on_result(result)
        self._incoming.receive(connection)

    def _on_result(self, result: PublishResult) -> None:
        kind, id_ = result.tag
        if self._key_list is not None:
            self._key_list.on_result(result)
        if self._leftovers is not None and self._leftovers.on_result(result, self._retained):
            return
        if kind == "subscribe" and (result.refused is None or id_ == self._incoming.earlier.topic):
            self._incoming.subscribed(id_)
        elif result.refused is not None:
            self._on_denial(kind, id_, result.refused)
        elif kind in {"event", "audit"}:
            self._writer.mark_published(id_)
            self._counts["said" if kind == "event" else "late"] += 1
            if kind == "event":
                self._answered(result.seconds)
        elif kind == "retained":
            self._retained.accepted(id_)

    def _on_denial(self, kind: str, id_: str, reason: str) -> None:
        what = f"the {kind} topic" if kind in {"event", "audit"} else f"{kind} {id_.partition('#')[0]}"
        self._state_message.refresh(at_once=self._problems.denied(what, reason, self._name))
        if kind == "audit":
            self._audit_feed.denied()
        if kind in {"event", "audit"}:
            self._writer.release([id_])
        elif kind == "grant":
            self._issuer.take_back([id_])

    def _switch(self, camera: str, on: bool) -> None:  # noqa: FBT001 - ON and OFF, as in MQTT
        self._on_enabled(camera, on)
        self.set(topics.ENABLED_STATE.at(camera=camera), ON if on else OFF)

    def _on_earlier(self, state: Mapping[str, Any]) -> None:
        """The state that an earlier run has left."""
        if self._recall is not None:
            self._recall(state.get("generation"), "the broker")
        if self._announcements is not None:
            self._announcements.remove(state, self._issuer.doors)

    def _go_offline(self, connection: Connection) -> None:
        deadline = self._clock.monotonic() + _GOODBYE_TIMEOUT
        self._state_message.refresh(at_once=True)
        self._compose_state()
        while self._clock.monotonic() < deadline and (self._events or self._retained):
            self._receive(connection)
            self._events.flush(connection)
            self._retained.flush(connection)
            self._wait(connection, 0.05)
        connection.publish(self._status, b"offline")
        while self._clock.monotonic() < deadline and connection.in_flight:
            self._wait(connection, 0.05)
            self._receive(connection)
        if not connection.in_flight:
            connection.close()
