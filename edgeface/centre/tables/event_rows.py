"""Rows of the devices' audit topics: stored once, sealed with the key of the person in them or of the site."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeface.centre.records import EventRecord, Stored
from edgeface.centre.tables import events, sites
from edgeface.core.clock import DAY
from edgeface.fleet import sealing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edgeface.centre.database import Transaction
    from edgeface.centre.keys.keyring import Keyring
    from edgeface.centre.records import AuditRow, EventQuery, PersonRecord
    from edgeface.centre.tables.directory import Directory

MOST_AHEAD = 31 * DAY
"""Seconds by which a device's clock may be ahead; a row that is further ahead has no usable time."""
CLOCK_SLACK = 300.0
"""Seconds by which a device's clock may be behind the centre's when someone is enrolled and seen at once."""
_FIRST = 1_577_836_800.0  # 2020-01-01: what is older lies in a partition of its own
_ROWS = (
    "SELECT extract(epoch FROM at)::float8, device, id, sites, kind, camera, door, person, sealed FROM events"
    " WHERE {} ORDER BY at DESC, id DESC, device DESC LIMIT %s"
)


class _Owner(NamedTuple):
    """Whose key seals a row."""

    site: str
    person: bytes


class EventRows:
    """Writes and reads events; each call is one transaction of the caller's."""

    def __init__(self, keyring: Keyring, directory: Directory) -> None:
        self._keyring = keyring
        self._directory = directory

    def add(self, transaction: Transaction, rows: Sequence[AuditRow], wall: float) -> Stored:
        """Store rows; one that is stored already changes nothing."""
        homes = _homes(transaction, {row.device for row in rows})
        known = [row for row in rows if row.device in homes]
        if not known:
            return Stored(0, 0, len(rows))
        owners = self._owners(transaction, known, homes)
        # In the order in which forgetting takes its locks: the site, then the events.
        keys = self._keys(transaction, {homes[row.device][0] for row in known}, owners.values())
        at = {row.id: row.at if row.at < wall + MOST_AHEAD else 0.0 for row in known}
        events.make_partitions_for(transaction, (one for one in at.values() if one >= _FIRST))
        values = [_values(row, at[row.id], homes[row.device], owners.get((row.device, row.id)), keys) for row in known]
        with transaction.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO events (at, device, id, sites, kind, camera, door, person, sealed)"
                " VALUES (to_timestamp(%s), %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                values,
            )
            stored = cursor.rowcount
        return Stored(stored, len(known) - stored, len(rows) - len(known))

    def find(self, transaction: Transaction, query: EventQuery) -> tuple[EventRecord, ...]:
        """The rows that match a query, the latest first."""
        conditions: list[tuple[str, object]] = [
            ("sites && %s", None if query.sites is None else list(query.sites)),
            ("person = ANY(%s)", None if query.person is None else self._people(transaction, query)),
            ("device = %s", query.device),
            ("kind = %s", query.kind),
            ("camera = %s", query.camera),
            ("door = %s", query.door),
            ("at >= to_timestamp(%s)", query.since),
            ("at < to_timestamp(%s)", query.until),
        ]
        used = [(text, value) for text, value in conditions if value is not None]
        values = [value for _, value in used]
        texts = [text for text, _ in used]
        if query.before is not None:
            texts.append("(at, id, device) < (to_timestamp(%s), %s, %s)")
            values.extend(query.before)
        sql = _ROWS.format(" AND ".join(texts) or "true")
        rows = transaction.execute(sql.encode(), (*values, query.limit)).fetchall()
        subjects = {row[7] or subject(row[3][0]) for row in rows if row[8] is not None}
        keys = self._keyring.keys_of(subjects)
        return tuple(_record(row, keys) for row in rows)

    def _people(self, transaction: Transaction, query: EventQuery) -> list[bytes]:
        """The numbers of those who have the id of a query, at the sites of the query."""
        found: list[bytes] = []
        for site in sites.all_sites(transaction):
            if query.sites is None or site.site in query.sites:
                people = self._directory.find(transaction, site, [query.person or ""])
                found.extend(one.person for one in people.values())
        return found

    def _owners(
        self, transaction: Transaction, rows: Sequence[AuditRow], homes: Mapping[str, tuple[str, ...]]
    ) -> dict[tuple[str, str], _Owner | None]:
        """Who is meant in each row that names someone; None if the centre does not know them."""
        named = [row for row in rows if row.person is not None]
        ids = {row.person for row in named if row.person is not None}
        wanted = sorted({site for row in named for site in homes[row.device]})
        known: dict[str, dict[str, PersonRecord]] = {
            site: self._directory.find(transaction, sites.find(transaction, site), ids) for site in wanted
        }
        numbers = [one.person for people in known.values() for one in people.values()]
        begun: dict[bytes, float] = dict(
            transaction.execute("SELECT person, since FROM people WHERE person = ANY(%s) AND NOT gone", (numbers,))
        )
        owners: dict[tuple[str, str], _Owner | None] = {}
        for row in named:
            meant = [(site, known[site].get(row.person or "")) for site in homes[row.device]]
            owners[row.device, row.id] = next(
                (
                    _Owner(site, one.person)
                    for site, one in meant
                    if one is not None and begun.get(one.person, float("inf")) <= row.at + CLOCK_SLACK
                ),
                None,
            )
        return owners

    def _keys(
        self, transaction: Transaction, homes: Iterable[str], owners: Iterable[_Owner | None]
    ) -> dict[bytes, bytes]:
        """The keys of all who are meant, and those of the sites, which are made when they are first needed.

        Someone who is forgotten meanwhile may leave a row behind: no key opens it.
        """
        for site in sorted(homes):
            if not self._keyring.keys_of([subject(site)]):
                sites.locked(transaction, site)
                # Another process may have been faster; a key that was used is never replaced.
                if not self._keyring.keys_of([subject(site)]):
                    self._keyring.add(site, {subject(site): sealing.new_key()})
                    sites.note_counter(transaction, self._keyring)
        return self._keyring.keys_of({*map(subject, homes), *(one.person for one in owners if one is not None)})


