"""The figures of a make target in build/TARGET.json: the same as in the table that it prints."""

from __future__ import annotations

import json
from pathlib import Path

BUILD = Path("build")


def save(target: str, table: str, folder: Path = BUILD) -> Path:
    """Write the rows of a Markdown table as JSON: one object per row, by the titles of its columns."""
    file = folder / f"{target}.json"
    folder.mkdir(exist_ok=True)
    file.write_text(json.dumps(rows(table), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


def rows(table: str) -> list[dict[str, str]]:
    """The rows of the first Markdown table in a text; a cell may contain an escaped bar."""
    lines = [_cells(line) for line in table.splitlines() if line.startswith("|")]
    head, _, *body = lines
    return [dict(zip(head, cells, strict=True)) for cells in body]


def _cells(line: str) -> list[str]:
    text = line.strip().strip("|").replace("\\|", "\0")
    return [cell.strip().replace("\0", "|") for cell in text.split("|")]
