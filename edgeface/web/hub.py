"""What the web shows of the daemon: the newest pictures, the messages, and the state."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping
    from typing import Any

    from edgeface.core.types import FrameResult

    Message = Mapping[str, Any]

MAX_RECENT = 200
"""Messages that are kept in memory."""

MAX_QUEUED = 100
"""Messages that may wait for one listener; a new one then replaces the oldest."""

FRESH_SECONDS = 1.0
"""Seconds that `fresh_state` waits for the main thread to set the state."""


class LiveHub:
    """Passes results, messages and the state from the daemon's threads to the web.

    A camera's newest result is kept only while a viewer watches it: without viewers it costs nothing.
    Any thread may call any method except `events` and `fresh_state`, and none of these waits.
    """

    def __init__(self) -> None:
        self.dropped = 0
        """Messages that listeners were too slow to receive."""
        self.state_requested = False
        """Whether a request waits for a newer state."""
        self._lock = threading.Lock()
        self._viewers: Counter[str] = Counter()
        self._latest: dict[str, FrameResult] = {}
        self._recent: deque[Message] = deque(maxlen=MAX_RECENT)
        self._listeners: tuple[_Listener, ...] = ()
        self._state: Message = {}
        self._version = 0
        self._closed = False

    def __call__(self, result: FrameResult) -> None:
        """Take the pipeline's result for a frame: an observer of Vision."""
        camera = result.frame.camera
        if camera in self._viewers:
            with self._lock:
                if camera in self._viewers:
                    self._latest[camera] = result

    @contextmanager
    def watch(self, camera: str) -> Iterator[None]:
        """Keep the camera's newest result meanwhile."""
        with self._lock:
            self._viewers[camera] += 1
        try:
            yield
        finally:
            with self._lock:
                self._viewers[camera] -= 1
                if not self._viewers[camera]:
                    del self._viewers[camera]
                    self._latest.pop(camera, None)

    def latest(self, camera: str) -> FrameResult | None:
        """The newest result of a camera that is watched; None before the first."""
        return self._latest.get(camera)

    def on_message(self, message: Message) -> None:
        """Pass a message on to all listeners; it is JSON, and `kind` names its kind."""
        with self._lock:
            self._recent.append(message)
            listeners = self._listeners
        for listener in listeners:
            listener.put(message)

    def recent(self) -> list[Message]:
        """The latest messages, oldest first."""
        with self._lock:
            return list(self._recent)

    def forget(self, who: str) -> None:
        """Drop the messages about a person or an unknown."""
        with self._lock:
            kept = [one for one in self._recent if who not in {one.get("person"), one.get("unknown")}]
            self._recent = deque(kept, maxlen=MAX_RECENT)

    async def events(self) -> AsyncGenerator[Message, None]:
        """Yield the messages from now on, until `close`; the kind `dropped` counts those that this listener missed."""
        listener = _Listener(asyncio.get_running_loop())
        with self._lock:
            if self._closed:
                return
            self._listeners = (*self._listeners, listener)
        try:
            reported = 0
            while (message := await listener.get()) is not None:
                if listener.dropped > reported:
                    yield {"kind": "dropped", "count": listener.dropped - reported}
                    reported = listener.dropped
                yield message
        finally:
            with self._lock:
                self._listeners = tuple(one for one in self._listeners if one is not listener)
                self.dropped += listener.dropped

    @property
    def listeners(self) -> int:
        """The number of listeners of `events`."""
        return len(self._listeners)

    @property
    def state(self) -> Message:
        """The latest state, in the form of the state topic; empty before the first."""
        return self._state

    @state.setter
    def state(self, state: Message) -> None:
        self._state = state
        self._version += 1
        self.state_requested = False

    async def fresh_state(self) -> Message:
        """Ask the main thread for the current state; gives the latest one if that takes too long."""
        before, self.state_requested = self._version, True
        for _ in range(round(FRESH_SECONDS / 0.05)):
            if self._version != before or self._closed:
                break
            await asyncio.sleep(0.05)
        return self._state

    def close(self) -> None:
        """End all `events`."""
        with self._lock:
            self._closed, listeners = True, self._listeners
        for listener in listeners:
            listener.put(None)


class _Listener:
    """The queue of one listener, which runs in an event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.dropped = 0
        self._loop = loop
        self._queue: deque[Message | None] = deque()
        self._ready = asyncio.Event()

    def put(self, message: Message | None) -> None:
        """Queue a message; any thread may call it, also after the loop has ended."""
        try:
            self._loop.call_soon_threadsafe(self._append, message)
        except RuntimeError:
            # The loop has been closed, and its listeners with it.
            return

    def _append(self, message: Message | None) -> None:
        if len(self._queue) >= MAX_QUEUED:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append(message)
        self._ready.set()

    async def get(self) -> Message | None:
        while not self._queue:
            self._ready.clear()
            await self._ready.wait()
        return self._queue.popleft()
