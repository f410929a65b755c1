"""Weekly schedules: when a door may open, by local time in a time zone."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import pairwise
from typing import Annotated, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, field_validator

from edgeface.core.settings import Settings

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}")
_SPAN = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")
_DAY = 24 * 60
_MAX_SPANS = 24

Minutes = tuple[int, int]
"""Start and end, in minutes since local midnight; the end is exclusive."""


def days(text: str) -> tuple[int, ...]:
    """The days of `mon`, `mon-fri` or `sat-mon`, with 0 for Monday; raises ValueError for anything else."""
    first, dash, last = text.partition("-")
    if first not in DAYS or (dash and last not in DAYS):
        raise ValueError(f"not a day or a range of days such as mon-fri; days are {', '.join(DAYS)}")
    start = DAYS.index(first)
    count = (DAYS.index(last) - start) % 7 + 1 if dash else 1
    return tuple((start + day) % 7 for day in range(count))


def minutes(text: str) -> Minutes:
    """The minutes of `07:00-12:00`; raises ValueError unless it is a span within one day."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError('not a time span such as "07:00-12:00"; the latest end is "24:00"')
    hours, minute, last, until = (int(part) for part in found.groups())
    span = (hours * 60 + minute, last * 60 + until)
    if not span[0] < span[1] <= _DAY:
        raise ValueError("a span must end after it starts, on the same day; split it at midnight")
    return span


def _checked_days(text: str) -> str:
    days(text)
    return text


def _checked_span(text: str) -> str:
    minutes(text)
    return text


def _checked_zone(text: str) -> str:
    try:
        # ZoneInfo uses the name as a path below the system's time zones.
        known = _ZONE.fullmatch(text) is not None and bool(ZoneInfo(text).key)
    except (KeyError, ValueError, OSError):
        known = False
    if not known:
        raise ValueError("not a time zone of this machine, such as Europe/Berlin")
    return text


Days = Annotated[str, AfterValidator(_checked_days)]
Span = Annotated[str, AfterValidator(_checked_span)]
Spans = Annotated[
    tuple[Span, ...], Field(strict=False, min_length=1, max_length=_MAX_SPANS, examples=[["07:00-12:00"]])
]


class WeeklySchedule(Settings):
    """When a door may open, every week."""

    zone: Annotated[str, Field(max_length=64), AfterValidator(_checked_zone)]
    """Name of the time zone in the IANA database."""
    week: Annotated[dict[Days, Spans], Field(min_length=1, max_length=len(DAYS) ** 2)]
    """Time spans by day or range of days."""

    @field_validator("week")
    @classmethod
    def _no_overlap(cls, week: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for day, spans in enumerate(_by_day(week)):
            if any(after[0] < before[1] for before, after in pairwise(sorted(spans))):
                raise ValueError(f"spans overlap on {DAYS[day]}")
        return week

    def covers(self, wall: float) -> bool:
        """Whether a moment, in wall seconds, is in a span.

        Spans are in local time: an hour that daylight saving time skips does not exist, and an hour that it repeats
        counts twice.
        """
        local = datetime.fromtimestamp(wall, ZoneInfo(self.zone))
        minute = local.hour * 60 + local.minute
        return any(start <= minute < end for start, end in _by_day(self.week)[local.weekday()])


class BothSchedules(NamedTuple):
    """When two schedules both hold, each in its own time zone."""

    first: WeeklySchedule
    second: WeeklySchedule

    def covers(self, wall: float) -> bool:
        """As `WeeklySchedule.covers`."""
        return self.first.covers(wall) and self.second.covers(wall)


def _by_day(week: dict[str, tuple[str, ...]]) -> list[list[Minutes]]:
    """The spans of each day, from Monday."""
    spans: list[list[Minutes]] = [[] for _ in DAYS]
    for names, given in week.items():
        for day in days(names):
            spans[day] += [minutes(span) for span in given]
    return spans
