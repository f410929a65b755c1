"""The state of a door by its contact, without a clock of its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.door.inputs.contact import BOUNCE_SECONDS, DoorContact

HELD, GRACE = 30.0, 5.0


def shut_door(settle: float = 0.0) -> DoorContact:
    door = DoorContact(HELD, GRACE, settle)
    door.update(opened=False, now=100.0)
    assert door.word == "shut"
    return door


def test_nothing_is_known_before_the_first_level() -> None:
    assert DoorContact(HELD, GRACE).word == "unknown"


def test_a_door_that_opens_without_permission_is_forced_until_it_is_shut() -> None:
    door = shut_door()
    door.update(opened=True, now=101.0)
    assert (door.word, door.forced) == ("forced", 1)
    for now in (102.0, 101.0 + HELD + 1):
        door.allow(now)
        door.update(opened=True, now=now)
        assert (door.word, door.forced, door.held) == ("forced", 1, 0)
    door.update(opened=False, now=200.0)
    assert (door.word, door.forced) == ("shut", 1)
    door.update(opened=True, now=300.0)
    assert (door.word, door.forced) == ("forced", 2)


def test_a_door_that_bounces_off_its_frame_long_after_the_grant_is_no_forced_one() -> None:
    door = shut_door()
    door.allow(101.0)
    door.update(opened=True, now=102.0)
    # Its closer takes longer than the time of grace.
    for now, opened in ((115.0, False), (115.2, True), (115.4, False), (115.9, True), (116.1, False)):
        door.update(opened=opened, now=now)
    assert (door.word, door.forced, door.held) == ("shut", 0, 0)
    door.update(opened=True, now=116.1 + BOUNCE_SECONDS)
    assert (door.word, door.forced) == ("forced", 1)
    # Nor does a bounce end an alarm.
    door.update(opened=False, now=120.0)
    door.update(opened=True, now=120.5)
    assert (door.word, door.forced) == ("forced", 1)


def test_a_grant_and_the_relay_allow_an_opening_for_the_grace_time() -> None:
    for allow in (DoorContact.allow, DoorContact.relay_on):
        door = shut_door()
        allow(door, 101.0)
        door.update(opened=True, now=101.0 + GRACE)
        assert (door.word, door.forced) == ("open", 0)
        door = shut_door()
        allow(door, 101.0)
        door.update(opened=True, now=101.1 + GRACE)
        assert (door.word, door.forced) == ("forced", 1)


def test_a_door_that_stays_open_is_held_from_the_last_grant_on() -> None:
    door = shut_door()
    door.allow(101.0)
    door.update(opened=True, now=102.0)
    door.update(opened=True, now=102.0 + HELD - 0.1)
    assert door.word == "open"
    door.allow(120.0)
    door.update(opened=True, now=120.0 + HELD - 0.1)
    assert door.word == "open"
    door.update(opened=True, now=120.0 + HELD)
    assert (door.word, door.held, door.forced) == ("held", 1, 0)
    door.update(opened=True, now=900.0)
    assert (door.word, door.held) == ("held", 1)
    door.update(opened=False, now=901.0)
    assert (door.word, door.held) == ("shut", 1)


def test_a_relay_that_is_on_does_not_hide_that_the_door_is_held() -> None:
    door = shut_door()
    door.allow(101.0)
    for now in range(102, 134):
        door.relay_on(float(now))
        door.update(opened=True, now=float(now))
    assert door.word == "held"


def test_a_door_that_is_open_at_the_start_is_open_and_then_held() -> None:
    door = DoorContact(HELD, GRACE)
    door.update(opened=True, now=100.0)
    assert (door.word, door.forced) == ("open", 0)
    door.update(opened=True, now=100.0 + HELD)
    assert (door.word, door.held, door.forced) == ("held", 1, 0)


@pytest.mark.parametrize("alarm", ["forced", "held"])
def test_a_contact_that_is_gone_is_unknown_and_an_alarm_lasts_until_the_door_is_shut(alarm: str) -> None:
    door = shut_door()
    if alarm == "held":
        door.allow(101.0)
    door.update(opened=True, now=102.0)
    door.update(opened=True, now=102.0 + HELD)
    assert door.word == alarm
    door.update(opened=None, now=140.0)
    assert door.word == "unknown"
    door.update(opened=True, now=141.0)
    assert (door.word, door.forced + door.held) == (alarm, 1)
    door.update(opened=False, now=142.0)
    assert (door.word, door.forced + door.held) == ("shut", 1)


def test_a_door_that_is_open_after_its_contact_was_gone_is_no_forced_one() -> None:
    door = shut_door()
    door.update(opened=None, now=101.0)
    door.update(opened=True, now=102.0)
    assert (door.word, door.forced) == ("open", 0)


def test_a_relay_that_is_known_late_allows_an_opening_before_that() -> None:
    door = shut_door(settle=2.5)
    door.update(opened=True, now=101.0)
    assert door.word == "open"
    door.relay_on(103.0)
    door.update(opened=True, now=110.0)
    assert (door.word, door.forced) == ("open", 0)


def test_a_short_forced_opening_counts_also_where_the_relay_is_known_late() -> None:
    door = shut_door(settle=2.5)
    door.update(opened=True, now=101.0)
    door.update(opened=False, now=101.5)
    door.update(opened=False, now=103.5)
    assert (door.word, door.forced) == ("shut", 1)
    door.update(opened=True, now=200.0)
    door.update(opened=True, now=202.5)
    assert (door.word, door.forced) == ("forced", 2)


@given(
    st.lists(st.tuples(st.floats(0, 20), st.sampled_from([True, False, None]), st.booleans()), max_size=60),
    st.sampled_from([0.0, 2.5]),
)
def test_shut_is_never_claimed_without_a_contact_that_reports_it(
    steps: list[tuple[float, bool | None, bool]], settle: float
) -> None:
    door, now = DoorContact(HELD, GRACE, settle), 0.0
    for pause, level, allowed in steps:
        now += pause
        if allowed:
            door.allow(now)
        before = door.held, door.forced
        door.update(level, now)
        assert (door.word == "shut") is (level is False)
        assert (door.word == "unknown") is (level is None)
        assert all(0 <= new - old <= 1 for new, old in zip((door.held, door.forced), before, strict=True))
