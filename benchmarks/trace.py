"""One line for each frame that was dealt with; it needs Python alone, as the environments of other loops have it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO


class Dealt(NamedTuple):
    """One frame that was dealt with."""

    camera: str
    seq: int
    """Counts the camera's frames from 0; gaps are drops."""
    captured: float
    done: float
    """Monotonic seconds, both."""


def write(out: TextIO, camera: str, seq: int, captured: float) -> None:
    """Say that a frame has just been dealt with."""
    out.write(f"{camera} {seq} {captured:.6f} {time.monotonic():.6f}\n")


def read(file: Path) -> list[Dealt]:
    """The lines of a trace, as far as they are complete; none when there is no file."""
    if not file.exists():
        return []
    rows = (line.split() for line in file.read_text(encoding="ascii").split("\n")[:-1])
    return [Dealt(camera, int(seq), float(captured), float(done)) for camera, seq, captured, done in rows]
