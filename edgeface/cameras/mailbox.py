"""The bounded queue between capture and vision: it holds the newest frame of each camera and serves cameras in turn."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgeface.core.types import Frame

_KEPT = 8
"""Newest pictures of a companion: 0.27 s at 30 per second, as a frame may wait for others to be processed."""


class Mailbox:
    """Holds at most one frame per camera; any number of threads may put and take."""

    def __init__(self, companions: Mapping[str, str] | None = None) -> None:
        """`companions` has the cameras whose pictures are attached to the frames of others, by the others."""
        self._companions = companions or {}
        self._recent: dict[str, deque[Frame]] = {name: deque(maxlen=_KEPT) for name in self._companions.values()}
        # Ordered by how long a camera has waited: a replaced frame keeps its camera's place, and a camera that was
        # just served goes to the end. A single shared queue passes only 17 to 22 of 60 frames of a slow camera.
        self._waiting: dict[str, Frame] = {}
        self._drops: dict[str, int] = {}
        self._closed = False
        self._changed = threading.Condition()

    def put(self, frame: Frame) -> None:
        """Add a frame; a waiting one of the same camera is dropped and counted.

        A companion's frame is kept for those of others, and never taken by itself.
        """
        with self._changed:
            if frame.camera in self._recent:
                self._recent[frame.camera].append(frame)
                return
            if frame.camera in self._waiting or self._closed:
                self._drops[frame.camera] = self._drops.get(frame.camera, 0) + 1
            if not self._closed:
                self._waiting[frame.camera] = frame
                self._changed.notify()

    def take(self, timeout: float) -> Frame | None:
        """The next camera's frame, with its companion's picture that is nearest in time.

        None if none comes within `timeout` seconds, or if closed and empty.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed, timeout)
            camera = next(iter(self._waiting), None)
            return None if camera is None else self._accompanied(self._waiting.pop(camera))

    def _accompanied(self, frame: Frame) -> Frame:
        recent = self._recent.get(self._companions.get(frame.camera, ""), ())
        nearest = min(recent, key=lambda one: abs(one.monotonic - frame.monotonic), default=None)
        return frame if nearest is None else replace(frame, companion=nearest)

    def close(self) -> None:
        """Accept no more frames; those that wait can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def drops(self) -> dict[str, int]:
        """Frames dropped so far, per camera; a copy."""
        with self._changed:
            return dict(self._drops)
