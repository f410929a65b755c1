"""Tells the broker: events at once or never, the rest as it stands."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from edgeface.access.issuer import GrantIssuer
from edgeface.core.errors import BrokerError
from edgeface.core.text import cleaned
from edgeface.journal.database import noted
from edgeface.journal.writer import JournalWriter
from edgeface.mqtt import discovery, outgoing
from edgeface.mqtt.connection import Connection, Message, PublishResult, Tag, Waker
from edgeface.mqtt.outgoing import AuditFeed, EventQueue, Retained
from edgeface.mqtt.problems import Backoff, ConnectionProblems
from edgeface.mqtt.settings import require_safe
from edgeface.mqtt.state_message import StateMessage
from edgeface.mqtt.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edgeface.access.policy import AccessPolicy
    from edgeface.core.clock import Clock
    from edgeface.core.types import Claim, Event
    from edgeface.journal.journal import Journal
    from edgeface.mqtt.settings import Mqtt
    from edgeface.security.signing_keys import Signer

_TICK, _FAREWELL, _JOIN = 0.5, 2.0, 6.0


class MqttPublisher:
    """Tells one broker what one device sees; its thread owns the connection, `say` and the rest only leave notes.

    An event goes out on its topic only while the broker has just shown that it is alive, and within
    events.SAYABLE of its capture by the monotonic clock. All else about it is on the audit topic later, from the
    journal. The publisher's thread calls `on_enabled(camera, on)` when somebody switches a camera, and `answered` with
    the seconds that the broker took for an event; both return at once. ConfigError when the settings are not safe.
    """

    def __init__(
        self,
        settings: Mqtt,
        device: str,
        clock: Clock,
        journal: Journal,
        *,
        on_enabled: Callable[[str, bool], None],
        cameras: Sequence[str] = (),
        snapshots: bool = False,
        boot: str = "",
        policy: AccessPolicy | None = None,
        signer: Signer | None = None,
        answered: Callable[[float], None] = lambda _: None,
    ) -> None:
        require_safe(settings)
        self._settings, self._clock, self._journal = settings, clock, journal
        self._on_enabled, self._answered = on_enabled, answered
        self._topics = Topics(settings.prefix, device)
        self._switches = {self._topics.enabled_set(camera): camera for camera in cameras}
        self._birth = f"{settings.discovery_prefix}/status"
        self._discovery = discovery.discovery(settings, self._topics, cameras, snapshots=snapshots)
        self._retained = Retained()
        self._counts: Counter[str] = Counter()
        self._trouble, self._connected = ConnectionProblems(), False
        self._closing = threading.Event()
        self._waker = Waker()
        self._writer = JournalWriter(journal, self._waker.wake)
        self._drain = AuditFeed(self._writer, self._topics, clock)
        self._event_queue = EventQueue(clock, self._writer)
        self._issuer = GrantIssuer(settings.prefix, device, boot, clock, signer=signer, policy=policy)
        self._state_message = StateMessage(clock, journal, self._issuer)
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        if settings.discovery:
            self._retain(self._discovery[0], self._discovery[1], 1)
        for camera in cameras:
            self.enabled(camera, on=True)
            # A run that was killed has left there who was in view.
            self.people(camera, ())

    @property
    def connected(self) -> bool:
        """Whether the broker has let us in."""
        return self._connected

    @property
    def problem(self) -> str | None:
        """Why we are not connected, or what the broker denies us; None when all is well."""
        return self._trouble.problem

    @property
    def alive(self) -> bool:
        """Whether its threads run."""
        return self._thread.is_alive() and self._writer.alive

    def start(self) -> None:
        """Start the threads; the broker need not be there."""
        self._writer.start()
        self._thread.start()

    def publish(self, event: Event, snapshot: bytes | None = None, *, late: bool = False) -> None:
        """Tell the event now or never, and write it down; returns at once, whatever broker and disk do."""
        self._event_queue.put(event, snapshot, late=late)
        self._waker.wake()

    def claim(self, claim: Claim) -> None:
        """Have the doors of the claim's camera open, now or never, if they may."""
        if self._issuer.claim(claim):
            self._waker.wake()

    def record(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Write down what was decided or done."""
        self._writer.record_row(noted(kind, self._clock.wall(), facts))

    def apply(self, policy: AccessPolicy) -> None:
        """Go by other doors from now on."""
        self._issuer.apply(policy)
        self._waker.wake()

    def camera_status(self, camera: str, text: str) -> None:
        """Tell how the camera is: online, stalled, offline, disabled."""
        self._retain(self._topics.camera_status(camera), text.encode(), 1)

    def people(self, camera: str, names: tuple[str, ...]) -> None:
        """Tell who is in view, for display; `unknown` stands for somebody without a name."""
        shown = ", ".join(cleaned(name.replace(",", " ")) for name in names)
        self._retain(self._topics.people(camera), shown.encode(), 0)

    def enabled(self, camera: str, on: bool) -> None:  # noqa: FBT001 - as in Teller
        """Tell whether the camera is looked at."""
        self._retain(self._topics.enabled_state(camera), b"ON" if on else b"OFF", 1)

    def state(self, facts: Mapping[str, Any]) -> None:
        """Tell the device's health, with what the publisher and the journal add; at most once a second."""
        self._state_message.put(facts)
        self._waker.wake()

    def counters(self) -> dict[str, int]:
        """Give what was said, late (on the audit topic), refused, ignored and lost; reconnects; queue; unsaid."""
        return {
            **{name: self._counts[name] for name in ("said", "late", "ignored", "snapshots_dropped")},
            **self._trouble.counters(),
            "missed": self._event_queue.missed,
            "queue": len(self._event_queue),
            "lost": self._writer.lost + self._journal.dropped,
            "waiting_for_disk": self._writer.waiting,
            "unsaid": self._writer.unpublished,
        }

    def facts(self) -> Mapping[str, Any]:
        """What the state has of the broker and the doors."""
        mqtt = {"problem": self.problem, **self.counters()}
        return {"mqtt": mqtt, "doors": self._state_message.doors, "problems": self._state_message.problems}

    def close(self) -> None:
        """Say what waits and offline, wait a short time for the broker, write everything down, end the threads."""
        self._closing.set()
        self._waker.wake()
        self._thread.join(_JOIN)
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
                self._trouble.failed(str(error))
            until = self._clock.monotonic() + backoff.pause()
            while self._clock.monotonic() < until and not self._closing.wait(0.1):
                self._forget_late()

    def _serve(self) -> None:
        connection = Connection(self._settings, self._topics.client, self._topics.status, self._clock)
        try:
            while not connection.ready:
                self._wait(connection, _TICK)
                self._forget_late()
            self._greet(connection)
            while not self._closing.is_set():
                self._tell(connection)
                self._wait(connection, _TICK)
            self._farewell(connection)
        finally:
            self._connected = False
            connection.drop()
            self._hear(connection)
            self._writer.release(tag.id for tag in connection.unanswered() if tag.kind in {"event", "audit"})
            self._issuer.unsent(tag.id for tag in connection.unanswered() if tag.kind == "grant")

    def _wait(self, connection: Connection, seconds: float) -> None:
        connection.wait(seconds, self._waker.socket)
        self._waker.clear()  # only now: a ring that comes while the thread works must end the next wait

    def _greet(self, connection: Connection) -> None:
        self._trouble.connected()
        self._drain.connected()
        connection.publish(self._topics.status, b"online", Tag("retained", self._topics.status), retain=True)
        connection.subscribe([*self._switches, *([self._birth] if self._settings.discovery else [])])
        self._issuer.changed()
        connection.subscribe(self._issuer.subscriptions(), as_published=True)
        self._retained.again()
        self._state_message.again()
        self._connected = True

    def _tell(self, connection: Connection) -> None:
        self._hear(connection)
        if self._issuer.changed():
            connection.subscribe(self._issuer.subscriptions(), as_published=True)
        self._counts["snapshots_dropped"] += outgoing.flush_events(
            self._event_queue, connection, self._topics, self._clock
        )
        outgoing.flush_grants(self._issuer, connection)
        self._note_doors()
        self._say_state()
        outgoing.flush_retained(self._retained, connection)
        self._drain.tell(connection)

    def _forget_late(self) -> None:
        """Let go of what may not be said any more while nobody listens."""
        self._event_queue.forget_late()
        self._issuer.review()
        self._note_doors()

    def _note_doors(self) -> None:
        for kind, facts in self._issuer.notes():
            self.record(kind, facts)
            self._state_message.again()

    def _say_state(self) -> None:
        if (said := self._state_message.compose(self.facts()["mqtt"])) is not None:
            self._retain(self._topics.state, said, 0)

    def _hear(self, connection: Connection) -> None:
        for result in connection.results():
            self._heard(result)
        while connection.messages:
            self._obey(connection.messages.popleft())

    def _heard(self, result: PublishResult) -> None:
        kind, id_ = result.tag
        if result.refused is not None:
            self._denied(kind, id_, result.refused)
        elif kind in {"event", "audit"}:
            self._writer.mark_published(id_)
            self._counts["said" if kind == "event" else "late"] += 1
            if kind == "event":
                self._answered(result.seconds)

    def _denied(self, kind: str, id_: str, reason: str) -> None:
        what = f"the {kind} topic" if kind in {"event", "audit"} else f"{kind} {id_.partition('#')[0]}"
        advice = f"its access list must let {self._topics.client} in"
        self._state_message.again(at_once=self._trouble.denied(f"the broker denies {what}: {reason}; {advice}"))
        if kind == "audit":
            self._drain.denied()
        if kind in {"event", "audit"}:
            self._writer.release([id_])
        elif kind == "grant":
            self._issuer.unsent([id_])

    def _obey(self, message: Message) -> None:
        heard = self._issuer.on_message(message.topic, message.payload, retained=message.retained)
        camera = self._switches.get(message.topic)
        if message.topic == self._birth and message.payload == b"online":
            self._retain(*self._discovery, 1)
        elif camera is not None and message.payload in {b"ON", b"OFF"} and not message.retained:
            on = message.payload == b"ON"
            self._on_enabled(camera, on)
            self.enabled(camera, on)
        elif not heard and message.topic != self._birth:
            self._counts["ignored"] += 1

    def _farewell(self, connection: Connection) -> None:
        deadline = self._clock.monotonic() + _FAREWELL
        self._state_message.again(at_once=True)
        self._say_state()
        while self._clock.monotonic() < deadline and (self._event_queue or self._retained):
            self._hear(connection)
            self._counts["snapshots_dropped"] += outgoing.flush_events(
                self._event_queue, connection, self._topics, self._clock
            )
            outgoing.flush_retained(self._retained, connection)
            self._wait(connection, 0.05)
        connection.publish(self._topics.status, b"offline", Tag("retained", self._topics.status), retain=True)
        while self._clock.monotonic() < deadline and connection.in_flight:
            self._wait(connection, 0.05)
            self._hear(connection)
        if not connection.in_flight:
            connection.close()

    def _retain(self, topic: str, payload: bytes, qos: int) -> None:
        self._retained.put(topic, payload, qos)
        self._waker.wake()
