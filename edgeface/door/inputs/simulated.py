"""A simulated contact or button: each line of a named pipe is something that happens. For trials and the demo only."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from edgeface.core.settings import Settings
from edgeface.door.inputs.base import DEBOUNCE, ContactTimes, OpenInput, UnknownLevelError, Wired
from edgeface.door.line_pipe import LinePipe

if TYPE_CHECKING:
    from collections.abc import Callable

_QUEUE = 16
_STEP = 2 * DEBOUNCE
"""Seconds for which each level lasts at least."""


class _Simulated(Settings):
    type: Literal["simulated"] = "simulated"
    path: Path = Field(strict=False)
    """The named pipe (mkfifo)."""
    words: ClassVar[Mapping[bytes, Sequence[bool | None]]]
    """The levels that a line means, one after the other."""
    first: ClassVar[bool | None]
    """The level before the first line."""

    def require(self) -> None:
        """It needs nothing."""

    def connect(self, wake: Callable[[], None]) -> OpenInput:  # noqa: ARG002 - the others need it
        """Open the pipe; raises OSError if there is none."""
        return _Input(LinePipe(self.path), self.words, self.first)


class SimulatedContact(ContactTimes, _Simulated):
    """Not a contact: the lines are `open`, `shut` and `gone`."""

    words: ClassVar[Mapping[bytes, Sequence[bool | None]]] = {b"open": [True], b"shut": [False], b"gone": [None]}
    first: ClassVar[bool | None] = None


class SimulatedButton(_Simulated):
    """Not a button: the lines are `press`, `hold` and `release`."""

    words: ClassVar[Mapping[bytes, Sequence[bool | None]]] = {
        b"press": [True, False],
        b"hold": [True],
        b"release": [False],
    }
    first: ClassVar[bool | None] = False


class _Input(Wired):
    def __init__(self, pipe: LinePipe, words: Mapping[bytes, Sequence[bool | None]], first: bool | None) -> None:  # noqa: FBT001 - a level
        self._pipe = pipe
        self._words = words
        self._level = first
        self._next: deque[bool | None] = deque(maxlen=_QUEUE)
        self._since = float("-inf")

    def level(self, now: float) -> bool:
        """The level after the lines that have arrived."""
        for line in self._pipe.lines(0.0):
            self._next.extend(self._words.get(line.strip(), ()))
        if self._next and now - self._since >= _STEP:
            self._level, self._since = self._next.popleft(), now
        if self._level is None:
            raise UnknownLevelError("nothing was written to its pipe yet, or `gone`")
        return self._level

    def close(self) -> None:
        """Close the pipe."""
        self._pipe.close()
