"""Takes a person, or an unknown, out of the journal for good."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from edgeface.store import BUSY_MS, erase, translated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def forget_in_journal(path: Path, who: str) -> int:
    """Delete the rows whose `person` or `unknown` is `who`, to the last byte; gives their number.

    GalleryError when the journal cannot be written. No journal is no mistake.
    """
    if not path.exists():
        return 0
    with _opened(path) as connection:
        count = connection.execute(
            "DELETE FROM rows WHERE json_valid(payload)"
            " AND ? IN (json_extract(payload, '$.person'), json_extract(payload, '$.unknown'))",
            (who,),
        ).rowcount
        erase(connection, path)
    return count


def finish(path: Path) -> None:
    """Finish an earlier erasure that could not empty the log of this file; GalleryError when it still cannot be."""
    with _opened(path) as connection:
        erase(connection, path)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with translated(path), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        connection.execute("PRAGMA secure_delete = ON")
        yield connection
