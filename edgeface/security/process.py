"""What a process must not leave behind, and what one that it starts needs."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

# prctl(2)
_PR_SET_DUMPABLE = 4


def leave_no_core() -> None:
    """Have the kernel write no core of this process, which would hold faces and keys in plain text.

    Where a sandbox forbids one of the two ways, the other holds, and the units have LimitCORE=0.
    """
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # That limit does not hold for a core that goes to a program such as systemd-coredump: core(5).
    with suppress(OSError, ImportError, MemoryError):
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def python_path() -> str:
    """PYTHONPATH for a Python process of this package, which must find it wherever this one was started."""
    return os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)])
