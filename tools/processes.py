"""What /proc says of processes on this machine: their children, CPU time and memory."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_TICKS = os.sysconf("SC_CLK_TCK")


def children(process: int) -> list[int]:
    """The process ids of the children of a process, whichever of its threads has started them."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return sorted({int(one) for task in tasks for one in task.read_text().split()})


def tree(process: int) -> list[int]:
    """A process and all below it."""
    return [process, *(one for child in children(process) for one in tree(child))]


def cpu_seconds(processes: Iterable[int]) -> float:
    """CPU seconds of processes, and of the children that they have waited for; a process that has ended has none."""
    ticks = 0
    for one in processes:
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / _TICKS


def machine_cpu_seconds() -> float:
    """CPU seconds of everything on this machine."""
    ticks = list(map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:]))
    # user, nice, system, irq, softirq; not idle, iowait and steal.
    return (sum(ticks[:3]) + sum(ticks[5:7])) / _TICKS


def memory_mb(process: int) -> float:
    """Megabytes of a process: its own, and its share of what it shares (PSS)."""
    text = Path(f"/proc/{process}/smaps_rollup").read_text()
    return int(re.findall(r"^Pss: *(\d+)", text, re.MULTILINE)[0]) / 1000


def settled_memory_mb(process: int) -> float:
    """Megabytes (PSS) of a process and all below it: the median of five looks within five seconds."""
    looks = []
    for _ in range(5):
        time.sleep(1)
        looks.append(sum(map(memory_mb, tree(process))))
    return median(looks)


def threads(process: int) -> list[str]:
    """The ids of the threads of a process."""
    return [task.name for task in Path(f"/proc/{process}/task").iterdir()]
