"""The policy of wrong factors: the lock of a person at a door, and the bucket of a door."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.security.attempts import BURST, LOCK, MAX_LOCK, MAX_WRONG, REFILL, DoorAttempts, PersonAttempts


def wrong(times: int, now: float = 0.0) -> PersonAttempts:
    attempts = PersonAttempts()
    for _ in range(times):
        attempts = attempts.charged(now)
    return attempts


def test_the_fifth_wrong_pin_in_a_row_locks_for_15_minutes() -> None:
    assert not wrong(MAX_WRONG - 1).locked(0.0)
    locked = wrong(MAX_WRONG)
    assert (MAX_WRONG, LOCK) == (5, 900)
    assert (locked.locked(0.0), locked.locked(LOCK - 0.1), locked.locked(LOCK)) == (True, True, False)


def test_each_further_wrong_pin_doubles_the_lock_up_to_four_hours() -> None:
    attempts, now, lengths = wrong(MAX_WRONG), 0.0, []
    for _ in range(6):
        now = attempts.until
        attempts = attempts.charged(now)
        lengths.append(attempts.until - now)
    assert lengths == [1800, 3600, 7200, MAX_LOCK, MAX_LOCK, MAX_LOCK]


def test_a_restart_shortens_no_lock() -> None:
    locked = wrong(MAX_WRONG, now=50_000.0)
    again = PersonAttempts.of(locked.facts()).restarted(3.0)
    assert (again.locked(3.0 + LOCK - 1), again.locked(3.0 + LOCK)) == (True, False)
    assert PersonAttempts.of(wrong(2).facts()).restarted(3.0) == wrong(2)


@given(st.lists(st.floats(0, 1000), max_size=60))
def test_a_door_never_takes_more_wrong_factors_than_its_rate_allows(waits: list[float]) -> None:
    attempts, now, taken = DoorAttempts(), 0.0, 0
    for wait in waits:
        now += wait
        while not attempts.paused(now):
            attempts, taken = attempts.charged(now), taken + 1
    assert taken <= BURST + now / REFILL + 1e-6


def test_a_door_takes_ten_at_once_and_then_one_a_minute() -> None:
    attempts = DoorAttempts()
    for _ in range(10):
        assert not attempts.paused(100.0)
        attempts = attempts.charged(100.0)
    assert (attempts.paused(100.0), attempts.paused(159.9), attempts.paused(160.0)) == (True, True, False)
    assert attempts.left(1e9) == BURST


def test_a_restart_fills_no_bucket() -> None:
    attempts = DoorAttempts(2.0, at=50_000.0)
    assert DoorAttempts.of(attempts.facts()).restarted(3.0).left(3.0) == 2.0


@pytest.mark.parametrize("attempts", [PersonAttempts(), wrong(3), wrong(7), DoorAttempts(3.5, 9.0)])
def test_what_is_stored_is_read_as_it_was(attempts: PersonAttempts | DoorAttempts) -> None:
    facts = attempts.facts()
    assert all(math.isfinite(value) for value in facts.values())
    assert type(attempts).of(facts) == attempts


def test_nothing_stored_is_no_attempt() -> None:
    assert (PersonAttempts.of(None), DoorAttempts.of(None)) == (PersonAttempts(), DoorAttempts())
