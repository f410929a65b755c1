"""Has keyring and database agree: after a crash between their two writes, and after a restore from a backup."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgeface.centre.keys.keyring import proposal_subject
from edgeface.centre.records import Repaired
from edgeface.centre.tables import event_rows, policies, receipts, sites
from edgeface.centre.tables.people import note_counter
from edgeface.core.errors import FleetError

if TYPE_CHECKING:
    from edgeface.centre.database import Transaction
    from edgeface.centre.keys.keyring import Keyring
    from edgeface.centre.tables.directory import Directory
    from edgeface.centre.tables.people import People

GAP = 1_000_000
"""Change numbers that are skipped after a restore: more than were given since the backup."""


def require_own_keyring(transaction: Transaction, keyring: Keyring) -> None:
    """Raise FleetError if the keyring is not the database's, or an older copy of it; a new database takes it."""
    transaction.execute(
        "INSERT INTO centre (ring, counter) VALUES (%s, %s) ON CONFLICT DO NOTHING", (keyring.ring, keyring.counter)
    )
    row = transaction.execute("SELECT ring, counter FROM centre").fetchone()
    ring, counter = row or (b"", 0)
    if ring != keyring.ring:
        raise FleetError("the keyring belongs to another database")
    if counter > keyring.counter:
        raise FleetError(
            f"the keyring is older than the database (change {keyring.counter} instead of {counter}):"
            " it may hold keys of people who were forgotten since; restore the newest copy"
        )


def repair(
    transaction: Transaction, keyring: Keyring, people: People, wall: float, *, restored: bool = False
) -> Repaired:
    """Finish what a crash has interrupted: forget whose key is destroyed, and destroy keys without a row.

    Raises FleetError if rows have no key for another reason, unless the database was `restored`.
    """
    # With every site locked, no one is between the two writes.
    names = [site.site for site in sites.all_sites(transaction)]
    for name in names:
        site = sites.locked(transaction, name)
        if not restored:
            keyring.epoch_key(name, site.epoch)
            keyring.keep_epoch(name, site.epoch)
    gone = sum(people.finish_forgetting(transaction, name, wall, restored=restored) for name in names)
    rows = transaction.execute("SELECT person FROM people WHERE NOT gone").fetchall()
    waiting = transaction.execute("SELECT number FROM proposals WHERE state = 'waiting' AND NOT forget").fetchall()
    used = {person for (person,) in rows} | {proposal_subject(number) for (number,) in waiting}
    used.update(make(name) for name in names for make in (event_rows.subject, policies.subject))
    known = keyring.keys().keys()
    # After a restore, proposals are back that were decided since.
    lost = [number for (number,) in waiting if proposal_subject(number) not in known]
    transaction.execute("DELETE FROM proposals WHERE number = ANY(%s)", (lost,))
    unused = known - used
    if unused:
        keyring.sweep(unused)
        note_counter(transaction, keyring)
    return Repaired(keys=len(unused), people=gone)


def renumber(transaction: Transaction, keyring: Keyring, people: People, directory: Directory, wall: float) -> None:
    """After a restore: begin an epoch for each site, and number everyone again above all numbers ever given."""
    for found in sites.all_sites(transaction):
        sites.begin_epoch(transaction, found.site, keyring, wall, "")
        site = sites.locked(transaction, found.site)
        records = directory.records(transaction, site)
        start = max(site.seq, receipts.highest(transaction, site)) + GAP
        transaction.execute("DELETE FROM changes WHERE site = %s", (site.site,))
        transaction.execute("UPDATE sites SET seq = %s, floor = %s WHERE site = %s", (start, start, site.site))
        people.renumber(transaction, replace(site, seq=start, floor=start), records, wall)
    note_counter(transaction, keyring)
