"""Templates of all sites, opened: for the search, which keeps them in memory."""

from __future__ import annotations

import datetime as dt
import logging
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeface.centre.tables import sites
from edgeface.centre.tables.directory import opened
from edgeface.core.errors import FleetError
from edgeface.fleet import sealing
from edgeface.fleet.facts import MAX_BYTES
from edgeface.fleet.packing import unpacked

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from edgeface.centre.database import Database, Transaction
    from edgeface.centre.keys.keyring import Keyring
    from edgeface.centre.records import PersonRecord, Site

log = logging.getLogger(__name__)

NEVER = dt.date.max.toordinal()
"""The day of expiry of who has none."""

_ROWS = (
    "SELECT p.person, p.site, p.seq, t.sealed FROM people p LEFT JOIN templates t ON t.person = p.person"
    " AND t.model = %s WHERE"
)


class Opened(NamedTuple):
    """One person's template."""

    person: bytes
    site: str
    mean: bytes
    """Little-endian float16, as `PersonFacts.mean`."""
    ends: int
    """The ordinal of the first day on which they are no longer matched; NEVER."""


class Page(NamedTuple):
    """People who have changed."""

    seq: int
    """Of the last one."""
    people: Sequence[bytes]
    """All of them; those without a template below are gone, or have none of the model."""
    templates: Sequence[Opened]


class Templates:
    """Reads templates of one model; any thread may use it. All raise FleetError."""

    def __init__(self, database: Database, keyring: Keyring, page: int = 4096) -> None:
        """`page` is the number of rows that are read at a time."""
        self._database, self._keyring, self._page = database, keyring, page

    def every(self, model: str) -> Iterator[tuple[tuple[Site, ...], Sequence[Opened]]]:
        """All templates in pages, each with the sites as they were then; there is one page at least."""
        with self._database.reading() as transaction:
            state = sites.all_sites(transaction)
            after = b""
            while True:
                found = transaction.execute(
                    f"{_ROWS} t.person > %s AND p.person > %s ORDER BY p.person LIMIT %s",
                    # Twice, so that PostgreSQL begins to read both tables there.
                    (model, after, after, self._page),
                    binary=True,
                ).fetchall()
                keys = self._keyring.keys_between(found[0][0], found[-1][0]) if found else {}
                yield state, _opened(found, keys, model)
                if len(found) < self._page:
                    return
                after = found[-1][0]

    def sites(self) -> tuple[Site, ...]:
        """All sites as they are now, if the keyring is still the file that was opened."""
        self._keyring.require_in_place()
        with self._database.reading() as transaction:
            return sites.all_sites(transaction)

    def changes(self, site: str, model: str, after: int) -> Page | None:
        """Those with a change number above `after`, the earliest first; None without any."""
        with self._database.reading() as transaction:
            found = transaction.execute(
                f"{_ROWS} p.site = %s AND p.seq > %s ORDER BY p.seq LIMIT %s",
                (model, site, after, self._page),
                binary=True,
            ).fetchall()
        if not found:
            return None
        keys = self._keyring.keys_of([person for person, *_ in found])
        return Page(found[-1][2], [person for person, *_ in found], _opened(found, keys, model))

    def people(self, site: str) -> list[bytes]:
        """The numbers of everyone of a site."""
        with self._database.reading() as transaction:
            return _people(transaction, site)

    def named(self, people: Collection[bytes]) -> dict[tuple[str, bytes], PersonRecord]:
        """Those of these people who are there, by site and number."""
        with self._database.reading() as transaction:
            found = transaction.execute(
                "SELECT person, site, seq, sealed FROM people WHERE person = ANY(%s) AND NOT gone",
                (list(people),),
                binary=True,
            ).fetchall()
        keys = self._keyring.keys_of(people)
        return {
            (site, person): opened(keys[person], site, person, seq, sealed)
            for person, site, seq, sealed in found
            if person in keys
        }

    def destroyed(self) -> set[bytes]:
        """Everyone whose key was ever destroyed; they are forgotten even if their rows are still there."""
        return self._keyring.every_destroyed()

    @property
    def keys_version(self) -> int:
        """Rises with each change of the keyring."""
        return self._keyring.counter


def _people(transaction: Transaction, site: str) -> list[bytes]:
    rows = transaction.execute("SELECT person FROM people WHERE site = %s AND NOT gone", (site,), binary=True)
    return [person for (person,) in rows]


def _opened(rows: Iterable[Sequence[Any]], keys: Mapping[bytes, bytes], model: str) -> list[Opened]:
    """The rows that have a template and a key; one that cannot be opened is left out, with an error in the log."""
    found, wrong = [], []
    for person, site, seq, sealed in rows:
        if sealed is None or person not in keys:
            continue
        try:
            found.append(_open(keys[person], site, person, seq, model, sealed))
        except (FleetError, ValueError, TypeError, KeyError):
            wrong.append(site)
    for site, those in groupby(sorted(wrong)):
        log.error("%s: %d templates cannot be opened and are not searched", site, len(list(those)))
    return found


def _open(key: bytes, site: str, person: bytes, seq: int, model: str, sealed: bytes) -> Opened:
    # The centre has sealed and checked these itself: a million of them are read without a model of pydantic.
    signed: Any = unpacked(sealing.open_row(key, site, person, seq, model, sealed), MAX_BYTES)
    facts: Any = unpacked(signed[0], MAX_BYTES)
    expires = facts.get("expires")
    return Opened(person, site, facts["mean"], NEVER if expires is None else dt.date.fromisoformat(expires).toordinal())
