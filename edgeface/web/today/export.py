"""Visits as CSV, for a spreadsheet."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from edgeface.web.http.time_zone import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import tzinfo

    from edgeface.journal.visits import Visit

CSV_COLUMNS = (
    "first_seen", "last_seen", "kind", "person", "name", "unknown", "camera", "opened", "refused", "in_view", "event",
)  # fmt: skip
"""The first line of the file; its columns are named as in the REST interface."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def lines(visits: Iterable[Visit], zone: tzinfo, name_of: Callable[[Visit], str]) -> Iterator[str]:
    """The lines of the file (RFC 4180), the times in ISO 8601 with the offset of a zone.

    A cell that a spreadsheet would take for a formula begins with an apostrophe.
    """
    yield _line(CSV_COLUMNS)
    for visit in visits:
        yield _line(_cells(visit, zone, name_of(visit)))


def _cells(visit: Visit, zone: tzinfo, name: str) -> tuple[str, ...]:
    opened = " ".join(use.door for use in visit.doors if use.outcome == "opened")
    refused = " ".join(use.door for use in visit.doors if use.outcome in {"refused", "rejected"})
    return (
        iso(visit.first_seen, zone),
        iso(visit.last_seen, zone),
        visit.kind,
        visit.person or "",
        name,
        visit.unknown or "",
        visit.camera,
        opened,
        refused,
        "no" if visit.over else "yes",
        visit.event,
    )


def _line(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells])
    return text.getvalue()
