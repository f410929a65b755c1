from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from edgeface.access.schedules import DAYS, WeeklySchedule, days, minutes

BERLIN = "Europe/Berlin"


def schedule(week: dict[str, list[str]], zone: str = BERLIN) -> WeeklySchedule:
    return WeeklySchedule.model_validate({"zone": zone, "week": week})


def at(text: str, zone: str = BERLIN, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


CLEANING = schedule({"mon-fri": ["07:00-12:00"], "sat": ["09:00-10:30", "22:00-24:00"]})


@pytest.mark.parametrize(
    ("moment", "covered"),
    [
        ("2026-11-23T06:59:59", False),
        ("2026-11-23T07:00:00", True),
        ("2026-11-27T11:59:59", True),
        ("2026-11-27T12:00:00", False),
        ("2026-11-28T09:00:00", True),
        ("2026-11-28T10:30:00", False),
        ("2026-11-28T23:59:59", True),
        ("2026-11-29T00:00:00", False),
        ("2026-11-29T08:00:00", False),
    ],
)
def test_a_span_begins_with_its_minute_and_ends_before_its_last(moment: str, *, covered: bool) -> None:
    assert CLEANING.covers(at(moment)) is covered


def test_the_same_moment_is_another_hour_in_another_zone() -> None:
    early = {"mon-sun": ["07:00-08:00"]}
    moment = at("2026-11-23T07:30:00")
    assert schedule(early).covers(moment)
    assert not schedule(early, "America/New_York").covers(moment)
    assert schedule({"mon": ["01:00-02:00"]}, "America/New_York").covers(moment)


def test_the_hour_that_summer_time_skips_is_not_there_and_the_one_it_repeats_counts_twice() -> None:
    night = schedule({"sun": ["02:00-03:00"]})
    before = at("2026-03-29T01:59:59")
    assert [night.covers(before + n) for n in (0, 1, 3600)] == [False, False, False]
    first, second = at("2026-10-25T02:30:00"), at("2026-10-25T02:30:00", fold=1)
    assert second - first == 3600
    assert night.covers(first)
    assert night.covers(second)
    assert not night.covers(second + 1800)


def test_seven_in_the_morning_is_seven_in_summer_and_in_winter() -> None:
    for day in ("2026-03-27", "2026-03-30", "2026-10-23", "2026-10-26"):
        assert CLEANING.covers(at(f"{day}T07:00:00"))
        assert not CLEANING.covers(at(f"{day}T06:59:59"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mon", (0,)),
        ("mon-fri", (0, 1, 2, 3, 4)),
        ("sat-mon", (5, 6, 0)),
        ("sun-sun", (6,)),
        ("tue-mon", (1, 2, 3, 4, 5, 6, 0)),
    ],
)
def test_days(text: str, expected: tuple[int, ...]) -> None:
    assert days(text) == expected


@pytest.mark.parametrize("text", ["", "monday", "Mon", "mon-", "-fri", "mon-fri-sun", "mon,tue", "mon fri"])
def test_what_is_no_day(text: str) -> None:
    with pytest.raises(ValueError, match="not a day"):
        days(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7:00-12:00",
        "07:00",
        "07:00-07:00",
        "12:00-07:00",
        "22:00-24:01",
        "22:00-06:00",
        "24:00-24:00",
        "07:60-08:00",
        "25:00-26:00",
        "07:00-12:00 ",
        "07:00-12:00\n",
        "\u0660\u0667:00-12:00",
    ],
)
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(ValueError, match="span"):
        minutes(text)


@pytest.mark.parametrize(
    ("zone", "week", "says"),
    [
        ("Mars/Base", {"mon": ["07:00-08:00"]}, "not a time zone"),
        ("../../../etc/passwd", {"mon": ["07:00-08:00"]}, "not a time zone"),
        ("/etc/localtime", {"mon": ["07:00-08:00"]}, "not a time zone"),
        ("Europe", {"mon": ["07:00-08:00"]}, "not a time zone"),
        ("", {"mon": ["07:00-08:00"]}, "not a time zone"),
        ("UTC\0", {"mon": ["07:00-08:00"]}, "not a time zone"),
        ("UTC", {}, "at least 1"),
        ("UTC", {"mon": []}, "at least 1"),
        ("UTC", {"mon": ["07:00-08:00", "07:59-09:00"]}, "overlap on mon"),
        ("UTC", {"mon-fri": ["07:00-08:00"], "fri": ["06:00-07:01"]}, "overlap on fri"),
        ("UTC", {"mon": [700]}, "valid string"),
    ],
)
def test_a_schedule_that_means_nothing_is_refused(zone: str, week: dict[str, list[Any]], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        schedule(week, zone)


def test_spans_may_touch() -> None:
    assert schedule({"mon": ["07:00-08:00", "08:00-09:00"], "tue": ["00:00-24:00"]}).covers(at("2026-11-23T08:00:00"))


@settings(max_examples=60)
@given(
    start=st.integers(0, 1438),
    length=st.integers(1, 1440),
    first=st.integers(0, 6),
    moment=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)),  # noqa: DTZ001 - hypothesis adds the zone
    zone=st.sampled_from([BERLIN, "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"]),
)
def test_it_goes_by_what_a_clock_on_the_wall_shows(
    start: int, length: int, first: int, moment: datetime, zone: str
) -> None:
    end = min(1440, start + length)
    span = f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
    wall = moment.replace(tzinfo=ZoneInfo("UTC")).timestamp()
    shown = moment.replace(tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo(zone))
    midnight = shown.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    elapsed = shown.replace(tzinfo=None) - midnight
    expected = shown.weekday() == first and timedelta(minutes=start) <= elapsed < timedelta(minutes=end)
    assert schedule({DAYS[first]: [span]}, zone).covers(wall) is expected