def subject(site: str) -> bytes:
    """The number under which the keyring has the key of a site's events."""
    return hashlib.sha256(b"edgeface events 1" + site.encode()).digest()[: sealing.PERSON_BYTES]


def _homes(transaction: Transaction, names: set[str]) -> dict[str, tuple[str, ...]]:
    """The sites of devices that have joined and are not revoked."""
    rows = transaction.execute(
        "SELECT device, array_agg(site ORDER BY site) FROM devices JOIN device_sites USING (device)"
        " WHERE device = ANY(%s) AND revoked IS NULL GROUP BY device",
        (list(names),),
    )
    return {device: tuple(found) for device, found in rows}


def _values(
    row: AuditRow, at: float, home: tuple[str, ...], owner: _Owner | None, keys: Mapping[bytes, bytes]
) -> tuple[object, ...]:
    clear = (at, row.device, row.id)
    place = (row.kind, row.camera, row.door)
    if row.person is None:
        sealed = sealing.seal_event(keys[subject(home[0])], home[0], row.device, row.id, row.facts)
        return (*clear, list(home), *place, None, sealed)
    if owner is None or owner.person not in keys:
        return (*clear, list(home), *place, None, None)
    sealed = sealing.seal_event(keys[owner.person], owner.site, row.device, row.id, row.facts)
    return (*clear, [owner.site], *place, owner.person, sealed)


def _record(row: Sequence[Any], keys: Mapping[bytes, bytes]) -> EventRecord:
    at, device, id_, of, kind, camera, door, person, sealed = row
    key = keys.get(person or subject(of[0]))
    facts = None
    if sealed is not None and key is not None:
        facts = json.loads(sealing.open_event(key, of[0], device, id_, sealed))
    return EventRecord(at=at, device=device, id=id_, sites=tuple(of), kind=kind, camera=camera, door=door, facts=facts)
