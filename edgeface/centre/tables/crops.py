"""Aligned faces of people who have consented to it, each sealed under the person's own key."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edgeface.centre.tables import journal, sites
from edgeface.core.errors import FleetError, GoneError, UnknownError
from edgeface.fleet import sealing
from edgeface.fleet.packing import packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from edgeface.centre.database import Database, Transaction
    from edgeface.centre.keys.keyring import Keyring
    from edgeface.core.clock import Clock

MOST = 5
"""Crops of one person: more of them change a mean template by little."""
_CONSENT = 0
"""The number of the row that has the consent."""
_CONSENT_BYTES = 100


class CropConsent(NamedTuple):
    """What a person has consented to."""

    given: str
    """The day: 2026-11-30."""
    crops: int
    """How many are kept."""


class Crops:
    """Keeps, opens and deletes crops; each call is a transaction of its own, and raises FleetError if that fails."""

    def __init__(self, database: Database, keyring: Keyring, clock: Clock) -> None:
        self._database, self._keyring, self._clock = database, keyring, clock

    def keep(self, site: str, person: bytes, given: str, images: Sequence[bytes], by: str = "") -> None:
        """Keep the first MOST images in place of those before; raises GoneError if the person was forgotten."""
        kept = images[:MOST]
        plain = [packed([given, len(kept)]), *kept]
        with self._database.changing() as transaction:
            sites.locked(transaction, site)
            _require(transaction, site, person)
            key = self._keyring.keys_of([person]).get(person)
            if key is None:
                raise GoneError("the person was forgotten")
            transaction.execute("DELETE FROM crops WHERE person = %s", (person,))
            rows = [(person, n, sealing.seal_crop(key, site, person, n, one)) for n, one in enumerate(plain)]
            sites.execute_all(transaction, "INSERT INTO crops VALUES (%s, %s, %s)", rows)
            self._note(transaction, by, site, person, len(kept))

    def delete(self, site: str, person: bytes, by: str = "") -> bool:
        """Delete the crops of a person and the consent; whether there were any."""
        with self._database.changing() as transaction:
            sites.locked(transaction, site)
            _require(transaction, site, person)
            found = transaction.execute("DELETE FROM crops WHERE person = %s", (person,)).rowcount
            if found:
                self._note(transaction, by, site, person, 0)
            return bool(found)

    def consents(self, site: str) -> dict[bytes, CropConsent]:
        """Who has consented, by the person's number."""
        with self._database.reading() as transaction:
            rows = transaction.execute(
                "SELECT person, crops.sealed FROM crops JOIN people USING (person) WHERE site = %s AND n = %s",
                (site, _CONSENT),
                binary=True,
            ).fetchall()
        keys = self._keyring.keys_of([person for person, _ in rows])
        return {
            person: _consent(sealing.open_crop(keys[person], site, person, _CONSENT, sealed))
            for person, sealed in rows
            if person in keys
        }

    def images(self, site: str, people: Collection[bytes]) -> Mapping[bytes, list[bytes]]:
        """The images of people, in their order; whoever has none is left out."""
        with self._database.reading() as transaction:
            rows = transaction.execute(
                "SELECT person, n, crops.sealed FROM crops JOIN people USING (person)"
                " WHERE site = %s AND n > %s AND person = ANY(%s) ORDER BY person, n",
                (site, _CONSENT, list(people)),
                binary=True,
            ).fetchall()
        keys, found = self._keyring.keys_of(people), dict[bytes, list[bytes]]()
        for person, n, sealed in rows:
            if person in keys:
                found.setdefault(person, []).append(sealing.open_crop(keys[person], site, person, n, sealed))
        return found

    def lacking(self, site: str, model: str) -> frozenset[bytes]:
        """The numbers of the people of a site who have no template of a model."""
        with self._database.reading() as transaction:
            rows = transaction.execute(
                "SELECT person FROM people p WHERE site = %s AND NOT gone"
                " AND NOT EXISTS (SELECT 1 FROM templates t WHERE t.person = p.person AND t.model = %s)",
                (site, model),
                binary=True,
            )
            return frozenset(person for (person,) in rows)

    def _note(self, transaction: Transaction, by: str, site: str, person: bytes, kept: int) -> None:
        journal.note(transaction, self._clock.wall(), by, "change", site, {"crops": kept}, person)


def _require(transaction: Transaction, site: str, person: bytes) -> None:
    query = "SELECT 1 FROM people WHERE person = %s AND site = %s AND NOT gone"
    if transaction.execute(query, (person, site)).fetchone() is None:
        raise UnknownError(f"{site}: no such person")


def _consent(plain: bytes) -> CropConsent:
    found = unpacked(plain, _CONSENT_BYTES)
    if not (isinstance(found, list) and [type(part) for part in found] == [str, int]):
        raise FleetError("a consent to crops cannot be read")
    return CropConsent(*found)
