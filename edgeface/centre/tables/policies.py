"""The policies of sites: signed by the enrolling key, sealed with a key of the site, and numbered as people are."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeface.centre.records import PolicyRecord
from edgeface.centre.tables import journal, sites
from edgeface.core.errors import ChangedError, FleetError
from edgeface.fleet import sealing, signed_policy
from edgeface.fleet.messages import SealedPolicy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgeface.access.site_policy import SitePolicy
    from edgeface.centre.database import Database, Transaction
    from edgeface.centre.keys.keyring import Keyring
    from edgeface.centre.records import PersonRecord, Site
    from edgeface.core.clock import Clock

_AT_REST = 0


@dataclass(frozen=True, slots=True)
class DevicePart:
    """Which part of a site's people a device gets, by one version of the policy."""

    version: int = 0
    listed: int = 0
    """A device that is below this change number lists again."""
    doors: frozenset[str] | None = None
    """Those who may pass one of these; None: everyone."""


class Policies:
    """Reads and writes policies; any thread may use it, and several processes at once."""

    def __init__(self, database: Database, keyring: Keyring, clock: Clock) -> None:
        self._database, self._keyring, self._clock = database, keyring, clock

    def get(self, site: str) -> PolicyRecord:
        """The policy of a site. Raises UnknownError."""
        with self._database.reading() as transaction:
            sites.find(transaction, site)
            return self.find(transaction, site)

    def put(self, site: str, policy: SitePolicy | None, by: str, version: int | None = None) -> int:
        """Change the policy, or remove it with None; returns its version. Nothing changes if it is the same.

        Raises UnknownError, ChangedError unless the site still has `version`, and FleetError if it is too long.
        """
        with self._database.changing() as transaction:
            before = sites.locked(transaction, site)
            found = self.find(transaction, site)
            if version is not None and version != found.version:
                raise ChangedError(f"{site}: the policy was changed meanwhile")
            if policy == found.policy:
                return found.version
            return self._write(transaction, before, found, policy, "policy", by)

    def part_of(self, site: str, device: str) -> DevicePart:
        """Which part of a site's people a device gets now."""
        with self._database.reading() as transaction:
            return self.part(transaction, site, device)

    def find(self, transaction: Transaction, site: str) -> PolicyRecord:
        """The policy in a transaction's state of a site."""
        row = transaction.execute("SELECT seq, sealed FROM policies WHERE site = %s", (site,), binary=True).fetchone()
        if row is None:
            return PolicyRecord()
        return PolicyRecord(row[0], signed_policy.read_signed(self._opened(site, *row)))

    def version(self, transaction: Transaction, site: str) -> int:
        """The version in a transaction's state of a site; 0 without one."""
        row = transaction.execute("SELECT seq FROM policies WHERE site = %s", (site,)).fetchone()
        return 0 if row is None else int(row[0])

    def part(self, transaction: Transaction, site: str, device: str) -> DevicePart:
        """As `part_of`, in a transaction's state."""
        row = transaction.execute(
            "SELECT seq, listed, sealed FROM policies WHERE site = %s", (site,), binary=True
        ).fetchone()
        if row is None:
            return DevicePart()
        version, listed, sealed = row
        if listed < version:
            # No version before or after has a device that gets only some.
            return DevicePart(version, listed)
        policy = signed_policy.read_signed(self._opened(site, version, sealed))
        doors = None if policy is None else policy.devices.get(device)
        return DevicePart(version, listed, None if doors is None else frozenset(doors))

    def sealed(self, transaction: Transaction, site: Site) -> SealedPolicy | None:
        """The policy as the devices of a site get it now."""
        row = transaction.execute(
            "SELECT seq, sealed FROM policies WHERE site = %s", (site.site,), binary=True
        ).fetchone()
        if row is None:
            return None
        version, signed = row[0], self._opened(site.site, *row)
        key = self._keyring.epoch_key(site.site, site.epoch)
        return SealedPolicy(version=version, sealed=sealing.seal_policy(key, site.site, site.epoch, version, signed))

    def may_pass(
        self, transaction: Transaction, site: str, doors: frozenset[str], records: Iterable[PersonRecord]
    ) -> frozenset[bytes]:
        """The numbers of those who may pass one of these doors."""
        policy = self.find(transaction, site).policy
        known = {one.id: one for one in records}
        if policy is None:
            return frozenset(one.person for one in known.values())
        allowed = policy.may_pass(doors, {one.id: one.groups for one in known.values()})
        return frozenset(known[one].person for one in allowed)

    def renumber(self, transaction: Transaction, site: str) -> None:
        """Give the policy of a site a new number after a restore."""
        found = self.find(transaction, site)
        if found.version:
            self._write(transaction, sites.locked(transaction, site), found, found.policy, "restore", "")

    def _write(
        self, transaction: Transaction, site: Site, before: PolicyRecord, policy: SitePolicy | None, kind: str, by: str
    ) -> int:
        name, key = site.site, self._key(transaction, site.site)
        change = sites.Change(signed_policy.NUMBER, before.version or None, counted=False)
        _, (version,) = sites.number(transaction, self._keyring, site, [change], kind, by, self._clock.wall())
        if kind == "policy":
            journal.note(transaction, self._clock.wall(), by, "policy", name, {"version": version})
        signed = signed_policy.sign(name, version, policy, self._keyring.enrolling.key(name))
        listed = any(one is not None and one.devices for one in (before.policy, policy))
        transaction.execute(
            "INSERT INTO policies VALUES (%s, %s, %s, %s) ON CONFLICT (site) DO UPDATE"
            " SET seq = excluded.seq, sealed = excluded.sealed, listed = greatest(policies.listed, excluded.listed)",
            (name, version, version if listed else 0, sealing.seal_policy(key, name, _AT_REST, version, signed)),
        )
        return version

    def _key(self, transaction: Transaction, site: str) -> bytes:
        """The key of a site's policy, which is made with the first one."""
        subject_ = subject(site)
        found = self._keyring.keys_of([subject_])
        if not found:
            found = {subject_: sealing.new_key()}
            self._keyring.add(site, found)
            sites.note_counter(transaction, self._keyring)
        return found[subject_]

    def _opened(self, site: str, version: int, sealed: bytes) -> bytes:
        key = self._keyring.keys_of([subject(site)]).get(subject(site))
        if key is None:
            raise FleetError(f"{site}: the keyring has no key of its policy; restore the right keyring")
        return sealing.open_policy(key, site, _AT_REST, version, sealed)


def subject(site: str) -> bytes:
    """The number under which the keyring has the key of a site's policy."""
    return hashlib.sha256(b"edgeface policy 1" + site.encode()).digest()[: sealing.PERSON_BYTES]
