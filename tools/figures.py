"""The figures of a make target in build/TARGET.json: the same as in the table that it prints."""

from __future__ import annotations

import json
from pathlib import Path

BUILD = Path("build")


def save(target: str, table: str, folder: Path = BUILD, *, partial: bool = False) -> Path:
    """Write the rows of a Markdown table as JSON: one object per row, by the titles of its columns.

    With `partial`, rows of earlier runs stay, unless the table has a row with the same first cell.
    """
    file = folder / f"{target}.json"
    folder.mkdir(exist_ok=True)
    written = rows(table)
    if partial and file.exists():
        written = _merged(load(file), written)
    file.write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


def load(file: Path) -> list[dict[str, str]]:
    """The rows that `save` wrote."""
    loaded: list[dict[str, str]] = json.loads(file.read_text(encoding="utf-8"))
    return loaded


def _merged(before: list[dict[str, str]], now: list[dict[str, str]]) -> list[dict[str, str]]:
    by_name = {next(iter(row.values())): row for row in (*before, *now)}
    return list(by_name.values())


def rows(table: str) -> list[dict[str, str]]:
    """The rows of the first Markdown table in a text; a cell may contain an escaped bar."""
    lines = [_cells(line) for line in table.splitlines() if line.startswith("|")]
    head, _, *body = lines
    return [dict(zip(head, cells, strict=True)) for cells in body]


def _cells(line: str) -> list[str]:
    text = line.strip().strip("|").replace("\\|", "\0")
    return [cell.strip().replace("\0", "|") for cell in text.split("|")]
