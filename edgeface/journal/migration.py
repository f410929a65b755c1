"""A journal of version 1, whose payloads were plain text: moved into the sealed one, then erased to the last byte."""

from __future__ import annotations

import logging
from itertools import groupby
from typing import TYPE_CHECKING, Any

from edgeface.core.errors import GalleryError
from edgeface.core.sqlite import BUSY_MS, erase

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_log = logging.getLogger(__name__)

_PATIENCE_MS = 500


def move_away(connection: sqlite3.Connection) -> None:
    """Make room for the new rows; inside the caller's transaction, as all here but `clean`."""
    connection.execute("ALTER TABLE rows RENAME TO plain_rows")
    connection.execute("DROP INDEX unsaid")
    # Stays until no plain text is left in the file, also when that takes another start.
    connection.execute("CREATE TABLE unclean (reason TEXT)")


def runs(connection: sqlite3.Connection) -> Iterator[tuple[bool, Iterator[Sequence[Any]]]]:
    """The old rows in their order, in runs of said and unsaid ones: id, kind, at, payload."""
    rows = connection.execute("SELECT said, id, kind, at, payload FROM plain_rows ORDER BY seq")
    for said, run in groupby(rows, key=lambda row: bool(row[0])):
        yield said, (row[1:] for row in run)


def drop(connection: sqlite3.Connection) -> None:
    """Remove the old rows."""
    connection.execute("DROP TABLE plain_rows")


def clean(connection: sqlite3.Connection, path: Path) -> None:
    """Overwrite what a move has left in the file and its log; what another program holds open is left for next time."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'unclean'").fetchone():
        return
    try:
        connection.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
        erase(connection, path)
    except GalleryError as error:
        _log.warning("rows in plain text may still be in the journal's file: %s", error)
        return
    finally:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    connection.execute("DROP TABLE IF EXISTS unclean")
