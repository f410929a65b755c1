"""What the types of relays share: the settings' types, the driver, and what a relay reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NamedTuple, Protocol

from pydantic import Field

from edgeface.core.errors import EdgefaceError

if TYPE_CHECKING:
    from edgeface.core.clock import Clock
    from edgeface.mqtt.settings import Mqtt

OpenSeconds = Annotated[float, Field(ge=0.2, le=60, strict=False)]
"""How long the relay stays on after the last grant."""

Channel = Annotated[int, Field(ge=0, le=15)]
"""Which relay of a device with several, from 0."""

ANSWER_TIMEOUT = 2.0
"""Seconds for one request to a device."""
MARGIN = 1.0
"""Seconds by which a device's own timer is longer than the controller's time, so that it ends only what we did not."""


class RelayError(EdgefaceError):
    """A relay cannot be switched or read now; the text is one line, without secrets."""


class DoorContext(NamedTuple):
    """What a driver knows of its door."""

    door: str
    mqtt: Mqtt
    """The door's broker."""
    clock: Clock


class RelayDriver(Protocol):
    """One device that one thread switches and reads; each call blocks for a few seconds at most.

    Calls raise RelayError for what may pass. Any other exception means that the hardware has failed.
    """

    pace: float
    """Seconds between two readings of a device that nothing changes."""
    repeats_off: bool
    """Whether off is repeated at each reading: a board that lost power for a moment may come back on."""

    def on(self, seconds: float) -> None:
        """Switch on; a device with a timer of its own switches off after `seconds`."""

    def off(self) -> None:
        """Switch off."""

    def is_on(self) -> bool:
        """What the device itself reports, after the last command."""

    def close(self) -> None:
        """Release the device; the caller has switched it off."""


@dataclass(frozen=True, slots=True)
class RelayReport:
    """What is known of a relay."""

    on: bool = False
    """Whether it is on, as far as is known: it was switched on or read as on, and has not been read as off since."""
    confirmed: bool = False
    """Whether the device itself has reported this after the last command."""
    problem: str | None = None
    """In one line."""

    @property
    def word(self) -> str:
        """Its word in the door's state: on, off, or not confirmed."""
        return ("on" if self.on else "off") if self.confirmed else "not confirmed"
