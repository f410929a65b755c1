"""One number, the age of the last processed fresh frame, drives watchdog, status and the right to emit a match."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeface.core.clock import Clock
    from edgeface.core.types import Frame

MATCH_SECONDS = 1.0
"""A frame older than this when the decision is made may not emit a match: the picture is no longer the door."""

HANG_SECONDS = 5.0
"""Processing that stands for this long while a camera gives pictures is hung."""


class Health:
    """Judges freshness on the monotonic clock.

    `processed` belongs to the vision thread and `alive` to the main thread; the rest is for everybody.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: dict[str, float] = {}
        self._advanced = self._excused = clock.monotonic()

    def processed(self, frame: Frame) -> None:
        """Note that the pipeline is through with a frame."""
        now = self._clock.monotonic()
        self._last[frame.camera] = max(frame.monotonic, self._last.get(frame.camera, frame.monotonic))
        # A backlog of stale frames is no sign of health: only a fresh one counts as progress.
        if now - frame.monotonic <= HANG_SECONDS:
            self._advanced = now

    def age(self, camera: str | None = None) -> float | None:
        """Seconds since the last processed frame of the camera, or of any camera, was captured; None before one."""
        stamps = list(self._last.values()) if camera is None else [self._last[camera]] if camera in self._last else []
        return self._clock.monotonic() - max(stamps) if stamps else None

    def alive(self, *, online: bool) -> bool:
        """Whether the watchdog may be fed; `online` says that some camera gives pictures now.

        Without one there is nothing to process, and a restart would not bring it back: that is no hang.
        """
        now = self._clock.monotonic()
        if not online:
            self._excused = now
        return now - max(self._advanced, self._excused) <= HANG_SECONDS

    def may_match(self, frame: Frame) -> bool:
        """Whether a decision made now on this frame may be said as a match."""
        return 0 <= self._clock.monotonic() - frame.monotonic <= MATCH_SECONDS
