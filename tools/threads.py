"""Threads of another process: find the one that computes, and make it hang.

It needs nothing but Python, because it also runs inside booted Debian (tools/service).
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path

from tools.steps import require

PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207
WALL = 0x40000000
"""`__WALL` of waitpid: wait for threads, too."""


def busiest(process: int) -> int:
    """The thread that has used the most CPU: inference."""

    def ticks(thread: Path) -> int:
        fields = (thread / "stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    return int(max(Path(f"/proc/{process}/task").iterdir(), key=ticks).name)


def freeze(thread: int) -> None:
    """Stop one thread for as long as this process lives; the others keep running. Raises Failed if it cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
        require(libc.ptrace(request, thread, None, None) == 0, f"ptrace: {os.strerror(ctypes.get_errno())}")


def reap(thread: int) -> None:
    """Wait for a frozen thread if it was killed, so that its process can end."""
    with suppress(ChildProcessError):
        os.waitpid(thread, os.WNOHANG | WALL)
