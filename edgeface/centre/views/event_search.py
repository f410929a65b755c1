"""Looks at events for an account: only at those of its sites, and the journal has who looked at whose."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeface.centre.records import EventQuery, EventRecord
    from edgeface.centre.store import Store


def look(store: Store, query: EventQuery, by: str) -> tuple[EventRecord, ...]:
    """The events that match, the latest first; without the row in the journal, no one gets any."""
    sites = [one.site for one in store.sites()] if query.sites is None else list(query.sites)
    chosen = {"device": query.device, "kind": query.kind, "camera": query.camera, "door": query.door}
    facts = {name: value for name, value in chosen.items() if value is not None}
    if query.person is None:
        store.journal.add(by, "events", sites, facts)
        return store.events(query)
    homes = [(site, one.person) for site in sites for one in store.people(site) if one.id == query.person]
    for site, person in homes:
        store.journal.add(by, "events", site, facts, person)
    return store.events(replace(query, sites=tuple(site for site, _ in homes))) if homes else ()
