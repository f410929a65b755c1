"""Tells the broker: events at once or never, the rest as it stands."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from edgeface import events, homeassistant
from edgeface.bell import Bell
from edgeface.connection import Connection, Message, Result, Tag
from edgeface.credentials import require_safe
from edgeface.errors import BrokerError
from edgeface.inbox import Inbox, send
from edgeface.journal import audit
from edgeface.names import cleaned
from edgeface.outbox import Outbox
from edgeface.retained import Retained
from edgeface.topics import Topics
from edgeface.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edgeface.clock import Clock
    from edgeface.journal import Journal
    from edgeface.settings import Mqtt
    from edgeface.types import Event

_TICK = 0.5
_BACKOFF = (1.0, 30.0)
# A connection that lasted this long was a good one: the next failure starts the back-off anew.
_SETTLED = 10.0
_FAREWELL = 2.0
_JOIN = 6.0
# How long a broker that denies us the audit topic is left alone with it.
_DENIED = 60.0


class Publisher:
    """Tells one broker what one device sees; its thread owns the connection, `say` and the rest only leave notes.

    An event goes out on its topic only while the broker has just shown that it is alive, and within
    inbox.SAYABLE of its capture by the monotonic clock. All else about it is on the audit topic later,
    from the journal. `on_enabled(camera, on)` is called by the publisher's thread when somebody switches a
    camera, and must return at once. ConfigError when the settings are not safe.
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
    ) -> None:
        require_safe(settings)
        self._settings = settings
        self._clock = clock
        self._journal = journal
        self._on_enabled = on_enabled
        self._topics = Topics(settings.prefix, device)
        self._switches = {self._topics.enabled_set(camera): camera for camera in cameras}
        self._birth = f"{settings.discovery_prefix}/status"
        self._discovery = homeassistant.discovery(settings, self._topics, cameras, snapshots=snapshots)
        self._retained = Retained()
        self._facts: Mapping[str, Any] = {}
        self._state_due = True
        self._state_at = float("-inf")
        self._drain_at = float("-inf")
        self._counts: Counter[str] = Counter()
        self._trouble = Trouble()
        self._connected = False
        self._closing = threading.Event()
        self._bell = Bell()
        self._outbox = Outbox(journal, self._bell.ring)
        self._inbox = Inbox(clock, self._outbox)
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
        if self._thread.ident is not None and not self._thread.is_alive() and not self._closing.is_set():
            return "the publisher's thread has ended: restart edgeface"
        return self._trouble.problem

    def start(self) -> None:
        """Start the threads; the broker need not be there."""
        self._outbox.start()
        self._thread.start()

    def say(self, event: Event, snapshot: bytes | None = None, *, late: bool = False) -> None:
        """Tell the event now or never, and write it down; returns at once, whatever broker and disk do."""
        self._inbox.put(event, snapshot, late=late)
        self._bell.ring()

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
        self._facts = facts
        self._state_due = True
        self._bell.ring()

    def counters(self) -> dict[str, int]:
        """Give what was said, late (on the audit topic), refused, ignored and lost; reconnects; queue; unsaid."""
        counts = {name: self._counts[name] for name in ("said", "late", "ignored", "snapshots_dropped")}
        counts["missed"] = self._inbox.missed
        counts["refused"] = self._trouble.refused
        counts["failures"] = self._trouble.failures
        counts["reconnects"] = max(0, self._trouble.connects - 1)
        counts["queue"] = len(self._inbox)
        counts["lost"] = self._outbox.lost + self._journal.dropped
        counts["waiting_for_disk"] = self._outbox.waiting
        counts["unsaid"] = self._outbox.unsaid
        return counts

    def close(self) -> None:
        """Say what waits and offline, wait a short time for the broker, write everything down, end the threads."""
        self._closing.set()
        self._bell.ring()
        self._thread.join(_JOIN)
        self._outbox.close()
        if not self._thread.is_alive():
            self._bell.close()

    def _run(self) -> None:
        delay = _BACKOFF[0]
        while not self._closing.is_set():
            began = self._clock.monotonic()
            try:
                self._serve()
            except BrokerError as error:
                self._trouble.failed(str(error))
            if self._clock.monotonic() - began > _SETTLED:
                delay = _BACKOFF[0]
            self._pause(delay)
            delay = min(2 * delay, _BACKOFF[1])

    def _serve(self) -> None:
        connection = Connection(self._settings, self._topics.client, self._topics.status, self._clock)
        try:
            while not connection.ready:
                self._wait(connection, _TICK)
                self._inbox.forget_late()
            self._greet(connection)
            while not self._closing.is_set():
                self._tell(connection)
                self._wait(connection, _TICK)
            self._farewell(connection)
        finally:
            self._connected = False
            connection.drop()
            self._hear(connection)
            self._outbox.release(tag.id for tag in connection.unanswered() if tag.kind in {"event", "audit"})

    def _wait(self, connection: Connection, seconds: float) -> None:
        connection.wait(seconds, self._bell.socket)
        # Only now: a ring that comes while the thread works must end the next wait.
        self._bell.hush()

    def _greet(self, connection: Connection) -> None:
        self._trouble.connected()
        self._drain_at = float("-inf")
        connection.publish(self._topics.status, b"online", Tag("retained", self._topics.status), retain=True)
        discovery = [self._birth] if self._settings.discovery else []
        connection.subscribe([*self._switches, *discovery])
        self._retained.again()
        self._state_due = True
        self._connected = True

    def _tell(self, connection: Connection) -> None:
        self._hear(connection)
        self._say_events(connection)
        self._say_state()
        self._say_retained(connection)
        self._say_audit(connection)

    def _say_events(self, connection: Connection) -> None:
        while (said := self._inbox.first()) is not None and connection.in_flight < connection.window:
            # A stalled broker still takes bytes and would pass them on, old, when it comes back:
            # nothing is sent before it has answered something that was asked after the event came in.
            if connection.answered < said.at:
                connection.probe()
                return
            self._inbox.pop()
            if not send(said, connection, self._topics, self._clock):
                self._counts["snapshots_dropped"] += 1

    def _say_retained(self, connection: Connection) -> None:
        while connection.in_flight < connection.window // 2 and not connection.congested:
            changed = self._retained.take()
            if changed is None:
                return
            topic, payload, qos = changed
            connection.publish(topic, payload, Tag("retained", topic), qos=qos, retain=True)

    def _say_state(self) -> None:
        now = self._clock.monotonic()
        # Before the daemon has said something, most keys of the contract would be missing.
        if self._facts and self._state_due and now - self._state_at >= 1:
            self._state_due, self._state_at = False, now
            mqtt = {"problem": self.problem, **self.counters()}
            facts = events.plain({**self._facts, "mqtt": mqtt, "journal": self._journal.facts()})
            self._retain(self._topics.state, events.to_json(facts).encode(), 0)

    def _say_audit(self, connection: Connection) -> None:
        room = connection.window // 2 - connection.in_flight
        if room <= 0 or connection.congested or self._clock.monotonic() < self._drain_at:
            return
        for row in self._outbox.take(room):
            payload = audit(row, self._topics.device, self._clock.wall())
            connection.publish(self._topics.audit, payload.encode(), Tag("audit", row.id))

    def _hear(self, connection: Connection) -> None:
        for result in connection.results():
            self._heard(result)
        while connection.messages:
            self._obey(connection.messages.popleft())

    def _heard(self, result: Result) -> None:
        kind, id_ = result.tag
        if result.refused is not None:
            self._denied(kind, id_, result.refused)
        elif kind in {"event", "audit"}:
            self._outbox.said(id_)
            self._counts["said" if kind == "event" else "late"] += 1

    def _denied(self, kind: str, id_: str, reason: str) -> None:
        what = f"the {kind} topic" if kind in {"event", "audit"} else f"{kind} {id_}"
        who = self._topics.client
        self._trouble.denied(f"the broker denies {what}: {reason}; its access list must let {who} in")
        self._state_due = True
        if kind == "audit":
            self._drain_at = self._clock.monotonic() + _DENIED
        if kind in {"event", "audit"}:
            self._outbox.release([id_])

    def _obey(self, message: Message) -> None:
        camera = self._switches.get(message.topic)
        if message.topic == self._birth and message.payload == b"online":
            self._retain(*self._discovery, 1)
        elif camera is not None and message.payload in {b"ON", b"OFF"} and not message.retained:
            on = message.payload == b"ON"
            self._on_enabled(camera, on)
            self.enabled(camera, on)
        elif message.topic != self._birth:
            self._counts["ignored"] += 1

    def _farewell(self, connection: Connection) -> None:
        deadline = self._clock.monotonic() + _FAREWELL
        while self._clock.monotonic() < deadline and (self._inbox or self._retained):
            self._hear(connection)
            self._say_events(connection)
            self._say_retained(connection)
            self._wait(connection, 0.05)
        connection.publish(self._topics.status, b"offline", Tag("retained", self._topics.status), retain=True)
        while self._clock.monotonic() < deadline and connection.in_flight:
            self._wait(connection, 0.05)
            self._hear(connection)
        if not connection.in_flight:
            connection.close()

    def _pause(self, seconds: float) -> None:
        until = self._clock.monotonic() + seconds
        while self._clock.monotonic() < until and not self._closing.wait(0.1):
            self._inbox.forget_late()

    def _retain(self, topic: str, payload: bytes, qos: int) -> None:
        self._retained.put(topic, payload, qos)
        self._bell.ring()
