"""Sites: the lock under which changes get their numbers, and the epochs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from edgeface.centre.keys.keyring import Mark, OlderKeyringError, misfit
from edgeface.centre.records import Site
from edgeface.centre.tables import journal
from edgeface.core.errors import UnknownError
from edgeface.fleet import digest, sealing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edgeface.centre.database import Transaction
    from edgeface.centre.keys.keyring import Keyring
    from edgeface.centre.records import JournalKind

CHANNEL = "edgeface_seq"
"""PostgreSQL tells listeners of this channel `SITE SEQ` when a change is committed."""
_SITES = "SELECT site, seq, epoch, floor, digest, count, ring FROM sites"


def all_sites(transaction: Transaction) -> tuple[Site, ...]:
    """Every site, by name."""
    return tuple(_site(row) for row in transaction.execute(f"{_SITES} ORDER BY site"))


def find(transaction: Transaction, site: str) -> Site:
    """One site; raises UnknownError."""
    return _found(transaction, site, f"{_SITES} WHERE site = %s")


def locked(transaction: Transaction, site: str) -> Site:
    """One site, which no one else changes until the transaction ends: numbers are committed in their order."""
    return _found(transaction, site, f"{_SITES} WHERE site = %s FOR UPDATE")


def add(transaction: Transaction, site: str, keyring: Keyring, wall: float, by: str = "") -> None:
    """Add a site with its first epoch, unless it exists; waits for a start that looks at all sites."""
    added = transaction.execute("INSERT INTO sites (site) VALUES (%s) ON CONFLICT DO NOTHING", (site,))
    if added.rowcount:
        keyring.enrolling.make(site)
        journal.note(transaction, wall, by, "site", site)
        begin_epoch(transaction, site, keyring, wall, by)


def begin_epoch(transaction: Transaction, site: str, keyring: Keyring, wall: float, by: str) -> int:
    """Begin an epoch above all that there were, also in a database that has been replaced by an older one."""
    before = locked(transaction, site)
    epoch = max(before.epoch, keyring.newest_epoch(site)) + 1
    keyring.add_epoch(site, epoch, sealing.new_key())
    transaction.execute("UPDATE sites SET epoch = %s WHERE site = %s", (epoch, site))
    transaction.execute("INSERT INTO epochs VALUES (%s, %s, %s, %s)", (site, epoch, wall, by))
    journal.note(transaction, wall, by, "epoch", site, {"epoch": epoch})
    return epoch


def raise_floor(transaction: Transaction, site: str, floor: int) -> None:
    """End the history below a change number, at most the present one; who is gone since then leaves no row."""
    before = locked(transaction, site)
    floor = min(max(floor, before.floor), before.seq)
    transaction.execute("UPDATE sites SET floor = %s WHERE site = %s", (floor, site))
    transaction.execute("DELETE FROM changes WHERE site = %s AND seq < %s", (site, floor))
    transaction.execute("DELETE FROM people WHERE site = %s AND gone AND seq <= %s", (site, floor))


def end_history(transaction: Transaction, site: str, before: float) -> bool:
    """End the history below the last change that was made before wall seconds; whether there was any."""
    row = transaction.execute(
        "SELECT max(seq), min(seq) FROM changes WHERE site = %s AND at < %s", (site, before)
    ).fetchone()
    last, first = row or (None, None)
    if last is None or first == last:
        return False
    raise_floor(transaction, site, last)
    return True


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one person."""

    person: bytes
    before: int | None
    """Their change number so far, if they were in the digest."""
    gone: bool = False
    counted: bool = True
    """Whether it is a person."""


def note_counter(transaction: Transaction, keyring: Keyring) -> None:
    """Write how far the keyring is, so that an older copy of it is found out.

    Raises OlderKeyringError if the database has seen a newer one: a centre on another machine has its own.
    """
    row = transaction.execute(
        "UPDATE centre SET counter = greatest(counter, %s) RETURNING counter", (keyring.counter,)
    ).fetchone()
    # Read again: another process with the same keyring may have been faster, which then is at that number.
    if row is not None and row[0] > keyring.counter:
        raise OlderKeyringError(f"change {keyring.counter} instead of {row[0]}")


def require_not_before(transaction: Transaction, mark: Mark) -> None:
    """Raise OlderDatabaseError if a site is below what the keyring noted; read the mark before the transaction."""
    seq = find(transaction, mark.site).seq
    if seq < mark.before:
        raise misfit(mark, seq)


def mark_of(site: Site, count: int) -> Mark:
    """What the keyring notes of so many changes of a site."""
    return Mark(site.site, site.seq, site.seq + count)


def number(
    transaction: Transaction,
    keyring: Keyring,
    site: Site,
    changes: Sequence[Change],
    kind: str,
    by: str,
    wall: float,
) -> tuple[Site, tuple[int, ...]]:
    """Write the history of changes to a locked site; returns the site after them, and their numbers.

    Raises OlderDatabaseError if the database is not the one in which the last change was made.
    """
    keyring.note(mark_of(site, len(changes)))
    note_counter(transaction, keyring)
    numbers = tuple(range(site.seq + 1, site.seq + 1 + len(changes)))
    rows = []
    for seq, change in zip(numbers, changes, strict=True):
        site = _after(site, seq, change)
        rows.append((site.site, seq, change.person, kind, wall, by, to_bytes(site.digest), site.count))
    if kind != "restore":
        people = [(_kind(change), change.person) for change in changes if change.counted]
        journal.note_people(transaction, wall, by, site.site, people)
    execute_all(transaction, "INSERT INTO changes VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", rows)
    transaction.execute(
        "WITH changed AS (UPDATE sites SET seq = %s, digest = %s, count = %s WHERE site = %s RETURNING site, seq)"
        " SELECT pg_notify(%s, site || ' ' || seq) FROM changed",
        (site.seq, to_bytes(site.digest), site.count, site.site, CHANNEL),
    )
    return site, numbers


def execute_all(transaction: Transaction, sql: str, rows: Iterable[Sequence[Any]]) -> None:
    """Execute a statement for each row, without waiting for the database after each."""
    with transaction.cursor() as cursor:
        cursor.executemany(sql, rows)


def to_bytes(value: int) -> bytes:
    """A digest as a column has it."""
    return value.to_bytes(32, "big")


def _kind(change: Change) -> JournalKind:
    return "forget" if change.gone else "enroll" if change.before is None else "change"


def _after(site: Site, seq: int, change: Change) -> Site:
    added = [] if change.gone else [digest.entry(site.site, change.person, seq)]
    removed = [] if change.before is None else [digest.entry(site.site, change.person, change.before)]
    return replace(
        site,
        seq=seq,
        digest=digest.changed(site.digest, added=added, removed=removed),
        count=site.count + (len(added) - len(removed) if change.counted else 0),
    )


def _found(transaction: Transaction, site: str, sql: str) -> Site:
    row = transaction.execute(sql, (site,)).fetchone()
    if row is None:
        raise UnknownError(f"{site}: no such site")
    return _site(row)


def _site(row: Sequence[Any]) -> Site:
    site, seq, epoch, floor, total, count, ring = row
    return Site(site, seq, epoch, floor, int.from_bytes(total, "big"), count, ring)
