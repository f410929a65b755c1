"""When discovery is published again."""

from __future__ import annotations

import itertools

from edgeface.mqtt.outgoing import REPUBLISH_DELAY, REPUBLISH_SECONDS, Republication
from tests.support.clock import FixedClock


def test_a_start_is_answered_after_a_moment_once() -> None:
    clock = FixedClock()
    births = Republication(clock)
    assert not births.due()
    births.request()
    assert not births.due()
    clock.sleep(REPUBLISH_DELAY)
    assert births.due()
    assert not births.due()


def test_starts_that_never_end_are_answered_twice_a_minute() -> None:
    clock = FixedClock()
    births, answered = Republication(clock), list[float]()
    for _ in range(1300):
        births.request()
        if births.due():
            answered.append(clock.now)
        clock.sleep(0.1)
    assert len(answered) == 5
    assert all(later - earlier >= REPUBLISH_SECONDS for earlier, later in itertools.pairwise(answered))


def test_a_start_right_after_an_answer_is_not_forgotten() -> None:
    clock = FixedClock()
    births = Republication(clock)
    births.request()
    clock.sleep(REPUBLISH_DELAY)
    assert births.due()
    births.request()
    clock.sleep(REPUBLISH_SECONDS - 0.1)
    assert not births.due()
    clock.sleep(0.1)
    assert births.due()
