"""Takes a person, or an unknown, out of the journal for good."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from edgeface import ledger
from edgeface.store import BUSY_MS, erase, translated

if TYPE_CHECKING:
    from pathlib import Path


def forget_in_journal(path: Path, *who: str) -> int:
    """Empty the rows whose `person` or `unknown` is one of `who`, to the last byte; gives their number.

    What stays says when something was decided, and of what kind; the chain holds. GalleryError when the journal cannot
    be written, VaultError as open_vault. No journal is no mistake.
    """
    if not path.exists():
        return 0
    with ledger.opened(path, BUSY_MS) as (connection, vault):
        count = sum(ledger.redact(connection, vault, one) for one in who)
        erase(connection, path)
    return count


def finish(path: Path) -> None:
    """Finish an earlier erasure that could not empty the log of this file; GalleryError when it still cannot be."""
    with translated(path), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        connection.execute("PRAGMA secure_delete = ON")
        erase(connection, path)
