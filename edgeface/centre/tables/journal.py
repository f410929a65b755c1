"""The journal: who did or saw what at the centre. Rows are only added, and name no person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from edgeface.centre.records import JournalRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgeface.centre.database import Database, Transaction
    from edgeface.centre.records import JournalKind, JournalQuery
    from edgeface.core.clock import Clock

_ADD = "INSERT INTO journal (at, by, what, sites, person, facts) VALUES (%s, %s, %s, %s, %s, %s)"

_ROWS = "SELECT n, at, by, what, sites, person, facts FROM journal WHERE {} ORDER BY n DESC LIMIT %s"


class Journal:
    """Adds and finds rows, each call in a transaction of its own; any thread may use it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def add(
        self,
        by: str,
        what: JournalKind,
        site: str | Sequence[str] | None = None,
        facts: Mapping[str, Any] | None = None,
        person: bytes | None = None,
    ) -> None:
        """Add a row; `site` is one, several, or None for what belongs to no site.

        `facts` become JSON, and stay when a person is forgotten: put no id or name there, only their number in `person`.
        """
        with self._database.changing() as transaction:
            note(transaction, self._clock.wall(), by, what, site, facts, person)

    def query(self, query: JournalQuery) -> tuple[JournalRecord, ...]:
        """The rows that match, the latest first."""
        conditions: list[tuple[str, object]] = [
            ("sites && %s", None if query.sites is None else list(query.sites)),
            ("by = %s", query.by),
            ("what = %s", query.what),
            ("person = %s", query.person),
            ("at >= %s", query.since),
            ("at < %s", query.until),
            ("n < %s", query.before),
        ]
        used = [(text, value) for text, value in conditions if value is not None]
        sql = _ROWS.format(" AND ".join(text for text, _ in used) or "true")
        with self._database.reading() as transaction:
            rows = transaction.execute(sql.encode(), (*(value for _, value in used), query.limit))
            return tuple(
                JournalRecord(n=n, at=at, by=by, what=what, sites=tuple(of), person=person, facts=facts)
                for n, at, by, what, of, person, facts in rows
            )


def note(
    transaction: Transaction,
    wall: float,
    by: str,
    what: JournalKind,
    site: str | Sequence[str] | None = None,
    facts: Mapping[str, Any] | None = None,
    person: bytes | None = None,
) -> None:
    """As `Journal.add`, in the transaction of what is noted: there is neither without the other."""
    of = [] if site is None else [site] if isinstance(site, str) else list(site)
    transaction.execute(_ADD, (wall, by, what, of, person, Jsonb(dict(facts or {}))))


def note_people(
    transaction: Transaction, wall: float, by: str, site: str, changes: Sequence[tuple[JournalKind, bytes]]
) -> None:
    """As `note`, for changes of many people."""
    with transaction.cursor() as cursor:
        cursor.executemany(_ADD, [(wall, by, what, [site], person, Jsonb({})) for what, person in changes])


def note_decision(transaction: Transaction, wall: float, by: str, what: JournalKind, n: int) -> None:
    """As `note`, for the proposal of a number; nothing if there is none."""
    row = transaction.execute("SELECT site, device, person FROM proposals WHERE n = %s", (n,)).fetchone()
    if row is not None:
        site, device, person = row
        note(transaction, wall, by, what, site, {"proposal": n, "device": device}, person)
