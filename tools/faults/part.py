"""The options a part of the suite gets, and the row it returns."""

from __future__ import annotations

import random
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class NotTriedError(Exception):
    """This machine does not allow the fault; the text says why, in one line."""


@dataclass(frozen=True, slots=True)
class Options:
    """How much of each fault to try."""

    folder: Path
    """An empty scratch folder on a real disk."""
    kills: int = 20
    cuts: int = 20
    stalls: int = 2
    """Rounds of six faults of 12 s."""
    soak: float = 600.0
    """Seconds."""
    grants: int = 10_000
    dice: random.Random = field(default_factory=random.Random)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; None where the column does not apply."""

    name: str
    tried: str
    lost: int | None = None
    """Acknowledged events or enrollments that were missing afterwards."""
    late: int | None = None
    """Events, or door openings, from something older than 3 s."""
    torn: int | None = None
    """Damaged files, or partial enrollments."""
    more: str = ""
    faults: tuple[str, ...] = ()
    """The problems found, one line each."""
    skipped: bool = False

    @property
    def passed(self) -> bool:
        """Whether every promise held."""
        return not (self.lost or self.late or self.torn or self.faults)


def tool(*command: str) -> str | None:
    """Run a system tool; None if it succeeded, else the reason in one line."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return f"{command[0]} is not installed"
    return f"{command[0]}: {' '.join(done.stderr.split())[:120]}" if done.returncode else None


def say(text: str) -> None:
    """Print progress."""
    print(f"  {text}", flush=True)
