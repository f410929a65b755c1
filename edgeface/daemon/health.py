"""The daemon's health: the age of the last processed frame, which feeds the watchdog and gates match events."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeface.core.clock import Clock
    from edgeface.core.types import Frame

MATCH_SECONDS = 1.0
"""A frame older than this when the decision is made may not cause a match: its person may have gone."""

HANG_SECONDS = 5.0
"""Processing that makes no progress for this long while a camera gives pictures is hung."""


class Health:
    """Judges freshness on the monotonic clock.

    The vision thread calls `processed`, and the main thread `alive`; any thread may call the rest.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: dict[str, float] = {}
        self._progress = self._idle = clock.monotonic()

    def processed(self, frame: Frame) -> None:
        """Record that the pipeline has processed a frame."""
        now = self._clock.monotonic()
        self._last[frame.camera] = max(frame.monotonic, self._last.get(frame.camera, frame.monotonic))
        # A backlog of stale frames is no sign of health: only a fresh one counts as progress.
        if now - frame.monotonic <= HANG_SECONDS:
            self._progress = now

    def age(self, camera: str) -> float | None:
        """Seconds since the last processed frame of the camera was captured; None before one."""
        last = self._last.get(camera)
        return None if last is None else self._clock.monotonic() - last

    def alive(self, *, online: bool) -> bool:
        """Whether the watchdog may be fed; `online` says that some camera gives pictures now.

        Without one there is nothing to process, and a restart would not help: that is not a hang.
        """
        now = self._clock.monotonic()
        if not online:
            self._idle = now
        return now - max(self._progress, self._idle) <= HANG_SECONDS

    def may_match(self, frame: Frame) -> bool:
        """Whether a decision made now on this frame may be published as a match."""
        return 0 <= self._clock.monotonic() - frame.monotonic <= MATCH_SECONDS
