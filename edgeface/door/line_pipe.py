"""Lines of a named pipe, for simulated hardware."""

from __future__ import annotations

import os
import select
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAX_LINE = 200
"""Bytes of a line; of a longer one, one byte more is kept."""


class LinePipe:
    """A pipe that is open for writing too, so that it has no end; one thread uses it."""

    def __init__(self, path: Path) -> None:
        """Open it; raises OSError if there is none."""
        self._rest = b""
        self._handle = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISFIFO(os.fstat(self._handle).st_mode):
            self.close()
            raise OSError("not a named pipe (mkfifo)")

    def lines(self, seconds: float) -> Sequence[bytes]:
        """Wait at most this long; the whole lines that have arrived."""
        if not select.select([self._handle], [], [], seconds)[0]:
            return ()
        *lines, rest = (self._rest + os.read(self._handle, 4096)).split(b"\n")
        self._rest = rest[: MAX_LINE + 1]
        return lines

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._handle)
