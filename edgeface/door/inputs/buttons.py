"""What a button means: a press, one that is stuck, and rings of a doorbell. Reads no clock."""

from __future__ import annotations

STUCK_SECONDS = 30.0
"""Seconds after which a button that is still pressed is reported as stuck."""
RING_PAUSE = 2.0
"""Seconds between two rings; presses in between are counted."""


class PushButton:
    """A button by its debounced level; one thread uses it. All times are monotonic seconds.

    Only the change from released to pressed is a press: a button that is stuck, or found pressed at the start or after
    its wire was loose, is none.
    """

    def __init__(self) -> None:
        self._level: bool | None = None
        self._since = float("-inf")
        self._now = float("-inf")

    def update(self, level: bool | None, now: float) -> bool:  # noqa: FBT001 - a level, or None
        """Take the level; True if the button has just been pressed."""
        pressed = level is True and self._level is False
        if level != self._level:
            self._level, self._since = level, now
        self._now = now
        return pressed

    @property
    def stuck(self) -> bool:
        """Whether it has been pressed for too long, as of the last `update`."""
        return self._level is True and self._now - self._since >= STUCK_SECONDS


class Doorbell:
    """Counts rings, at most one per RING_PAUSE; one thread uses it."""

    def __init__(self) -> None:
        self.rings = self.dropped = 0
        self.rung_at: float | None = None
        """When it rang last, in monotonic seconds."""

    def ring(self, now: float) -> None:
        """It was pressed at `now`, in monotonic seconds."""
        if self.rung_at is not None and now - self.rung_at < RING_PAUSE:
            self.dropped += 1
            return
        self.rings += 1
        self.rung_at = now
