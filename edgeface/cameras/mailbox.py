"""The bounded queue between capture and vision: the newest frame of each camera, cameras served in turn."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeface.core.types import Frame


class Mailbox:
    """Holds one frame a camera at most; any number of threads may put and take."""

    def __init__(self) -> None:
        # In the order of the oldest waiting camera: a replaced frame keeps its camera's place, and a camera that
        # was just served goes to the end. A single shared queue gives a slow camera 17 to 22 of its 60 frames.
        self._waiting: dict[str, Frame] = {}
        self._drops: dict[str, int] = {}
        self._closed = False
        self._changed = threading.Condition()

    def put(self, frame: Frame) -> None:
        """Leave a frame; one of the same camera that nobody took is dropped and counted."""
        with self._changed:
            if frame.camera in self._waiting or self._closed:
                self._drops[frame.camera] = self._drops.get(frame.camera, 0) + 1
            if not self._closed:
                self._waiting[frame.camera] = frame
                self._changed.notify()

    def take(self, timeout: float) -> Frame | None:
        """The next camera's frame; None when none came within `timeout` seconds, or when closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed, timeout)
            camera = next(iter(self._waiting), None)
            return None if camera is None else self._waiting.pop(camera)

    def close(self) -> None:
        """Accept nothing more; what waits can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def drops(self) -> dict[str, int]:
        """Frames dropped so far, by camera; a copy."""
        with self._changed:
            return dict(self._drops)
