"""One line per processed frame; needs only Python, because it also runs in the environments of other loops."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO


class Dealt(NamedTuple):
    """One processed frame."""

    camera: str
    seq: int
    """Counts the camera's frames from 0; gaps are drops."""
    captured: float
    done: float
    """Both in monotonic seconds."""


def write(out: TextIO, camera: str, seq: int, captured: float) -> None:
    """Record that a frame has just been processed."""
    out.write(f"{camera} {seq} {captured:.6f} {time.monotonic():.6f}\n")


def read(file: Path) -> list[Dealt]:
    """The complete lines of a trace; none if there is no file."""
    if not file.exists():
        return []
    rows = (line.split() for line in file.read_text(encoding="ascii").split("\n")[:-1])
    return [Dealt(camera, int(seq), float(captured), float(done)) for camera, seq, captured, done in rows]
