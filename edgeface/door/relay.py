"""The relay of a door in the controller's own process, and which relays get a process of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from edgeface.door.relays.base import DoorContext
from edgeface.door.relays.log import LogRelay
from edgeface.door.relays.supervisor import RelayProcess
from edgeface.door.relays.switcher import Switcher
from edgeface.mqtt.settings import Mqtt

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeface.core.clock import Clock
    from edgeface.door.relays import RelaySettings
    from edgeface.door.relays.base import RelayReport
    from edgeface.door.settings import DoorSettings


class DoorRelay(Protocol):
    """What the controller has of its relay. If `healthy` is False, the controller must end."""

    @property
    def is_open(self) -> bool:
        """Whether the relay is on, as far as is known."""

    @property
    def healthy(self) -> bool:
        """Whether it works; looking keeps it going, so the controller looks several times per second."""

    @property
    def report(self) -> RelayReport:
        """What is known of it."""

    def open(self, now: float) -> None:
        """Have it on until its seconds after `now` (monotonic) are over; returns at once."""

    def shut(self) -> None:
        """Have it switched off and kept off, despite later `open`; a signal handler may call it."""

    def close(self) -> None:
        """Switch off and release it."""


class Relay:
    """A relay of which a thread of this process is the owner.

    The switch's thread calls `on_change`, which must return at once.
    """

    def __init__(
        self, settings: RelaySettings, clock: Clock, on_change: Callable[[], None], context: DoorContext | None = None
    ) -> None:
        """Open the switch, off, and start its thread; raises ConfigError if the switch cannot be opened."""
        self._seconds = settings.seconds
        driver = settings.driver(context or DoorContext("door", Mqtt(), clock))
        self._switch = Switcher(driver, settings.seconds, clock, on_change)

    @property
    def is_open(self) -> bool:
        """Whether the switch is on."""
        return self._switch.report.on

    @property
    def healthy(self) -> bool:
        """Whether the switch works."""
        return self._switch.healthy

    @property
    def report(self) -> RelayReport:
        """What is known of it."""
        return self._switch.report

    def open(self, now: float) -> None:
        """Have the switch on until its seconds after `now` (monotonic) are over; returns at once."""
        self._switch.hold(now + self._seconds)

    def shut(self) -> None:
        """Have it switched off within 0.25 s and kept off, despite later `open`; a signal handler may call it."""
        self._switch.shut()

    def close(self) -> None:
        """Switch off and close the switch."""
        self._switch.close()


def in_this_process(settings: DoorSettings, clock: Clock, on_change: Callable[[], None]) -> DoorRelay:
    """Open the relay without a process of its own; raises ConfigError if that fails."""
    context = DoorContext(settings.door, settings.mqtt, clock)
    return Relay(settings.relay, clock, on_change, context)


def open_relay(settings: DoorSettings, clock: Clock, on_change: Callable[[], None]) -> DoorRelay:
    """Open the relay, switched off: in a process of its own, unless it is the log; raises ConfigError if that fails."""
    if isinstance(settings.relay, LogRelay):
        return in_this_process(settings, clock, on_change)
    return RelayProcess(settings, clock, on_change)
