"""The opened facts of people, in memory: they lie sealed everywhere else."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edgeface.centre.records import PersonRecord
from edgeface.fleet import sealing
from edgeface.fleet.packing import packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgeface.centre.database import Transaction
    from edgeface.centre.keys.keyring import Keyring
    from edgeface.centre.records import Site
    from edgeface.fleet.facts import PersonFacts

NO_MODEL = ""
"""The model to which a person's row is bound, as it has no template."""
_MANY = 200
_NAMES = ("id", "name", "groups", "ignored", "consent", "expires")
_MOST_BYTES = 20_000


@dataclass(slots=True)
class _Known:
    """What is known of one site, up to a change number."""

    seq: int = 0
    floor: int = 0
    people: dict[bytes, PersonRecord] = field(default_factory=dict)
    ids: dict[str, bytes] = field(default_factory=dict)

    def drop(self, person: bytes) -> None:
        if (old := self.people.pop(person, None)) is not None:
            del self.ids[old.id]

    def take(self, record: PersonRecord) -> None:
        self.people[record.person] = record
        self.ids[record.id] = record.person


class Directory:
    """People by number and id; any thread may use it."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._lock = threading.Lock()
        self._sites: dict[str, _Known] = {}

    def records(self, transaction: Transaction, site: Site) -> tuple[PersonRecord, ...]:
        """Everyone in a transaction's state of a site, by id."""
        with self._lock:
            return tuple(sorted(self._refreshed(transaction, site).people.values(), key=lambda one: one.id))

    def find(self, transaction: Transaction, site: Site, ids: Iterable[str]) -> dict[str, PersonRecord]:
        """Those of a site who have these ids."""
        with self._lock:
            known = self._refreshed(transaction, site)
            return {one: known.people[known.ids[one]] for one in ids if one in known.ids}

    def _refreshed(self, transaction: Transaction, site: Site) -> _Known:
        known = self._sites.get(site.site)
        # A lower number, or another floor: the database was replaced by an older one, or its history ends later.
        if known is None or known.seq > site.seq or known.floor != site.floor:
            known = _Known(floor=site.floor)
        rows = transaction.execute(
            "SELECT person, seq, sealed FROM people WHERE site = %s AND seq > %s", (site.site, known.seq), binary=True
        ).fetchall()
        keys = self._keyring.keys(site.site) if len(rows) > _MANY else self._keyring.keys_of([row[0] for row in rows])
        # First all who leave: one may have the id of another who comes.
        for person, _, _ in rows:
            known.drop(person)
        for person, seq, sealed in rows:
            if sealed is not None and person in keys:
                known.take(opened(keys[person], site.site, person, seq, sealed))
        known.seq = site.seq
        self._sites[site.site] = known
        return known


def sealed_facts(key: bytes, site: str, person: bytes, seq: int, facts: PersonFacts) -> bytes:
    """A person's facts as the row in `people` has them, without a template."""
    plain = packed(facts.model_dump(include=set(_NAMES), exclude_defaults=True))
    return sealing.seal_row(key, site, person, seq, NO_MODEL, plain)


def opened(key: bytes, site: str, person: bytes, seq: int, sealed: bytes) -> PersonRecord:
    """What `sealed_facts` sealed; raises FleetError if anything differs."""
    facts: Any = unpacked(sealing.open_row(key, site, person, seq, NO_MODEL, sealed), _MOST_BYTES)
    groups = tuple(facts.get("groups", ()))
    return PersonRecord(
        person,
        seq,
        facts["id"],
        facts["name"],
        groups,
        facts.get("ignored", False),
        facts.get("consent"),
        facts.get("expires"),
    )
