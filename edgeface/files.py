"""Reads files that may be an enemy's: regular ones only, and not more than is wanted."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def read_at_most(path: Path, most: int) -> bytes:
    """Read a file up to one byte more than `most`, by which the caller sees that it is too large.

    OSError when it cannot be read, or is a folder, a device or a pipe.
    """
    # O_NONBLOCK: a named pipe would wait for its writer for ever.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        raise IsADirectoryError(0, "a folder", str(path)) if stat.S_ISDIR(mode) else OSError(0, "not a file", str(path))
    with os.fdopen(handle, "rb") as file:
        return file.read(most + 1)
