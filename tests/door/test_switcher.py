"""The switch of a relay: its time, its readings, and how often it tries again."""

from __future__ import annotations

import itertools
import time

import pytest

from edgeface.core.clock import SystemClock
from edgeface.door.relays import switcher as switchers
from edgeface.door.relays.base import RelayError, RelayReport
from edgeface.door.relays.switcher import Switcher
from tests.support.broker import until


class Silent:
    """A device that obeys and never reports."""

    pace = 0.25
    repeats_off = False

    def __init__(self) -> None:
        self.calls: list[tuple[float, str]] = []
        self.closed = False

    def on(self, _seconds: float) -> None:
        self.calls.append((time.monotonic(), "on"))

    def off(self) -> None:
        self.calls.append((time.monotonic(), "off"))

    def is_on(self) -> bool:
        raise RelayError("it is silent")

    def close(self) -> None:
        self.closed = True

    def pauses(self) -> list[float]:
        ats = [at for at, _ in self.calls]
        return [round(after - before, 1) for before, after in itertools.pairwise(ats)]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switchers, "RETRY", 0.1)
    monkeypatch.setattr(switchers, "_TICK", 0.02)


@pytest.mark.usefixtures("quick")
def test_the_pauses_grow_only_while_it_is_off_as_far_as_is_known() -> None:
    device = Silent()
    one = Switcher(device, 1.0, SystemClock(), lambda: None)
    until(lambda: len(device.calls) >= 9, 5)
    pauses = device.pauses()
    assert max(pauses[:4]) <= 0.2
    assert pauses[6] >= 0.4
    began = time.monotonic()
    one.hold(began + 0.3)
    until(lambda: one.report == RelayReport(on=True, problem="it is silent"), 1)
    until(lambda: sum(word == "off" and at > began for at, word in device.calls) >= 8, 2)
    assert one.report.word == "not confirmed"
    one.close(1)
    assert device.closed


def test_a_report_has_one_of_three_words() -> None:
    reports = [RelayReport(), RelayReport(on=True), RelayReport(confirmed=True), RelayReport(on=True, confirmed=True)]
    assert [one.word for one in reports] == ["not confirmed", "not confirmed", "off", "on"]
