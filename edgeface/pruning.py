"""Which rows of the journal go: those over the cap, and those that are too old."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface import anchors, ledger

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from edgeface.vault import Vault

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
        anchors.add(connection, vault, ((seq, ledger.raw(link)) for seq, link in rows))
        connection.executemany("DELETE FROM rows WHERE seq = ?", [(seq,) for seq, _ in rows])
    return len(rows)
