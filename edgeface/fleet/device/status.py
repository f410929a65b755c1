"""What is shown of a device's part in a fleet; nothing personal."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from edgeface.core.clock import DAY
from edgeface.core.text import counted

if TYPE_CHECKING:
    from edgeface.core.clock import Clock
    from edgeface.fleet.device.book import Book


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
