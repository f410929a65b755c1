"""The time zone of a browser: its script keeps the name in a cookie; without one, days are days in UTC."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from starlette.requests import Request

COOKIE = "edgeface_zone"
"""The cookie with a name of the IANA time zone database, percent-encoded; static/times.js sets it."""

_LONGEST = 100
"""Characters of the cookie that are read."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class Span(NamedTuple):
    """A day from its midnight to the next, in wall seconds."""

    since: float
    until: float


def zone_of(request: Request) -> tzinfo:
    """The zone of the browser that sends a request; UTC if it sends none that this machine knows."""
    name = unquote(request.cookies.get(COOKIE, "")[:_LONGEST])
    try:
        # It reads files of the database only: a path that leads out of it is a ValueError.
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        # No zone, or a folder or another file of the database.
        return timezone.utc


def zone_name(zone: tzinfo) -> str:
    """The name that a browser knows a zone by."""
    return zone.key if isinstance(zone, ZoneInfo) else "UTC"


def day_of(wall: float, zone: tzinfo) -> str:
    """The day of wall seconds in a zone: 2026-11-22."""
    return datetime.fromtimestamp(wall, zone).date().isoformat()


def span_of(day: str, zone: tzinfo) -> Span | None:
    """The span of a day in a zone, of 23 to 25 hours; None if the text is no day."""
    if not _DAY.fullmatch(day):
        return None
    try:
        start = date.fromisoformat(day)
        return Span(_midnight(start, zone), _midnight(start + timedelta(days=1), zone))
    except (ValueError, OverflowError):
        return None


def iso(wall: float, zone: tzinfo) -> str:
    """Wall seconds as ISO 8601 text with the offset of a zone, to the second: 2026-11-22T09:15:02+01:00."""
    return datetime.fromtimestamp(wall, zone).isoformat(timespec="seconds")


def _midnight(day: date, zone: tzinfo) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
