"""Which rows of the journal go: those over the cap, and those that are too old."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from edgeface.core.sqlite import BUSY_MS, erase, translated
from edgeface.journal import anchors, rows
from edgeface.journal import rows as journal_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgeface.security.vault import Vault

DAY = 86_400.0
"""Seconds."""


def prune(connection: sqlite3.Connection, vault: Vault, cap: int) -> int:
    """Remove the oldest rows over the cap, said ones first; gives the number of unsaid ones among them."""
    # seq has few gaps, so its span bounds the count without a scan; the count is exact where it matters.
    low, high = connection.execute("SELECT (SELECT min(seq) FROM rows), (SELECT max(seq) FROM rows)").fetchone()
    if low is None or high - low < cap:
        return 0
    excess = connection.execute("SELECT count(*) FROM rows").fetchone()[0] - cap
    if excess <= 0:
        return 0
    # One in a hundred more, so that a full journal is not pruned at each write.
    excess -= _remove(connection, vault, _oldest(connection, excess + cap // 100, said=True))
    return _remove(connection, vault, _oldest(connection, excess, said=False)) if excess > 0 else 0


def expire(connection: sqlite3.Connection, vault: Vault, now: float, days: int, keep: int | None) -> int:
    """Remove rows older than `days`; gives the number of unsaid ones among them.

    `now` is in wall seconds by a clock that is right; rows from seq `keep` on stay, whatever their time. It goes from
    the oldest row to the first one whose time is within `days`: a row that a wrong clock dated goes when its
    neighbours go.
    """
    old: list[tuple[int, bytes, int]] = []
    between: list[tuple[int, bytes, int]] = []
    for seq, link, at, said in connection.execute("SELECT seq, link, at, said FROM rows ORDER BY seq"):
        if (keep is not None and seq >= keep) or not isinstance(at, float) or now - days * DAY <= at <= now + DAY:
            break
        between.append((seq, link, said))
        if at < now:
            old += between
            between.clear()
    _remove(connection, vault, [(seq, link) for seq, link, _ in old])
    return sum(not said for _, _, said in old)


def _oldest(connection: sqlite3.Connection, count: int, *, said: bool) -> list[tuple[int, bytes]]:
    query = "SELECT seq, link FROM rows WHERE said = ? ORDER BY seq LIMIT ?"
    return connection.execute(query, (said, count)).fetchall()


def _remove(connection: sqlite3.Connection, vault: Vault, rows: Sequence[tuple[int, bytes]]) -> int:
    if rows:
        anchors.add(connection, vault, ((seq, journal_rows.raw(link)) for seq, link in rows))
        connection.executemany("DELETE FROM rows WHERE seq = ?", [(seq,) for seq, _ in rows])
    return len(rows)


def redact(path: Path, *who: str) -> int:
    """Empty the rows whose `person` or `unknown` is one of `who`, to the last byte; gives their number.

    What stays says when something was decided, and of what kind; the chain holds. GalleryError when the journal cannot
    be written, VaultError as open_vault. No journal is no mistake.
    """
    if not path.exists():
        return 0
    with rows.opened(path, BUSY_MS) as (connection, vault):
        count = sum(rows.redact_rows(connection, vault, one) for one in who)
        erase(connection, path)
    return count


def finish_redaction(path: Path) -> None:
    """Finish an earlier erasure that could not empty the log of this file; GalleryError when it still cannot be."""
    with translated(path), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        connection.execute("PRAGMA secure_delete = ON")
        erase(connection, path)
