"""What the inputs at a door share: the open input, its level over time, and the report of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Protocol

from pydantic import Field

from edgeface.core.errors import EdgefaceError
from edgeface.core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeface.access.protocol import ContactWord

DEBOUNCE = 0.03
"""Seconds that a level must last: contacts of buttons bounce for up to 10 ms, reed contacts for less."""


class ContactTimes(Settings):
    """When an open door is an alarm; the settings of every contact have these keys."""

    held_seconds: Annotated[float, Field(ge=1, le=3600, strict=False)] = 30.0
    """How many seconds the door may be open, from the opening or the last grant."""
    grace_seconds: Annotated[float, Field(ge=0, le=60, strict=False)] = 5.0
    """For how many seconds after the relay is off the door may still be opened without being forced."""


class UnknownLevelError(EdgefaceError):
    """The input is open, and its level is not known now; the text is one line."""


class OpenInput(Protocol):
    """An input whose device is open; one thread uses it."""

    def level(self, now: float) -> bool:
        """Whether the door is open, or the button pressed.

        Raises UnknownLevelError while that is not known. After any other exception, the input is opened again.
        """

    def on_message(self, topic: str, payload: bytes, *, retained: bool, now: float) -> None:
        """Take a message of one of its topics; `now` is when it arrived, in monotonic seconds."""

    def disconnected(self) -> None:
        """The connection to the broker has ended."""

    def close(self) -> None:
        """Release the device; never raises."""


class InputSettings(Protocol):
    """The settings of an input."""

    @property
    def type(self) -> str:
        """Its word in door.yaml."""

    def require(self) -> None:
        """Raise ConfigError if a library is missing."""

    def connect(self, wake: Callable[[], None]) -> OpenInput:
        """Open it; any thread may then call `wake` after a change. Raises OSError."""


class Wired:
    """What an input without topics does with messages: nothing."""

    def on_message(self, topic: str, payload: bytes, *, retained: bool, now: float) -> None:
        """Ignore it."""

    def disconnected(self) -> None:
        """It needs no broker."""


class Debouncer:
    """The level that an input has had for some seconds; None as soon as it is not known."""

    def __init__(self, seconds: float = DEBOUNCE) -> None:
        self._seconds = seconds
        self._raw: bool | None = None
        self._since = float("-inf")
        self.level: bool | None = None
        """The level that counts."""

    @property
    def settled(self) -> bool:
        """Whether the newest level is the one that counts."""
        return self._raw == self.level

    def update(self, raw: bool | None, now: float) -> bool | None:  # noqa: FBT001 - a level, or None
        """Take the level at `now` (monotonic); returns the one that counts."""
        if raw != self._raw:
            self._raw, self._since = raw, now
        if raw is None or now - self._since >= self._seconds:
            self.level = raw
        return self.level


@dataclass(frozen=True, slots=True)
class InputReport:
    """What is known of a door's inputs; counters start at zero with the controller."""

    contact: ContactWord | None = None
    """None: there is no contact."""
    held: int = 0
    """How often the door was held open for too long."""
    forced: int = 0
    """How often it was opened without a grant, the exit button or the relay."""
    rings: int | None = None
    """How often the doorbell was pressed; None: there is none."""
    rung_at: float | None = None
    """When it was last pressed, in monotonic seconds."""
    rings_dropped: int = 0
    """Further presses that came too soon."""
    exits: int | None = None
    """How often the exit button was pressed; None: there is none."""
    problem: str | None = None
    """The first input that does not work, in one line."""

    @property
    def counts(self) -> dict[str, int]:
        """How often each event of the door's event topic has happened."""
        return {"doorbell": self.rings or 0, "held": self.held, "forced": self.forced}
