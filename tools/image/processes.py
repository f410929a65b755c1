"""Memory, CPU time and threads of a process of this machine and of its children."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path


def memory(process: int) -> float:
    """Megabytes (PSS) of a process and its children, the median of five looks within five seconds."""
    looks = []
    for _ in range(5):
        time.sleep(1)
        looks.append(sum(map(_pss, tree(process))) / 1000)
    return sorted(looks)[2]


def cpu(process: int) -> float:
    """Seconds of CPU time that a process and its children have used, those that have ended included."""
    ticks = 0
    for one in tree(process):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def tree(process: int) -> list[int]:
    """A process and its children."""
    children = [
        int(word)
        for task in Path(f"/proc/{process}/task").iterdir()
        for word in (task / "children").read_text().split()
    ]
    return [process, *(one for child in children for one in tree(child))]


def _pss(process: int) -> int:
    return int(re.findall(r"^Pss:\s+(\d+)", Path(f"/proc/{process}/smaps_rollup").read_text(), re.MULTILINE)[0])


def threads(process: int) -> list[str]:
    """The threads of a process."""
    return [task.name for task in Path(f"/proc/{process}/task").iterdir()]
