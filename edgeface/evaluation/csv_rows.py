"""Reads a CSV with fixed columns."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from edgeface.core.errors import GalleryError, system_reason
from edgeface.core.text import printable_path

if TYPE_CHECKING:
    from pathlib import Path


def read_rows(file: Path, columns: tuple[str, ...]) -> list[tuple[dict[str, str], str]]:
    """Each row with its FILE:LINE; raises GalleryError if the file is no CSV with these columns."""
    shown = printable_path(file)
    try:
        with file.open(newline="", encoding="utf-8-sig") as text:
            reader = csv.DictReader(text)
            if tuple(reader.fieldnames or ()) != columns:
                raise GalleryError(f"{shown}: the first line must be {','.join(columns)}")
            return [({name: row[name] or "" for name in columns}, f"{shown}:{reader.line_num}") for row in reader]
    except OSError as error:
        raise GalleryError(f"{shown}: cannot be read ({system_reason(error)})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise GalleryError(f"{shown}: not a CSV file ({error})") from error
