"""Watches a door's inputs in one thread, and opens the relay for the exit button, whatever the network does."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeface.door.inputs.base import Debouncer, InputReport, UnknownLevelError
from edgeface.door.inputs.buttons import STUCK_SECONDS, Doorbell, PushButton
from edgeface.door.inputs.contact import DoorContact
from edgeface.door.inputs.mqtt import MqttButton, MqttContact
from edgeface.door.relays.gpio import GpioRelay
from edgeface.door.relays.log import LogRelay

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeface.core.clock import Clock
    from edgeface.door.inputs.base import InputSettings, OpenInput
    from edgeface.door.relay import DoorRelay
    from edgeface.door.settings import DoorSettings

_log = logging.getLogger(__name__)

REOPEN_SECONDS = 0.5
"""Seconds between two attempts to open an input, so that a problem is in the state, and out of it, within 2 s."""
READ_LAG = 2.5
"""Seconds after which it is known that a relay on the network is on: it is read every 2 s."""

_FAST, _SLOW = 0.01, 0.1
_JOIN_TIMEOUT = 2.0
_MAX_MESSAGES = 64


class _Arrived(NamedTuple):
    topic: str
    payload: bytes
    retained: bool
    at: float


class DoorInputs:
    """The contact, doorbell and exit button of a door, from `start` to `stop`; its thread owns them.

    The main thread calls everything else. What it reads is `report`, which the thread replaces as a whole.
    """

    def __init__(
        self, settings: DoorSettings, clock: Clock, relay: Callable[[], DoorRelay], on_change: Callable[[], None]
    ) -> None:
        """Open nothing yet; raises ConfigError if a library is missing. `on_change` must return at once."""
        self._clock = clock
        self._relay = relay
        self._on_change = on_change
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._arrived: deque[_Arrived | None] = deque(maxlen=_MAX_MESSAGES)
        self._allowed_at = self._allowed_before = float("-inf")
        settle = 0.0 if isinstance(settings.relay, (GpioRelay, LogRelay)) else READ_LAG
        contact = settings.contact
        self._contact = self._source("contact", contact)
        self._door = None if contact is None else DoorContact(contact.held_seconds, contact.grace_seconds, settle)
        self._doorbell = self._source("doorbell", settings.doorbell)
        self._bell_button, self._bell = PushButton(), Doorbell()
        self._exit = self._source("exit_button", settings.exit_button)
        self._exit_button = PushButton()
        self._exits = 0
        self._announced: dict[str, int] = {}
        found = (contact, settings.doorbell)
        self.topics = {topic for one in found if isinstance(one, (MqttContact, MqttButton)) for topic in one.topics}
        """What the inputs need from the broker."""
        self.report = self._make_report()
        """What is known now."""
        self._thread = threading.Thread(target=self._run, name="door inputs", daemon=True)

    def start(self) -> None:
        """Start the thread, if there are inputs."""
        if self._sources:
            self._thread.start()

    def stop(self) -> None:
        """Stop the thread and close the inputs; afterwards, none of them opens the relay."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(_JOIN_TIMEOUT)

    @property
    def healthy(self) -> bool:
        """Whether the thread runs, if there are inputs."""
        return self._thread.is_alive() or self._stop.is_set() or not self._sources

    def allow(self, now: float) -> None:
        """A grant opens the door at `now` (monotonic): to be called before the relay is on."""
        self._allowed_at = now

    def on_message(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Hand over a message of one of `topics`."""
        self._arrived.append(_Arrived(topic, payload, retained, self._clock.monotonic()))
        self._wake.set()

    def disconnected(self) -> None:
        """The connection to the broker has ended."""
        if self.topics:
            self._arrived.append(None)
            self._wake.set()

    def drop(self) -> None:
        """Never announce what has happened until now: the network takes nothing, or a connection has just begun."""
        self._announced = self.report.counts

    def events(self) -> list[tuple[str, int]]:
        """What has happened since the last call: each kind of event and its number."""
        before, self._announced = self._announced, self.report.counts
        return [(kind, number) for kind, number in self._announced.items() if number > before.get(kind, 0)]

    def facts(self) -> dict[str, Any]:
        """The inputs in the door's state; docs/events.md names the keys."""
        report, now = self.report, self._clock.monotonic()
        age = None if report.rung_at is None else round(now - report.rung_at, 1)
        bell = {"count": report.rings, "age": age, "dropped": report.rings_dropped}
        return {
            "contact": report.contact,
            "alarms": None if report.contact is None else {"held": report.held, "forced": report.forced},
            "doorbell": None if report.rings is None else bell,
            "exit_button": None if report.exits is None else {"count": report.exits},
        }

    @property
    def _sources(self) -> list[_Source]:
        return [one for one in (self._exit, self._contact, self._doorbell) if one is not None]

    def _source(self, name: str, settings: InputSettings | None) -> _Source | None:
        return None if settings is None else _Source(name, settings, self._wake.set)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._wake.clear()
                self._step()
                settled = all(one.settled for one in self._sources)
                self._wake.wait(_SLOW if settled else _FAST)
        finally:
            for one in self._sources:
                one.close()

    def _step(self) -> None:
        now = self._clock.monotonic()
        self._watch_exit(now)
        self._watch_contact(now)
        if self._doorbell is not None and self._bell_button.update(self._doorbell.read(now), now):
            self._bell.ring(now)
        # Not earlier: the first reading opens the inputs.
        while self._arrived:
            self._deliver(self._arrived.popleft())
            self._wake.set()
        before, self.report = self.report, self._make_report()
        if self.report != before:
            self._log_change(before)
            self._on_change()

    def _deliver(self, one: _Arrived | None) -> None:
        for source in self._sources:
            source.deliver(one)

    def _watch_exit(self, now: float) -> None:
        if self._exit is None or not self._exit_button.update(self._exit.read(now), now):
            return
        if self._door is not None:
            self._door.allow(now)
        self._relay().open(now)
        self._exits += 1
        _log.info("door opened by the exit button")

    def _watch_contact(self, now: float) -> None:
        if self._contact is None or self._door is None:
            return
        allowed = self._allowed_at
        if allowed > self._allowed_before:
            self._allowed_before = allowed
            self._door.allow(allowed)
        if self._relay().is_open:
            self._door.relay_on(now)
        self._door.update(self._contact.read(now), now)

    def _make_report(self) -> InputReport:
        door, bell = self._door, self._bell
        return InputReport(
            contact=None if door is None else door.word,
            held=0 if door is None else door.held,
            forced=0 if door is None else door.forced,
            rings=None if self._doorbell is None else bell.rings,
            rung_at=bell.rung_at,
            rings_dropped=bell.dropped,
            exits=None if self._exit is None else self._exits,
            problem=self._problem(),
        )

    def _problem(self) -> str | None:
        """The first input that does not work, in one line."""
        for source, button in ((self._exit, self._exit_button), (self._doorbell, self._bell_button)):
            if source is not None and button.stuck:
                return f"{source.name}: has been pressed for more than {STUCK_SECONDS:.0f} s"
        return next((f"{one.name}: {one.problem}" for one in self._sources if one.problem is not None), None)

    def _log_change(self, before: InputReport) -> None:
        now = self.report
        if now.problem != before.problem:
            _log.warning("%s", now.problem or f"solved: {before.problem}")
        if now.forced > before.forced:
            _log.warning("the door was forced open")
        if now.held > before.held:
            _log.warning("the door is held open")


class _Source:
    """One input: opened again and again, and debounced."""

    def __init__(self, name: str, settings: InputSettings, wake: Callable[[], None]) -> None:
        settings.require()
        self.name = name
        self.problem: str | None = None
        self._settings = settings
        self._wake = wake
        self._opened: OpenInput | None = None
        self._open_at = float("-inf")
        self._debouncer = Debouncer()

    @property
    def settled(self) -> bool:
        """Whether nothing happens: it need not be read often."""
        return self._debouncer.settled

    def read(self, now: float) -> bool | None:
        """The level that counts; None while it is not known."""
        return self._debouncer.update(self._raw(now), now)

    def deliver(self, one: _Arrived | None) -> None:
        """Hand over a message; None: the connection has ended."""
        if self._opened is None:
            return
        if one is None:
            self._opened.disconnected()
        else:
            self._opened.on_message(one.topic, one.payload, retained=one.retained, now=one.at)

    def close(self) -> None:
        """Close it."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def _raw(self, now: float) -> bool | None:
        try:
            if self._opened is None:
                if now < self._open_at:
                    return None
                self._open_at = now + REOPEN_SECONDS
                self._opened = self._settings.connect(self._wake)
            level = self._opened.level(now)
        except UnknownLevelError as error:
            self.problem = str(error)
            return None
        except Exception as error:  # noqa: BLE001 - an input that fails in any way leaves the others working
            self.problem = _reason(error)
            self.close()
            return None
        self.problem = None
        return level


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else f"failed ({type(error).__name__})"
