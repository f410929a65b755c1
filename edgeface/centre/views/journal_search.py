"""Finds rows of the journal by the id of a person, which the journal itself does not have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgeface.centre.records import JournalQuery, JournalRecord, PersonRecord
    from edgeface.centre.store import Store


def people_of(store: Store, sites: tuple[str, ...] | None) -> Mapping[bytes, tuple[str, PersonRecord]]:
    """Everyone of these sites, or of all, with their site, by their number, without those who were forgotten."""
    known = [one.site for one in store.sites() if sites is None or one.site in sites]
    return {one.person: (site, one) for site in known for one in store.people(site)}


def read_journal(store: Store, query: JournalQuery, who: str | None) -> tuple[JournalRecord, ...]:
    """The rows that match, the latest first; with `who`, only those about the people who have this id, by site."""
    if who is None:
        return store.journal.query(query)
    numbers = [number for number, (_, one) in people_of(store, query.sites).items() if one.id == who]
    found = [row for number in numbers for row in store.journal.query(replace(query, person=number))]
    return tuple(sorted(found, key=lambda one: -one.n)[: query.limit])
