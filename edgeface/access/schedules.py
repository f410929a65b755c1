"""Weekly schedules: when somebody may come in, by the wall clock of a time zone."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import pairwise
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, field_validator

from edgeface.core.settings import Settings

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}")
_SPAN = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")
_DAY = 24 * 60
_MOST = 24

Minutes = tuple[int, int]
"""From and until, since midnight by the wall clock; until is exclusive."""


def days(text: str) -> tuple[int, ...]:
    """The days that `mon`, `mon-fri` or `sat-mon` names, from 0 for Monday; ValueError when it is none of these."""
    first, dash, last = text.partition("-")
    if first not in DAYS or (dash and last not in DAYS):
        raise ValueError(f"not days: mon, or mon-fri; known are {', '.join(DAYS)}")
    start = DAYS.index(first)
    count = (DAYS.index(last) - start) % 7 + 1 if dash else 1
    return tuple((start + day) % 7 for day in range(count))


def minutes(text: str) -> Minutes:
    """The minutes that `07:00-12:00` names; ValueError when it is no span of one day."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError('not a span of time: "07:00-12:00", until "24:00" at most')
    hours, minute, last, until = (int(part) for part in found.groups())
    span = (hours * 60 + minute, last * 60 + until)
    if not span[0] < span[1] <= _DAY:
        raise ValueError("a span ends after it begins, on the same day; write one for each side of midnight")
    return span


def _checked_days(text: str) -> str:
    days(text)
    return text


def _checked_span(text: str) -> str:
    minutes(text)
    return text


def _checked_zone(text: str) -> str:
    try:
        # The name becomes a path below the system's time zones.
        known = _ZONE.fullmatch(text) is not None and bool(ZoneInfo(text).key)
    except (KeyError, ValueError, OSError):
        known = False
    if not known:
        raise ValueError("not a time zone that this machine knows, as Europe/Berlin")
    return text


Days = Annotated[str, AfterValidator(_checked_days)]
Span = Annotated[str, AfterValidator(_checked_span)]
Spans = Annotated[tuple[Span, ...], Field(strict=False, min_length=1, max_length=_MOST)]


class WeeklySchedule(Settings):
    """When somebody may come in, week by week."""

    zone: Annotated[str, Field(max_length=64), AfterValidator(_checked_zone)]
    """Time zone, by its name in the IANA database."""
    week: Annotated[dict[Days, Spans], Field(min_length=1, max_length=len(DAYS) ** 2)]
    """By day, or days: the spans in which the door opens."""

    @field_validator("week")
    @classmethod
    def _apart(cls, week: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for day, spans in enumerate(_by_day(week)):
            if any(after[0] < before[1] for before, after in pairwise(sorted(spans))):
                raise ValueError(f"spans overlap on {DAYS[day]}")
        return week

    def covers(self, wall: float) -> bool:
        """Whether a moment, in wall seconds, lies in a span.

        It goes by what a clock on the wall shows: an hour that daylight saving time skips is not there, and one that
        it repeats counts twice.
        """
        local = datetime.fromtimestamp(wall, ZoneInfo(self.zone))
        minute = local.hour * 60 + local.minute
        return any(start <= minute < end for start, end in _by_day(self.week)[local.weekday()])


def _by_day(week: dict[str, tuple[str, ...]]) -> list[list[Minutes]]:
    """The spans of each day, from Monday."""
    spans: list[list[Minutes]] = [[] for _ in DAYS]
    for names, given in week.items():
        for day in days(names):
            spans[day] += [minutes(span) for span in given]
    return spans
