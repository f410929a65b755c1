"""What devices follow: the whole set of a site, or what has changed after a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeface.centre.records import ChangeRecord
from edgeface.centre.tables import sites
from edgeface.core.errors import FleetError
from edgeface.fleet import digest, sealing, signed_policy
from edgeface.fleet.messages import PAGE_ROWS, Row, Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.centre.database import Transaction
    from edgeface.centre.keys.keyring import Keyring
    from edgeface.centre.records import Site
    from edgeface.centre.tables.directory import Directory
    from edgeface.centre.tables.policies import DevicePart, Policies
    from edgeface.fleet.messages import SealedPolicy

_ROWS = (
    "SELECT p.person, p.seq, p.gone, t.sealed FROM people p"
    " LEFT JOIN templates t ON t.person = p.person AND t.model = %s WHERE p.site = %s"
)
_MANY = 200


class UnfinishedError(Exception):
    """A row is not gone yet, and its key is destroyed: someone is being forgotten, or a crash interrupted it."""


class PartChangedError(Exception):
    """A device gets another part of the people than the caller believes: the policy has just changed."""


class Feed:
    """Reads rows for devices; each call is one reading transaction of the caller's."""

    def __init__(self, keyring: Keyring, directory: Directory, policies: Policies) -> None:
        self._keyring, self._directory, self._policies = keyring, directory, policies

    def snapshot(self, transaction: Transaction, site: str, model: str, part: DevicePart | None = None) -> Rows:
        """All who are not gone, those that a device does not get without their rows.

        Raises UnfinishedError, PartChangedError, and FleetError if the rows do not fit the digest.
        """
        state = sites.find(transaction, site)
        found = transaction.execute(f"{_ROWS} AND NOT p.gone ORDER BY p.seq", (model, site), binary=True).fetchall()
        policy = self._policies.sealed(transaction, state)
        _require_whole(state, [(person, seq) for person, seq, *_ in found], policy)
        return _whole(state, self._rows(transaction, state, found, part), policy)

    def changes(
        self, transaction: Transaction, site: str, model: str, after: int, part: DevicePart | None = None
    ) -> Rows | None:
        """The latest of each who changed, at most PAGE_ROWS; None where the history does not reach.

        Raises UnfinishedError and PartChangedError.
        """
        state = sites.find(transaction, site)
        if not state.floor <= after <= state.seq or (part is not None and after < part.listed):
            return None
        found = transaction.execute(
            f"{_ROWS} AND p.seq > %s ORDER BY p.seq LIMIT %s", (model, site, after, PAGE_ROWS + 1), binary=True
        ).fetchall()
        rows = self._rows(transaction, state, found[:PAGE_ROWS], part)
        policy = self._policies.sealed(transaction, state)
        policy = policy if policy is not None and policy.version > after else None
        if len(found) > PAGE_ROWS:
            return Rows(site=site, seq=rows[-1].seq, epoch=state.epoch, rows=rows, more=True, policy=policy)
        return _whole(state, rows, policy)

    def history(self, transaction: Transaction, site: str, after: int, most: int) -> tuple[ChangeRecord, ...]:
        """The changes after a number, at most so many, in their order; raises UnknownError."""
        sites.find(transaction, site)
        found = transaction.execute(
            "SELECT seq, person, kind, at, by FROM changes WHERE site = %s AND seq > %s ORDER BY seq LIMIT %s",
            (site, after, most),
            binary=True,
        )
        return tuple(ChangeRecord(*row) for row in found)

    def _rows(
        self, transaction: Transaction, site: Site, found: Sequence[tuple[Any, ...]], part: DevicePart | None
    ) -> tuple[Row, ...]:
        allowed = self._allowed(transaction, site, part)
        if not found:
            return ()
        present = [person for person, _, gone, _ in found if not gone]
        keys = self._keyring.keys(site.site) if len(present) > _MANY else self._keyring.keys_of(present)
        if not keys.keys() >= set(present):
            raise UnfinishedError
        epoch_key = self._keyring.epoch_key(site.site, site.epoch)

        def row(person: bytes, seq: int, gone: bool, sealed: bytes | None) -> Row:  # noqa: FBT001 - a column
            if gone:
                return Row(person=person, seq=seq)
            if allowed is not None and person not in allowed:
                # As someone without a template: they are in the digest, and the device gets no key.
                return Row(person=person, seq=seq, key=b"")
            key = sealing.wrap_key(epoch_key, site.site, site.epoch, person, keys[person])
            return Row(person=person, seq=seq, key=key, sealed=sealed)

        return tuple(row(*columns) for columns in found)

    def _allowed(self, transaction: Transaction, site: Site, part: DevicePart | None) -> frozenset[bytes] | None:
        """The numbers of those that a device gets; None for everyone."""
        if part is None:
            return None
        if self._policies.version(transaction, site.site) != part.version:
            raise PartChangedError
        if part.doors is None:
            return None
        records = self._directory.records(transaction, site)
        return self._policies.may_pass(transaction, site.site, part.doors, records)


def _require_whole(site: Site, people: Sequence[tuple[bytes, int]], policy: SealedPolicy | None) -> None:
    """Raise FleetError if rows were lost or added behind our back: devices would erase whoever is missing."""
    version = 0 if policy is None else policy.version
    if (signed_policy.digest_with(site.site, people, version), len(people)) != (site.digest, site.count):
        raise FleetError(
            f"{site.site}: the database has {len(people)} people, and not the {site.count} of change {site.seq}:"
            " it was altered by hand or is damaged, and devices get no list; restore a backup"
        )


def _whole(site: Site, rows: tuple[Row, ...], policy: SealedPolicy | None) -> Rows:
    return Rows(
        site=site.site,
        seq=site.seq,
        epoch=site.epoch,
        rows=rows,
        digest=digest.to_hex(site.digest),
        count=site.count,
        policy=policy,
        ring=site.ring,
    )
