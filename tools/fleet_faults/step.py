"""The options that a step of the suite gets, and the row that it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HEAD = ("step", "tried", "result", "bar", "held")


@dataclass(frozen=True, slots=True)
class Options:
    """How much of each fault to try."""

    folder: Path
    """An empty scratch folder on a real disk, which other users may enter: PostgreSQL is not run as root."""
    changes: int = 100_000
    devices: int = 200
    people: int = 10_000
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    step: str
    tried: str
    result: str
    bar: str
    faults: tuple[str, ...] = ()
    """Where the bar was missed, one line each."""
    skipped: bool = False
    """This machine does not allow the fault."""

    @property
    def held(self) -> str:
        """Whether the bar held, as the table says it."""
        return "not tried" if self.skipped else "no" if self.faults else "yes"

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text, in the order of HEAD."""
        return (self.step, self.tried, self.result, self.bar, self.held)


def missed(**checks: bool) -> tuple[str, ...]:
    """The checks that failed, as text: `no_one_matched=False` is "no one matched: no"."""
    return tuple(f"{name.replace('_', ' ')}: no" for name, fine in checks.items() if not fine)
