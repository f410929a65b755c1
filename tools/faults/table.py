"""The suite's rows as text, and as markdown between two marks of a document."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tools.faults.part import Row

HEAD = ("part", "tried", "lost", "late", "torn", "more")


def text(rows: Sequence[Row]) -> str:
    """Columns for a terminal, followed by the problems found."""
    lines = columns([HEAD, *(_cells(row) for row in rows)])
    faults = [f"problem: {row.name}: {fault}" for row in rows for fault in _faults(row)]
    return "\n".join([*lines, "", *(faults or ["every promise held"])])


def columns(cells: Sequence[Sequence[str]]) -> list[str]:
    """Lines for a terminal, with the columns below each other."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]


def markdown(rows: Sequence[Row], date: str, machine: str) -> str:
    """The table with its date and machine."""
    return f"Run on {date}, {machine}.\n\n{grid([HEAD, *(_cells(row) for row in rows)])}"


def grid(cells: Sequence[Sequence[str]]) -> str:
    """A markdown table; the first line has the titles."""
    head, *body = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in cells]
    return "\n".join([head, "|" + "---|" * len(cells[0]), *body])


def between(document: str, mark: str, content: str) -> str:
    """Put `content` between `<!-- MARK -->` and `<!-- /MARK -->`; ValueError unless each mark occurs exactly once."""
    start, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    if document.count(start) != 1 or document.count(end) != 1:
        raise ValueError(f"the document must contain {start} and {end} once each")
    before, _, rest = document.partition(start)
    _, _, after = rest.partition(end)
    return f"{before}{start}\n{content}\n{end}{after}"


def write(file: Path, mark: str, content: str) -> None:
    """Replace the text between the marks of a file."""
    file.write_text(between(file.read_text(encoding="utf-8"), mark, content), encoding="utf-8")


def machine() -> str:
    """A description of the machine."""
    system = platform.uname()
    return f"{system.machine} with {os.cpu_count()} cores, Linux {system.release}, Python {platform.python_version()}"


def _faults(row: Row) -> tuple[str, ...]:
    return row.faults or (() if row.passed else (f"lost {row.lost}, late {row.late}, torn {row.torn}",))


def _cells(row: Row) -> tuple[str, ...]:
    counts = ("" if count is None else str(count) for count in (row.lost, row.late, row.torn))
    return (row.name, row.tried, *counts, row.more)
