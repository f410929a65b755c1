"""Has keyring and database agree: after a crash between their two writes, and after a restore from a backup."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgeface.centre.keys.keyring import OlderDatabaseError, OlderKeyringError, misfit, proposal_subject
from edgeface.centre.records import Repaired
from edgeface.centre.tables import event_rows, policies, receipts, sites
from edgeface.core.errors import FleetError
from edgeface.fleet import signed_policy

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
        raise OlderKeyringError(f"change {keyring.counter} instead of {counter}")


def lock_sites(transaction: Transaction) -> None:
    """Wait until no change of any site is under way, and keep new changes and new sites out.

    Before any row of `sites` is locked: a change that waits for the row would wait for this transaction, and this one
    for the change.
    """
    transaction.execute("LOCK TABLE sites IN EXCLUSIVE MODE")


def require_present(transaction: Transaction, keyring: Keyring) -> None:
    """Raise FleetError unless each site is where its last change has left it; `lock_sites` first.

    A change is noted in the keyring before the database commits it, so a crash may have left one that is missing here.
    Only one: the next can begin only when the site is no longer locked, and counts from what was committed.
    """
    present = {site.site: site for site in sites.all_sites(transaction)}
    for name in keyring.marked():
        if name not in present:
            raise OlderDatabaseError(f"it has no site {name}")
        if not (mark := keyring.mark(name)).fits(present[name].seq):
            raise misfit(mark, present[name].seq)
    for name, site in present.items():
        newest = keyring.newest_epoch(name)
        if site.epoch < newest and not keyring.has_epoch(name, site.epoch):
            raise OlderDatabaseError(f"{name}: epoch {site.epoch} instead of {newest}")
        keyring.settle(name, site.seq)


def repair(
    transaction: Transaction, keyring: Keyring, people: People, wall: float, *, restored: bool = False
) -> Repaired:
    """Finish what a crash has interrupted: forget whose key is destroyed, and destroy keys without a row.

    `lock_sites` first: then no one is between the two writes, and no site is added whose keys seem to be without rows.
    Raises FleetError if rows have no key for another reason, unless the database was `restored`.
    """
    names = [site.site for site in sites.all_sites(transaction)]
    for name in names if not restored else ():
        site = sites.find(transaction, name)
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
        sites.note_counter(transaction, keyring)
    return Repaired(keys=len(unused), people=gone)


def begin_again(transaction: Transaction, keyring: Keyring, wall: float) -> None:
    """After a restore: have every site continue above all numbers that were ever given; `lock_sites` first.

    Sites that were added since the backup are there again, without people. A crash from here on leaves a database that
    does not fit the keyring, so that this is done again.
    """
    for name in keyring.marked():
        sites.add(transaction, name, keyring, wall)
    for site in sites.all_sites(transaction):
        start = max(site.seq, keyring.mark(site.site).after, receipts.highest(transaction, site)) + GAP
        transaction.execute("DELETE FROM changes WHERE site = %s", (site.site,))
        transaction.execute("UPDATE sites SET seq = %s, floor = %s WHERE site = %s", (start, start, site.site))
        keyring.settle(site.site, start)


def renumber(
    transaction: Transaction,
    keyring: Keyring,
    people: People,
    directory: Directory,
    all_policies: policies.Policies,
    wall: float,
) -> None:
    """After a restore: begin an epoch for each site, and give everyone and the policy another number."""
    for found in sites.all_sites(transaction):
        sites.begin_epoch(transaction, found.site, keyring, wall, "")
        site = sites.locked(transaction, found.site)
        records = directory.records(transaction, site)
        # Counted again: in a damaged database, rows may be missing that the digest has.
        version = all_policies.version(transaction, site.site)
        total = signed_policy.digest_with(site.site, ((one.person, one.seq) for one in records), version)
        people.renumber(transaction, replace(site, digest=total, count=len(records)), records, wall)
        all_policies.renumber(transaction, site.site)
    sites.note_counter(transaction, keyring)
