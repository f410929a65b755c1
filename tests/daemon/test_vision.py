from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from edgeface.core.types import Event, Frame
from edgeface.daemon.vision import HANG_SECONDS, Health
from tests.recognition.test_pipeline import LEFT, RIGHT, run
from tests.support.clock import FixedClock
from tests.support.film import film


def frame(monotonic: float, camera: str = "porch") -> Frame:
    return Frame(camera, 0, monotonic, 0.0, np.zeros((2, 2, 3), np.uint8))


def test_age_is_that_of_the_newest_processed_frame_of_a_camera() -> None:
    clock = FixedClock(100.0)
    health = Health(clock)
    assert health.age("porch") is None
    health.processed(frame(99.5))
    health.processed(frame(99.9, "yard"))
    clock.now = 102.0
    assert health.age("porch") == pytest.approx(2.5)
    assert health.age("yard") == pytest.approx(2.1)
    assert health.age("cellar") is None


def test_the_watchdog_is_fed_while_processing_advances_and_not_when_it_hangs() -> None:
    clock = FixedClock(100.0)
    health = Health(clock)
    for _ in range(20):
        clock.now += 1
        health.processed(frame(clock.now))
        assert health.alive(online=True)
    clock.now += HANG_SECONDS + 0.1
    assert not health.alive(online=True)


def test_an_inference_that_hangs_from_the_first_frame_on_is_noticed() -> None:
    clock = FixedClock(100.0)
    health = Health(clock)
    clock.now += HANG_SECONDS - 0.1
    assert health.alive(online=True)
    clock.now += 0.2
    assert not health.alive(online=True)


def test_an_unplugged_camera_makes_no_restart_storm() -> None:
    clock = FixedClock(100.0)
    health = Health(clock)
    health.processed(frame(100.0))
    for _ in range(1000):
        clock.now += 5
        assert health.alive(online=False)
    clock.now += 1
    assert health.alive(online=True), "the first frames after an hour have their time to be processed"
    clock.now += HANG_SECONDS
    assert not health.alive(online=True)


def test_working_off_stale_frames_is_no_progress() -> None:
    clock = FixedClock(100.0)
    health = Health(clock)
    clock.now += HANG_SECONDS + 1
    health.processed(frame(100.0))
    assert not health.alive(online=True)


@pytest.mark.parametrize(("age", "allowed"), [(0.0, True), (0.99, True), (1.01, False), (60.0, False), (-0.5, False)])
def test_only_a_decision_on_a_fresh_frame_may_be_a_match(age: float, allowed: bool) -> None:  # noqa: FBT001 - a parameter
    assert Health(FixedClock(100.0)).may_match(frame(100.0 - age)) is allowed


def test_a_jump_of_the_wall_clock_changes_nothing() -> None:
    clock = FixedClock(100.0, epoch=1e9)
    health = Health(clock)
    for epoch in (1e9 - 31_536_000, 1e9 + 31_536_000):
        clock.epoch = epoch
        assert health.may_match(frame(99.5))
        assert not health.may_match(frame(98.5))


@cache
def visits() -> tuple[Frame, ...]:
    """Somebody who is enrolled and somebody who is not come and go."""
    return tuple(film((0.4, ()), (1.4, (RIGHT, LEFT)), (3.0, ())))


@cache
def undisturbed() -> list[Event]:
    return run(visits())


@settings(max_examples=3, deadline=None, derandomize=True, phases=[Phase.generate])
@given(
    st.lists(
        st.tuples(
            st.integers(0, 70), st.sampled_from([3600.0, -3600.0, 31_536_000.0, -31_536_000.0]) | st.floats(-1e9, 1e9)
        ),
        min_size=1,
        max_size=6,
    )
)
def test_jumps_of_the_wall_clock_change_no_decision(jumps: list[tuple[int, float]]) -> None:
    walls = np.full(len(visits()), 2e9)
    for at, by in jumps:
        walls[min(at, len(walls) - 1) :] += by
    events = run(replace(frame, wall=float(wall)) for frame, wall in zip(visits(), walls, strict=True))
    assert sorted(event.type for event in events) == ["left", "left", "match", "unknown"]
    assert [replace(event, captured_at=0.0, id="") for event in events] == [
        replace(event, captured_at=0.0, id="") for event in undisturbed()
    ]
