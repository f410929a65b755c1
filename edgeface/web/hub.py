"""What can be seen of the daemon from outside: the newest pictures, what is said, the state."""

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


if TYPE_CHECKING:
    Wire = Mapping[str, Any]

KEPT = 200
"""What was said last and is kept in memory."""

QUEUE = 100
"""What may wait for one listener; the oldest is dropped for what comes then."""

FRESH_SECONDS = 1.0
"""How long `report` waits for the main thread to say the state again."""


class LiveHub:
    """The vision thread, the main thread and others put things here; whoever looks on takes them.

    A camera's newest outcome is kept only while somebody looks at it, so that nobody's looking costs nothing.
    Every method but `events` and `report` may be called by any thread and waits for nothing.
    """

    def __init__(self) -> None:
        self.dropped = 0
        """What listeners were too slow for."""
        self._lock = threading.Lock()
        self._lookers: Counter[str] = Counter()
        self._latest: dict[str, FrameResult] = {}
        self._recent: deque[Wire] = deque(maxlen=KEPT)
        self._listeners: tuple[_Listener, ...] = ()
        self._state: Wire = {}
        self._stated = 0
        self._asked = False
        self._closed = False

    def __call__(self, outcome: FrameResult) -> None:
        """Take what the pipeline makes of a frame: an observer of Vision."""
        camera = outcome.frame.camera
        if camera in self._lookers:
            with self._lock:
                if camera in self._lookers:
                    self._latest[camera] = outcome

    @contextmanager
    def look(self, camera: str) -> Iterator[None]:
        """Have the camera's newest outcome kept meanwhile."""
        with self._lock:
            self._lookers[camera] += 1
        try:
            yield
        finally:
            self._look_away(camera)

    def _look_away(self, camera: str) -> None:
        with self._lock:
            self._lookers[camera] -= 1
            if not self._lookers[camera]:
                del self._lookers[camera]
                self._latest.pop(camera, None)

    def latest(self, camera: str) -> FrameResult | None:
        """Give the newest outcome of a camera that is looked at; None before the first."""
        return self._latest.get(camera)

    def on_message(self, wire: Wire) -> None:
        """Take what was said, done or decided: JSON can carry it, and `kind` says what it is."""
        with self._lock:
            self._recent.append(wire)
            listeners = self._listeners
        for listener in listeners:
            listener.put(wire)

    def recent(self) -> list[Wire]:
        """Give what was heard last, the oldest first."""
        with self._lock:
            return list(self._recent)

    def forget(self, who: str) -> None:
        """Let go of what was heard of a person or an unknown."""
        with self._lock:
            kept = [wire for wire in self._recent if who not in {wire.get("person"), wire.get("unknown")}]
            self._recent = deque(kept, maxlen=KEPT)

    async def events(self) -> AsyncGenerator[Wire, None]:
        """Give what is heard from now on, until `close`; the kind `dropped` says how many this listener has missed."""
        listener = _Listener(asyncio.get_running_loop())
        with self._lock:
            if self._closed:
                return
            self._listeners = (*self._listeners, listener)
        try:
            told = 0
            while (wire := await listener.get()) is not None:
                if listener.dropped > told:
                    yield {"kind": "dropped", "count": listener.dropped - told}
                    told = listener.dropped
                yield wire
        finally:
            with self._lock:
                self._listeners = tuple(one for one in self._listeners if one is not listener)
                self.dropped += listener.dropped

    @property
    def listeners(self) -> int:
        """How many listen to `events`."""
        return len(self._listeners)

    @property
    def state(self) -> Wire:
        """The state as it was said last, as the state topic has it; empty before the first."""
        return self._state

    @state.setter
    def state(self, state: Wire) -> None:
        self._state = state
        self._stated += 1
        self._asked = False

    @property
    def asked(self) -> bool:
        """Whether somebody waits for a newer state."""
        return self._asked

    async def report(self) -> Wire:
        """Give the state as it is now; the last one when the main thread does not say it in time."""
        before, self._asked = self._stated, True
        for _ in range(round(FRESH_SECONDS / 0.05)):
            if self._stated != before or self._closed:
                break
            await asyncio.sleep(0.05)
        return self._state

    @property
    def closed(self) -> bool:
        """Whether everything ends: whoever streams to somebody stops."""
        return self._closed

    def close(self) -> None:
        """End all `events`."""
        with self._lock:
            self._closed, listeners = True, self._listeners
        for listener in listeners:
            listener.put(None)


class _Listener:
    """What waits for one listener, who lives in an event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.dropped = 0
        self._loop = loop
        self._waiting: deque[Wire | None] = deque()
        self._news = asyncio.Event()

    def put(self, wire: Wire | None) -> None:
        """Any thread: have it taken; the loop may be gone."""
        try:
            self._loop.call_soon_threadsafe(self._take, wire)
        except RuntimeError:
            # The loop has been closed, and its listeners with it.
            return

    def _take(self, wire: Wire | None) -> None:
        if len(self._waiting) >= QUEUE:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(wire)
        self._news.set()

    async def get(self) -> Wire | None:
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()
