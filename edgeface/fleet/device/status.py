"""What is shown of a device's part in a fleet, and told of it; nothing personal."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from edgeface.core.clock import DAY
from edgeface.core.errors import EdgefaceError
from edgeface.core.text import counted
from edgeface.fleet.device.records import LIST
from edgeface.gallery.snapshot import day

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgeface.core.clock import Clock
    from edgeface.fleet.device.book import Book
    from edgeface.fleet.device.records import Removal

log = logging.getLogger(__name__)


SOON = 7 * DAY
"""Seconds before the end of a lease at which it is a problem: it is renewed each hour."""
_RESTARTS_WITHIN = 3600.0


@dataclass(slots=True)
class Counters:
    """Counts of one run."""

    wrong: dict[str, int] = field(default_factory=dict)
    """Digests that were not the centre's, by site."""
    reached: dict[str, float] = field(default_factory=dict)
    """Monotonic seconds of the last answer about a site."""
    conflicts: int = 0
    """Changes made here that the centre has refused because it has others."""
    restarts: deque[float] = field(default_factory=partial(deque, maxlen=100))
    """Monotonic seconds at which the thread that follows the centre has ended by an error, and begun again."""

    def restarted(self, now: float) -> tuple[str, ...]:
        """A line if that was more than once in the last hour: that the thread runs at the moment proves little."""
        recent = sum(now - one < _RESTARTS_WITHIN for one in self.restarts)
        if recent <= 1:
            return ()
        return (f"fleet: what follows the centre has ended by errors {recent} times within an hour: see the log",)


def report(book: Book, counters: Counters, clock: Clock) -> dict[str, Any]:
    """The part `fleet` of the state."""
    now, wall = clock.monotonic(), clock.wall()
    sites = {
        name: {
            "seq": max(0, site.seq),
            "policy": site.policy,
            "people": book.states[name, "matched"],
            "behind": round(now - counters.reached[name]) if name in counters.reached else _since(site.reached, wall),
            "lease": None if site.lease is None else max(0, round(site.lease.remaining(wall))),
            "barred": site.barred,
            "digest_wrong": counters.wrong.get(name, 0),
        }
        for name, site in book.sites.items()
    }
    return {
        "joined": bool(sites),
        "sites": sites,
        "proposals": len(book.waiting),
        "conflicts": counters.conflicts,
        "restarts": len(counters.restarts),
    }


def _since(reached: float, wall: float) -> int | None:
    return max(0, round(wall - reached)) if reached else None


def problems(book: Book, counters: Counters, last: str | None, wall: float) -> tuple[str, ...]:
    """What a person has to do something about."""
    found = [] if last is None else [last]
    if not book.sites:
        found.append("fleet: this device has not joined: edgeface fleet join URL")
    for site in book.sites.values():
        if site.seq == LIST and site.site in counters.wrong:
            found.append(f"fleet: {site.site}: the people here are not those that the centre says; its list is awaited")
        if site.lease is not None and 0 < (left := site.lease.remaining(wall)) < SOON:
            days = counted(int(left // DAY), "day")
            found.append(f"fleet: the lease of {site.site} ends in {days}: no one of it is matched then")
    taken = sum(book.states[name, "taken"] for name in book.sites)
    if taken:
        whose = counted(taken, "person of the centre has", "people of the centre have")
        found.append(f"fleet: {whose} an id that someone else has here: edgeface fleet status lists them")
    if counters.conflicts:
        changes = counted(counters.conflicts, "change", "changes")
        found.append(f"fleet: the centre did not take {changes} made here, because it has others")
    return tuple(found)


def removed_line(one: Removal) -> str:
    """What the centre had this device erase at once."""
    people = f"{one.removed} of {one.people} people of {one.site}"
    return f"fleet: the centre had {people} erased since {day(one.began)}: if it was right, edgeface fleet acknowledge"


def alarms(book: Book, clock: Clock, record: Callable[[str, Mapping[str, Any]], None]) -> list[str]:
    """Removals of many people at once that no one has acknowledged, one line each; new ones go to the journal.

    That may be right, or someone else controls the centre.
    """
    try:
        found = [one for one in book.file.removals(clock.wall()).values() if one.is_alarm]
        for one in found:
            if not one.told:
                log.error("%s", removed_line(one))
                record("fleet_alarm", {"found": "removed", **one.model_dump(include={"site", "removed", "people"})})
                book.file.put_removal(one.model_copy(update={"told": True}))
    except EdgefaceError as error:
        return [f"fleet: {error}"]
    return [removed_line(one) for one in found]
