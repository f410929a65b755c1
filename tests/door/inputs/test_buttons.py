"""Presses, a button that is stuck, rings, and the debouncing of every level."""

from __future__ import annotations

from edgeface.door.inputs.base import DEBOUNCE, Debouncer
from edgeface.door.inputs.buttons import RING_PAUSE, STUCK_SECONDS, Doorbell, PushButton


def test_a_level_counts_once_it_has_lasted_and_an_unknown_one_at_once() -> None:
    one = Debouncer()
    assert one.update(raw=False, now=0.0) is None
    assert one.update(raw=False, now=DEBOUNCE) is False
    now = 1.0
    for _ in range(20):
        now += DEBOUNCE / 3
        assert one.update(raw=True, now=now) is False
        assert not one.settled
        assert one.update(raw=False, now=now + DEBOUNCE / 6) is False
    assert one.update(raw=True, now=2.0) is False
    assert one.update(raw=True, now=2.1) is True
    assert one.settled
    assert one.update(raw=None, now=2.2) is None


def test_a_press_is_the_change_from_released_to_pressed_and_nothing_else() -> None:
    button = PushButton()
    assert [button.update(level, now) for now, level in enumerate([False, True, True, False, True])] == [
        False, True, False, False, True,
    ]  # fmt: skip


def test_a_button_that_is_found_pressed_is_no_press_until_it_was_released() -> None:
    button = PushButton()
    levels = [None, True, None, True, False, True]
    assert [button.update(level, float(now)) for now, level in enumerate(levels)] == [False] * 5 + [True]


def test_a_button_that_stays_pressed_is_stuck_and_works_again_afterwards() -> None:
    button = PushButton()
    steps = [
        (False, 0.0),
        (True, 1.0),
        (True, 0.9 + STUCK_SECONDS),
        (True, 1.0 + STUCK_SECONDS),
        (False, 40.0),
        (True, 41.0),
    ]
    assert [(button.update(level, now), button.stuck) for level, now in steps] == [
        (False, False), (True, False), (False, False), (False, True), (False, False), (True, False),
    ]  # fmt: skip


def test_a_flood_rings_once_per_pause_and_the_rest_is_counted() -> None:
    bell = Doorbell()
    for n in range(100):
        bell.ring(n * RING_PAUSE / 10)
    assert (bell.rings, bell.dropped) == (10, 90)
    assert bell.rung_at == 90 * RING_PAUSE / 10
