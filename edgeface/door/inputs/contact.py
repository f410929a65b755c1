"""The state of a door by its contact: open, shut, held open for too long, forced, or unknown. Reads no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from edgeface.access.protocol import ContactWord

BOUNCE_SECONDS = 1.0
"""A door that opens again so soon after it has shut has bounced off its frame: that is no new opening."""

_NEVER = float("-inf")


class DoorContact:
    """One contact; one thread uses it. All times are monotonic seconds.

    `held` and `forced` last until the door is shut, also if the contact is unknown for a while. A door that is found
    open, at the start or after its contact was unknown, is no forced one. `shut` needs a contact that reports it.
    """

    def __init__(self, held_seconds: float, grace_seconds: float, settle_seconds: float = 0.0) -> None:
        """The door may be opened for `grace_seconds` after it was allowed to.

        `settle_seconds` is how late it may become known that it was.
        """
        self._held_seconds = held_seconds
        self._grace_seconds = grace_seconds
        self._settle_seconds = settle_seconds
        self._allowed_at = self._open_since = self._shut_at = _NEVER
        self._doubtful_at: float | None = None
        self._alarm: Literal["held", "forced"] | None = None
        self._alarm_before: Literal["held", "forced"] | None = None
        self.word: ContactWord = "unknown"
        self.held = self.forced = 0
        """Alarms since the start."""

    def allow(self, now: float) -> None:
        """A grant or the exit button opens the door; the time until it counts as held starts again."""
        self._allowed_at = self._open_since = now

    def relay_on(self, now: float) -> None:
        """The relay is on, whatever has switched it."""
        self._allowed_at = now

    def update(self, opened: bool | None, now: float) -> None:  # noqa: FBT001 - a level, or None
        """Take what the contact reports now; None: nothing."""
        self._decide(now)
        if opened is None:
            self.word = "unknown"
        elif not opened:
            if self.word in {"open", "held", "forced"}:
                self._shut_at, self._alarm_before = now, self._alarm
            self.word, self._alarm = "shut", None
        else:
            self._on_open(now)

    def _on_open(self, now: float) -> None:
        if self.word in {"shut", "unknown"}:
            again = now - self._shut_at < BOUNCE_SECONDS and self._allowed_at < self._shut_at
            bounced = self.word == "shut" and again
            if bounced:
                self._alarm = self._alarm_before
            elif self.word == "shut":
                self._doubtful_at = now
            self._open_since = self._open_since if bounced else now
            self.word = self._alarm or "open"
            self._decide(now)
        if self.word == "open" and now - self._open_since >= self._held_seconds:
            self.word = self._alarm = "held"
            self.held += 1

    def _decide(self, now: float) -> None:
        """Decide whether the last opening was forced, once everything that allowed it must be known."""
        at = self._doubtful_at
        if at is None:
            return
        if self._allowed_at >= at - self._grace_seconds:
            self._doubtful_at = None
        elif now - at >= self._settle_seconds:
            self._doubtful_at = None
            self.forced += 1
            if self.word in {"open", "held"}:
                self.word = self._alarm = "forced"
