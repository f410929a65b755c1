"""What waits for one target: the order, the attempts with growing pauses, and the age at which it is given up."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeface.notify.notice import Notice

MAX_AGE = 60.0
"""Seconds after which a notice is not sent: what is older must not look new."""
MAX_QUEUED = 32
"""Notices that wait for one target; with more, the oldest is given up."""
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0


@dataclass(frozen=True, slots=True)
class Message:
    """A notice on its way to one target."""

    notice: Notice
    missed: int
    """Notices that this target did not get since the last one that it got."""


class Delivery:
    """The queue of one target; one thread uses it, and has at most one message under way."""

    def __init__(self, problem: str | None = None) -> None:
        self.sent = self.failed = self.expired = 0
        self.problem = problem
        """Why the last attempt has failed; None when it has succeeded."""
        self._queue: deque[Notice] = deque()
        self._under_way: Message | None = None
        self._missed = 0
        self._pause = _FIRST_PAUSE
        self._retry_at = float("-inf")

    def put(self, notice: Notice, held_back: int) -> None:
        """Queue a notice; `held_back` others were not queued because of an hourly limit."""
        self._missed += held_back
        self._queue.append(notice)
        if len(self._queue) > MAX_QUEUED:
            self._give_up()

    def next(self, now: float) -> Message | None:
        """What to send now; None while a message is under way, during a pause, and when nothing waits."""
        if self._under_way is not None:
            return None
        while self._queue and now - self._queue[0].monotonic >= MAX_AGE:
            self._give_up()
        if not self._queue or now < self._retry_at:
            return None
        self._under_way = Message(self._queue.popleft(), self._missed)
        return self._under_way

    def done(self, error: str | None, now: float) -> None:
        """The message under way was sent, or could not be, for this reason."""
        message, self._under_way = self._under_way, None
        self.problem = error
        if message is None:
            return
        if error is None:
            self.sent += 1
            self._missed -= message.missed
            self._pause, self._retry_at = _FIRST_PAUSE, float("-inf")
            return
        self.failed += 1
        self._queue.appendleft(message.notice)
        self._retry_at = now + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def drop(self, unwanted: Callable[[Notice], bool]) -> None:
        """Forget what waits and is unwanted; it is not missed."""
        self._queue = deque(one for one in self._queue if not unwanted(one))

    def drop_pictures(self) -> None:
        """What waits is sent as text."""
        self._queue = deque(one.without_picture() for one in self._queue)

    def reset(self, problem: str | None) -> None:
        """The target is another one: try what waits at once."""
        self.problem = problem
        self._pause, self._retry_at = _FIRST_PAUSE, float("-inf")

    def due(self, now: float) -> float:
        """Seconds until `next` may return something else, at most MAX_AGE."""
        if not self._queue or self._under_way is not None:
            return MAX_AGE
        return max(0.0, min(self._retry_at, self._queue[0].monotonic + MAX_AGE) - now)

    def __len__(self) -> int:
        """The number of notices that wait or are under way."""
        return len(self._queue) + (self._under_way is not None)

    def _give_up(self) -> None:
        self._queue.popleft()
        self.expired += 1
        self._missed += 1
