"""What is shown of a device's part in a fleet; nothing personal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edgeface.core.text import counted

if TYPE_CHECKING:
    from edgeface.core.clock import Clock
    from edgeface.fleet.device.book import Book


@dataclass(slots=True)
class Counters:
    """Counts of one run."""

    wrong: dict[str, int] = field(default_factory=dict)
    """Digests that were not the centre's, by site."""
    reached: dict[str, float] = field(default_factory=dict)
    """Monotonic seconds of the last answer about a site."""
    conflicts: int = 0
    """Changes made here that the centre has refused because it has others."""


def report(book: Book, counters: Counters, clock: Clock) -> dict[str, Any]:
    """The part `fleet` of the state."""
    now, wall = clock.monotonic(), clock.wall()
    sites = {
        name: {
            "seq": max(0, site.seq),
            "policy": site.policy,
            "people": sum(one.site == name and one.state == "matched" for one in book.people.values()),
            "behind": round(now - counters.reached[name]) if name in counters.reached else _since(site.reached, wall),
            "lease": None if site.lease is None else max(0, round(site.lease.remaining(wall))),
            "digest_wrong": counters.wrong.get(name, 0),
        }
        for name, site in book.sites.items()
    }
    return {"joined": bool(sites), "sites": sites, "proposals": len(book.waiting), "conflicts": counters.conflicts}


def _since(reached: float, wall: float) -> int | None:
    return max(0, round(wall - reached)) if reached else None


def problems(book: Book, counters: Counters, last: str | None) -> tuple[str, ...]:
    """What a person has to do something about."""
    found = [] if last is None else [last]
    if not book.sites:
        found.append("fleet: this device has not joined: edgeface fleet join URL CODE")
    taken = sum(one.state == "taken" for one in book.people.values())
    if taken:
        whose = counted(taken, "person of the centre has", "people of the centre have")
        found.append(f"fleet: {whose} an id that someone else has here: edgeface fleet status lists them")
    if counters.conflicts:
        changes = counted(counters.conflicts, "change", "changes")
        found.append(f"fleet: the centre did not take {changes} made here, because it has others")
    return tuple(found)
