"""Tells when the centre had many people erased at once: that may be right, or someone else controls the centre."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from edgeface.core.errors import EdgefaceError
from edgeface.gallery.snapshot import day

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgeface.core.clock import Clock
    from edgeface.fleet.device.book import Book
    from edgeface.fleet.device.records import Removal

log = logging.getLogger(__name__)


def removed_line(one: Removal) -> str:
    """What the centre had this device erase at once."""
    people = f"{one.removed} of {one.people} people of {one.site}"
    return f"fleet: the centre had {people} erased since {day(one.began)}: if it was right, edgeface fleet acknowledge"


def alarms(book: Book, clock: Clock, record: Callable[[str, Mapping[str, Any]], None]) -> list[str]:
    """The removals that no one has acknowledged, one line each; new ones are recorded in the journal."""
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
