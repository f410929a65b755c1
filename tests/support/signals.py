"""Whether a program is ready for a signal: one that comes earlier ends it."""

from pathlib import Path
from signal import Signals


def catches(pid: int, number: Signals) -> bool:
    """Whether a running process has a handler for a signal (proc_pid_status(5))."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    caught = next(line.split()[1] for line in lines if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (number - 1) & 1)
