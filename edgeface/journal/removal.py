"""Takes rows out of the journal: prunes the oldest, removes the expired, and redacts those about one person."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from edgeface.core.clock import DAY
from edgeface.core.sqlite import BUSY_MS, erase, transaction, translated
from edgeface.journal import anchors
from edgeface.journal import rows as journal_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from edgeface.security.vault import Vault


def prune(connection: sqlite3.Connection, vault: Vault, cap: int) -> int:
    """Remove the oldest rows over the cap, published ones first; returns how many of them were not published."""
    # seq has few gaps, so its span bounds the count without a scan; the exact count is taken when it matters.
    low, high = connection.execute("SELECT (SELECT min(seq) FROM rows), (SELECT max(seq) FROM rows)").fetchone()
    if low is None or high - low < cap:
        return 0
    excess = connection.execute("SELECT count(*) FROM rows").fetchone()[0] - cap
    if excess <= 0:
        return 0
    # One percent more, so that a full journal is not pruned at each write.
    excess -= _remove(connection, vault, _oldest(connection, excess + cap // 100, published=True))
    return _remove(connection, vault, _oldest(connection, excess, published=False)) if excess > 0 else 0


def expire(connection: sqlite3.Connection, vault: Vault, now: float, days: int, keep: int | None) -> int:
    """Remove rows older than `days`; returns how many of them were not published.

    `now` is in wall seconds of a correct clock; rows from seq `keep` on stay. Removal runs from the oldest row to the
    first one that is recent enough, so a row that a wrong clock dated is removed together with its neighbours.
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


def redact(path: Path, *who: str, only_new: bool = False) -> int:
    """Empty the rows about these people or unknowns, to the last byte; returns the number of rows.

    With `only_new`, an earlier call is known to have left no byte. Kind and time stay, and the chain holds.

    Raises GalleryError if the journal cannot be written, and VaultError as open_vault does. Without a journal it does
    nothing.
    """
    if not path.exists():
        return 0
    with journal_rows.opened(path) as (connection, vault):
        with transaction(connection):
            count = journal_rows.redact_rows(connection, vault, who)
        if count or not only_new:
            erase(connection, path)
    return count


def aliases(path: Path, who: Iterable[str]) -> set[str]:
    """The ids of the unknowns that were enrolled as these people, with those merged into them.

    Raises as `redact`.
    """
    if not path.exists():
        return set()
    with journal_rows.opened(path) as (connection, vault):
        return set(journal_rows.ids_of(connection, vault, who)).difference(who)


def is_named(path: Path, who: str) -> bool:
    """Whether a row is about this person or unknown. Raises as `redact`."""
    if not path.exists():
        return False
    with journal_rows.opened(path) as (connection, vault):
        return bool(journal_rows.select(connection, vault, who=who, first=1))


def redact_in(path: Path, vault: Vault, *who: str) -> None:
    """Empty the rows about these people or unknowns in a copy of a journal that is in no data folder."""
    with translated(path), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = ON")
        with transaction(connection):
            journal_rows.redact_rows(connection, vault, who)
        connection.execute("VACUUM")


def finish_redaction(path: Path) -> None:
    """Empty the log of a database after an erasure that could not; raises GalleryError if it still cannot."""
    with translated(path), closing(sqlite3.connect(path, timeout=BUSY_MS / 1000, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = ON")
        erase(connection, path)


def _oldest(connection: sqlite3.Connection, count: int, *, published: bool) -> list[tuple[int, bytes]]:
    query = "SELECT seq, link FROM rows WHERE said = ? ORDER BY seq LIMIT ?"
    return connection.execute(query, (published, count)).fetchall()


def _remove(connection: sqlite3.Connection, vault: Vault, rows: Sequence[tuple[int, bytes]]) -> int:
    if rows:
        anchors.add(connection, vault, ((seq, journal_rows.raw(link)) for seq, link in rows))
        connection.executemany("DELETE FROM rows WHERE seq = ?", [(seq,) for seq, _ in rows])
    return len(rows)
