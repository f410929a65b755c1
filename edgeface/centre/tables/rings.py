"""Rings: which model each device is to use, and which one it has signed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.centre.records import DeviceModel
from edgeface.centre.tables import journal, sites
from edgeface.core.errors import ChangedError, UnknownError
from edgeface.fleet.messages import WantedModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.centre.database import Database, Transaction
    from edgeface.centre.keys.keyring import Keyring
    from edgeface.core.clock import Clock


class Rings:
    """Writes what devices are to use, signed with the enrolling key of the site; raises FleetError if that fails."""

    def __init__(self, database: Database, keyring: Keyring, clock: Clock) -> None:
        self._database, self._keyring, self._clock = database, keyring, clock

    def want(
        self, site: str, model: str, devices: Sequence[str], by: str, *, without: int = 0, finish: bool = False
    ) -> None:
        """Have devices of a site use a model, although at most `without` people have no template of it.

        With `finish`, they erase the templates of other models. Raises UnknownError for a device of another site.
        """
        with self._database.changing() as transaction:
            wall = self._clock.wall()
            # Above every number before, also after the database came from a backup.
            number = max(sites.locked(transaction, site).ring + 1, int(wall * 1000))
            key = self._keyring.enrolling.key(site)
            facts = {"model": model, "without": without, "finish": finish, "number": number}
            for device in devices:
                _require(transaction, site, device)
                wanted = WantedModel.signed(key, device, site, facts)
                transaction.execute(
                    "INSERT INTO rings VALUES (%s, %s, %s, %s, %s) ON CONFLICT (device, site)"
                    " DO UPDATE SET wanted = excluded.wanted, at = excluded.at, by = excluded.by",
                    (device, site, wanted.packed(), wall, by),
                )
            noted = {"model": model, "devices": sorted(devices), "without": without, "finish": finish}
            journal.note(transaction, wall, by, "model", site, {name: value for name, value in noted.items() if value})
            transaction.execute("UPDATE sites SET ring = %s WHERE site = %s", (number, site))

    def models(self, site: str) -> tuple[DeviceModel, ...]:
        """The model of each device of a site that is not revoked, by name."""
        with self._database.reading() as transaction:
            sites.find(transaction, site)
            rows = transaction.execute(
                "SELECT device, r.model, w.wanted, w.at, w.by FROM device_sites s JOIN devices d USING (device)"
                " LEFT JOIN receipts r USING (device, site) LEFT JOIN rings w USING (device, site)"
                " WHERE site = %s AND d.revoked IS NULL ORDER BY device",
                (site,),
            ).fetchall()
        return tuple(
            DeviceModel(device, signed, None if packed is None else WantedModel.read(packed).model, at, by)
            for device, signed, packed, at, by in rows
        )

    def drop_model(self, model: str, by: str) -> int:
        """Delete the templates of a model at all sites; returns how many.

        Raises ChangedError while a device that is not revoked has signed the model, or is to use it.
        """
        with self._database.changing() as transaction:
            rows = transaction.execute(
                "SELECT device, r.model, w.wanted FROM device_sites s JOIN devices d USING (device)"
                " LEFT JOIN receipts r USING (device, site) LEFT JOIN rings w USING (device, site)"
                " WHERE d.revoked IS NULL"
            ).fetchall()
            users = {
                device
                for device, signed, packed in rows
                if model in {signed, None if packed is None else WantedModel.read(packed).model}
            }
            if users:
                raise ChangedError(f"{model}: still used by {', '.join(sorted(users))}")
            count = transaction.execute("DELETE FROM templates WHERE model = %s", (model,)).rowcount
            if count:
                journal.note(transaction, self._clock.wall(), by, "model", None, {"removed": model, "templates": count})
            return count


def wanted(transaction: Transaction, device: str, site: str) -> WantedModel | None:
    """What a device of a site is to use; None if nothing was ever said."""
    row = transaction.execute("SELECT wanted FROM rings WHERE device = %s AND site = %s", (device, site)).fetchone()
    return None if row is None else WantedModel.read(row[0])


def _require(transaction: Transaction, site: str, device: str) -> None:
    query = "SELECT 1 FROM device_sites WHERE device = %s AND site = %s"
    if transaction.execute(query, (device, site)).fetchone() is None:
        raise UnknownError(f"{device}: not a device of {site}")
