"""The leases of a fleet's sites, as every program that matches people reads them from fleet.db."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeface.core import sqlite
from edgeface.core.clock import DAY
from edgeface.core.errors import EdgefaceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgeface.security.vault import Vault

FILE = "fleet.db"
"""What a device of a fleet has in its data folder."""
RESTORED = "fleet-restored"
"""A file that tells the thread that follows the centre that a backup was put back, without anyone of the centre."""
TABLE = "CREATE TABLE leases (site TEXT PRIMARY KEY, sealed BLOB NOT NULL)"
_SLACK = DAY


class StoredLease(NamedTuple):
    """A lease, as the thread that follows the centre has stored it last."""

    until: float
    """Wall seconds of its end."""
    left: float
    """Seconds that the device may still run."""
    highest: float
    """The latest wall seconds that were ever seen."""

    def holds(self, wall: float) -> bool:
        """Whether the people of the site may be matched, for a program that does not count how long it runs.

        It has only the clock, so one that is a day or more behind the latest time ever seen ends the lease.
        """
        return self.left > 0 and self.highest - _SLACK < wall < self.until


def sealed(vault: Vault, site: str, lease: StoredLease) -> bytes:
    """A row of the table."""
    return vault.seal(json.dumps(lease).encode(), _about(site))


def read_rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query, also of a file that cannot be written. Raises GalleryError if it cannot be read."""
    with sqlite.translated(path):
        try:
            return _read_rows(path, sql, immutable=False)
        except sqlite3.OperationalError:
            # A full disk has no room for the shared memory of its log.
            return _read_rows(path, sql, immutable=True)


def _read_rows(path: Path, sql: str, *, immutable: bool) -> list[tuple[Any, ...]]:
    with closing(sqlite.reading_only(path, immutable=immutable)) as connection:
        return connection.execute(sql).fetchall()


class LeaseReader:
    """Reads fleet.db again when someone has written it; a file that cannot be read extends no lease."""

    def __init__(self, folder: Path, vault: Vault) -> None:
        self._path, self._vault = folder / FILE, vault
        self._seen: tuple[object, object] = (None, None)
        self._leases: Mapping[str, StoredLease] = {}

    def __call__(self, wall: float) -> frozenset[str]:
        """The sites whose lease is not over at `wall`; takes microseconds if nothing has changed."""
        seen = sqlite.stamps(self._path)
        if seen != self._seen:
            try:
                self._leases = {} if seen[0] is None else self._read()
            except EdgefaceError:
                # What is known ends by itself.
                seen = self._seen
            self._seen = seen
        return frozenset(site for site, one in self._leases.items() if one.holds(wall))

    def _read(self) -> dict[str, StoredLease]:
        rows = read_rows(self._path, "SELECT site, sealed FROM leases")
        return {site: StoredLease(*json.loads(self._vault.unseal(row, _about(site)))) for site, row in rows}


def _about(site: str) -> str:
    return f"fleet lease {site}"
