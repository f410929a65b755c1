"""A simulated reader: each line of a named pipe is something that a person shows. For trials and the demo only."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from edgeface.access.factor_messages import ReaderFactor, is_valid
from edgeface.core.settings import Settings
from edgeface.door.line_pipe import MAX_LINE, LinePipe
from edgeface.door.readers.base import Key, OpenReader, ReaderInput, Unreadable, hex_card

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.core.clock import Clock


class SimulatedReader(Settings):
    """Not a reader: lines of a named pipe, such as `1042#4711#`, `card 04a2b3c4` or `person alice`."""

    type: Literal["simulated"] = "simulated"
    path: Path = Field(strict=False)
    """The named pipe (mkfifo)."""

    def require(self) -> None:
        """It needs nothing."""

    def open(self, clock: Clock) -> OpenReader:  # noqa: ARG002 - the other readers need it
        """Open the pipe; raises OSError if there is none."""
        return _Pipe(self.path)


class _Pipe:
    """The pipe, read line by line."""

    def __init__(self, path: Path) -> None:
        self._pipe = LinePipe(path)

    def read(self, seconds: float) -> Sequence[ReaderInput]:
        """What the lines that have arrived mean."""
        return [one for line in self._pipe.lines(seconds) for one in inputs(line)]

    def close(self) -> None:
        """Close the pipe."""
        self._pipe.close()


def inputs(line: bytes) -> Sequence[ReaderInput]:
    """What one line means."""
    text = line.decode("ascii", "replace").strip()
    kind, _, value = text.partition(" ")
    if len(line) > MAX_LINE:
        return (Unreadable("a line that is too long"),)
    if re.fullmatch("[0-9*#]+", text):
        return [Key(sign) for sign in text]
    if kind == "card":
        return (hex_card(value),)
    if kind == "person" and is_valid(factor := ReaderFactor(value)):
        return (factor,)
    return (Unreadable("a line that is not known"),) if text else ()
