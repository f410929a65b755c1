"""fleet.db: who this device is to the centre, what it knows of each person of its sites, and what waits to be sent.

Whatever is personal or secret is sealed by the vault. What stays of someone who is gone is the centre's random number
for them and the last version, so that an earlier row cannot be played back.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from edgeface.core import sqlite
from edgeface.fleet.device.identity import DeviceIdentity
from edgeface.fleet.device.records import Entry, PersonFile, QueuedProposal, Removal, SiteFile
from edgeface.gallery import leases

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from edgeface.security.vault import Vault

_MAX = 1_000_000
_TABLES = (
    "CREATE TABLE identity (one INTEGER PRIMARY KEY CHECK (one = 1), sealed BLOB NOT NULL)",
    "CREATE TABLE sites (site TEXT PRIMARY KEY, sealed BLOB NOT NULL)",
    leases.TABLE,
    """
    CREATE TABLE people (
        site TEXT NOT NULL, person BLOB NOT NULL, seq INTEGER NOT NULL, version INTEGER NOT NULL, state TEXT NOT NULL,
        known INTEGER NOT NULL, busy INTEGER NOT NULL, sealed BLOB, PRIMARY KEY (site, person)
    ) WITHOUT ROWID
    """,
    "CREATE TABLE proposals (number BLOB PRIMARY KEY, sealed BLOB NOT NULL)",
    "CREATE TABLE removals (site TEXT PRIMARY KEY, sealed BLOB NOT NULL)",
    # Who was enrolled before the device joined, as tags that are used nowhere else.
    "CREATE TABLE own (tag BLOB PRIMARY KEY)",
)


def stored_sites(folder: Path, vault: Vault) -> dict[str, SiteFile]:
    """The sites, also of a file that cannot be written; raises GalleryError if it cannot be read either."""
    rows = leases.read_rows(folder / leases.FILE, "SELECT site, sealed FROM sites")
    return {site: _site(vault, site, row) for site, row in rows}


class FleetFile:
    """The connection of one thread; every write is one durable transaction."""

    def __init__(self, folder: Path, vault: Vault) -> None:
        """Open or create the file; raises GalleryError if it cannot be used."""
        self.path = folder / leases.FILE
        self._vault = vault
        self._db = sqlite.open_database(self.path, sqlite.Schema((_create,)), "fleet file")

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the writes inside one transaction; raises GalleryError if they cannot be made."""
        with sqlite.translated(self.path), sqlite.transaction(self._db):
            yield

    def identity(self) -> DeviceIdentity | None:
        """Who this device is; None before it has joined."""
        row = self._row("SELECT sealed FROM identity")
        return None if row is None else DeviceIdentity.read(self._vault.unseal(row[0], "fleet identity"), _MAX)

    def put_identity(self, identity: DeviceIdentity) -> None:
        """Store who this device is."""
        sealed = self._vault.seal(identity.packed(), "fleet identity")
        self._write("INSERT OR REPLACE INTO identity VALUES (1, ?)", [(sealed,)])

    def sites(self) -> dict[str, SiteFile]:
        """The sites, by name."""
        with sqlite.translated(self.path):
            rows = self._db.execute("SELECT site, sealed FROM sites ORDER BY site").fetchall()
        return {site: _site(self._vault, site, row) for site, row in rows}

    def put_site(self, site: SiteFile) -> None:
        """Store a site."""
        sealed = self._vault.seal(site.packed(), f"fleet site {site.site}")
        lease = None if site.lease is None else leases.sealed(self._vault, site.site, site.lease.stored)
        with self.transaction():
            self._write("INSERT OR REPLACE INTO sites VALUES (?, ?)", [(site.site, sealed)])
            self._write("INSERT OR REPLACE INTO leases VALUES (?, ?)", [(site.site, lease)] if lease else [])

    def drop_site(self, site: str) -> None:
        """Remove a site, of which no one may be left."""
        with self.transaction():
            self._write("DELETE FROM sites WHERE site = ?", [(site,)])
            self._write("DELETE FROM leases WHERE site = ?", [(site,)])

    def entries(self) -> list[Entry]:
        """Everyone."""
        with sqlite.translated(self.path):
            rows = self._db.execute(
                "SELECT site, person, seq, version, state, known, busy, sealed FROM people"
            ).fetchall()
        return [
            Entry(site, person, seq, version, state, self._facts(site, person, sealed), known, busy)
            for site, person, seq, version, state, known, busy, sealed in rows
        ]

    def put_entries(self, entries: Iterable[Entry]) -> None:
        """Store what is known of people."""
        self._write(
            "INSERT OR REPLACE INTO people VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(e.site, e.person, e.seq, e.version, e.state, e.known, e.busy, self._sealed(e)) for e in entries],
        )

    def mark_entries(self, entries: Iterable[Entry]) -> None:
        """Store only whether entries are busy."""
        query = "UPDATE people SET busy = ? WHERE site = ? AND person = ?"
        self._write(query, [(one.busy, one.site, one.person) for one in entries])

    def drop_entries(self, entries: Iterable[Entry]) -> None:
        """Forget that there were these people."""
        self._write("DELETE FROM people WHERE site = ? AND person = ?", [(e.site, e.person) for e in entries])

    def proposals(self) -> list[QueuedProposal]:
        """What waits, the oldest first."""
        with sqlite.translated(self.path):
            rows = self._db.execute("SELECT number, sealed FROM proposals ORDER BY rowid").fetchall()
        return [QueuedProposal.read(self._vault.unseal(row, f"fleet proposal {n.hex()}"), _MAX) for n, row in rows]

    def put_proposal(self, one: QueuedProposal) -> None:
        """Queue a proposal, or store its new state."""
        sealed = self._vault.seal(one.packed(), f"fleet proposal {one.number.hex()}")
        query = "INSERT INTO proposals VALUES (?, ?) ON CONFLICT (number) DO UPDATE SET sealed = excluded.sealed"
        self._write(query, [(one.number, sealed)])

    def drop_proposals(self, numbers: Iterable[bytes]) -> None:
        """Remove proposals."""
        self._write("DELETE FROM proposals WHERE number = ?", [(number,) for number in numbers])

    def removals(self, wall: float) -> dict[str, Removal]:
        """How many people the centre had erased recently, by site."""
        with sqlite.translated(self.path):
            rows = self._db.execute("SELECT site, sealed FROM removals ORDER BY site").fetchall()
        found = [Removal.read(self._vault.unseal(row, f"fleet removal {site}"), _MAX) for site, row in rows]
        return {one.site: one for one in found if not one.is_over(wall)}

    def put_removal(self, one: Removal) -> None:
        """Store how many people of a site were erased."""
        sealed = self._vault.seal(one.packed(), f"fleet removal {one.site}")
        self._write("INSERT OR REPLACE INTO removals VALUES (?, ?)", [(one.site, sealed)])

    def drop_removal(self, site: str) -> None:
        """Someone has taken note."""
        self._write("DELETE FROM removals WHERE site = ?", [(site,)])

    def own(self) -> set[bytes]:
        """The marks of those who were enrolled before the device joined."""
        with sqlite.translated(self.path):
            return {tag for (tag,) in self._db.execute("SELECT tag FROM own")}

    def put_own(self, tags: Iterable[bytes]) -> None:
        """Note who was enrolled before, by their tags in the gallery."""
        self._write("INSERT OR IGNORE INTO own VALUES (?)", [(self.own_mark(tag),) for tag in tags])

    def own_mark(self, tag: bytes) -> bytes:
        """What stands here for a tag of the gallery, which a search for traces must not find."""
        return self._vault.tag(f"fleet own {tag.hex()}")

    def mark(self, text: str) -> bytes:
        """A keyed digest of a person's facts."""
        return self._vault.tag(f"fleet facts {text}")

    def wipe(self) -> None:
        """Overwrite deleted rows in the file and its log; raises GalleryError if another process reads the log."""
        sqlite.erase(self._db, self.path)

    def _sealed(self, entry: Entry) -> bytes | None:
        if entry.facts is None:
            return None
        return self._vault.seal(entry.facts.packed(), f"fleet person {entry.site} {entry.person.hex()}")

    def _facts(self, site: str, person: bytes, sealed: bytes | None) -> PersonFile | None:
        if sealed is None:
            return None
        return PersonFile.read(self._vault.unseal(sealed, f"fleet person {site} {person.hex()}"), _MAX)

    def _row(self, query: str) -> tuple[bytes] | None:
        with sqlite.translated(self.path):
            found: tuple[bytes] | None = self._db.execute(query).fetchone()
        return found

    def _write(self, query: str, rows: list[tuple[object, ...]]) -> None:
        if rows:
            with self.transaction():
                self._db.executemany(query, rows)


def _create(db: sqlite3.Connection) -> None:
    for statement in _TABLES:
        db.execute(statement)


def _site(vault: Vault, site: str, sealed: bytes) -> SiteFile:
    return SiteFile.read(vault.unseal(sealed, f"fleet site {site}"), _MAX)
