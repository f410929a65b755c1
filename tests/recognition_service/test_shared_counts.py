"""The numbers that all workers see."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from edgeface.workers.shared_counts import SharedCounts, make

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN, OTHER = "0a1b" + "0" * 60, "0a1c" + "0" * 60


@pytest.fixture(name="memory")
def _memory() -> Iterator[int]:
    handle = make(2)
    yield handle
    os.close(handle)


def test_the_counts_of_all_workers_are_added_up(memory: int) -> None:
    first, second, supervisor = SharedCounts(memory, 0), SharedCounts(memory, 1), SharedCounts(memory)
    first.answered(200, 0.03)
    second.answered(200, 9.0)
    second.answered(418, 0.1)
    second.saw("match")
    second.saw("a label of the future")
    first.set("workers_ready", 1)
    second.set("workers_ready", 1)
    supervisor.set("people", 7)
    for one in (first, second, supervisor):
        assert one.get("status 200") == 2
        assert one.get("status 0") == 1
        assert (one.get("label match"), one.get("label uncertain")) == (1, 1)
        assert (one.get("bucket 5"), one.get("bucket 12")) == (1, 1)
        assert one.get("seconds") == pytest.approx(9.03)
        assert (one.get("workers_ready"), one.get("people")) == (2, 7)
    supervisor.clear(1)
    assert (first.get("workers_ready"), first.get("status 200")) == (1, 2)


def test_a_token_has_a_burst_and_then_its_rate_over_all_workers(memory: int) -> None:
    workers = [SharedCounts(memory, 0), SharedCounts(memory, 1)]
    allowed = [at for at in range(600) if workers[at % 2].wait(TOKEN, at / 10, 60) == 0]
    # A burst of 10 s, and one each second.
    assert allowed[:10] == list(range(10))
    assert 68 <= len(allowed) <= 70
    assert workers[0].wait(OTHER, 60.0, 60) == 0


def test_it_says_how_long_to_wait(memory: int) -> None:
    counts = SharedCounts(memory, 0)
    waits = [counts.wait(TOKEN, 5.0, 6) for _ in range(3)]
    assert waits[0] == 0
    assert waits[1] == waits[2] == pytest.approx(10.0)
    assert counts.wait(TOKEN, 15.1, 6) == 0


def test_a_refused_request_does_not_count(memory: int) -> None:
    counts = SharedCounts(memory, 0)
    for _ in range(1000):
        counts.wait(TOKEN, 0.0, 6)
    assert counts.wait(TOKEN, 10.1, 6) == 0
