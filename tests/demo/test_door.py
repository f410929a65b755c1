from __future__ import annotations

from typing import Any

import pytest

from edgeface.demo.door import (
    ALLOWED,
    AcceptedGrant,
    allowed_visits,
    contact_faults,
    door_faults,
    office_faults,
    relay_faults,
    typing_moments,
)
from edgeface.demo.scenario import TRUTH
from edgeface.demo.simulated_shelly import simulated_shelly
from edgeface.door.relays.http import HttpDriver
from tests.support.broker import until

REPLAYED: dict[str, Any] = {"accepted": False, "reason": "replayed"}
# The allowed person's visits of the clip begin at 2.4 and 22.5 s.
RIGHT = ((ALLOWED, 3.0), (ALLOWED, 23.5))


@pytest.mark.parametrize(
    ("openings", "switched", "answer", "faults"),
    [
        (RIGHT, 2, REPLAYED, []),
        (RIGHT, 2, {"accepted": False, "reason": "nonce"}, []),
        (RIGHT[:1], 1, REPLAYED, ["opened 0 times instead of once", "switched on 1 time"]),
        ((*RIGHT, ("joe_biden", 15.0)), 3, REPLAYED, ["opened for joe_biden", "switched on 3 times"]),
        ((*RIGHT, (ALLOWED, 9.0)), 3, REPLAYED, ["switched on 3 times"]),
        ((*RIGHT, (ALLOWED, 24.0)), 2, REPLAYED, ["opened 2 times instead of once"]),
        (RIGHT, 2, {"accepted": True, "reason": None}, ["replayed grant: accepted"]),
        (RIGHT, 2, {"accepted": False, "reason": "malformed"}, ["replayed grant: malformed"]),
        (RIGHT, 2, None, ["did not answer"]),
    ],
)
def test_what_the_door_did_wrong_is_listed(
    openings: tuple[tuple[str, float], ...], switched: int, answer: dict[str, Any] | None, faults: list[str]
) -> None:
    accepted = [AcceptedGrant(person, 1000.0 + at, b"") for person, at in openings]
    found = door_faults(accepted, switched, answer, allowed_visits(TRUTH), lambda wall: wall - 1000.0)
    lines = [finding.text for finding in found]
    assert len(lines) == len(faults)
    assert all(part in line for part, line in zip(faults, lines, strict=True))


def test_the_pin_is_typed_in_front_of_someone_else_and_then_by_its_owner() -> None:
    assert typing_moments(TRUTH) == pytest.approx((8.93, 23.53))


@pytest.mark.parametrize(
    ("openings", "switched", "faults"),
    [
        (((ALLOWED, 24.5),), 1, []),
        ((), 0, ["opened 0 times instead of once"]),
        (((ALLOWED, 3.0), (ALLOWED, 24.5)), 2, ["face or a PIN alone: 2 grants"]),
        (((ALLOWED, 3.0),), 1, ["opened 0 times", "1 grant, 1 opening"]),
        (((ALLOWED, 23.0),), 1, ["opened 0 times", "alone"]),
        ((("joe_biden", 15.0), (ALLOWED, 24.5)), 2, ["alone"]),
        (((ALLOWED, 24.5),), 2, ["1 grant, 2 openings"]),
    ],
)
def test_what_the_door_with_a_keypad_did_wrong_is_listed(
    openings: tuple[tuple[str, float], ...], switched: int, faults: list[str]
) -> None:
    accepted = [AcceptedGrant(person, 1000.0 + at, b"") for person, at in openings]
    lines = [finding.text for finding in office_faults(accepted, switched, TRUTH, lambda wall: wall - 1000.0)]
    assert len(lines) == len(faults)
    assert all(part in line for part, line in zip(faults, lines, strict=True))


@pytest.mark.parametrize(
    ("on", "switched", "opened", "expected"),
    [
        (False, 2, 2, []),
        (True, 2, 2, ["the relay is still on"]),
        (False, 1, 2, ["the relay was switched on 1 time, and the door reported 2"]),
    ],
)
def test_what_the_relay_did_wrong_is_listed(on: bool, switched: int, opened: int, expected: list[str]) -> None:  # noqa: FBT001 - pytest names it
    assert [finding.text for finding in relay_faults(on, switched, opened)] == expected


def test_the_simulated_shelly_is_one_that_a_door_can_switch() -> None:
    with simulated_shelly() as (shelly, settings):
        driver = HttpDriver(settings)
        driver.on(0.5)
        assert driver.is_on()
        until(lambda: shelly.on)
        until(lambda: not shelly.on, 2)
        assert not driver.is_on()
        driver.on(9)
        driver.off()
        assert not shelly.on
        assert shelly.switched == 2
        assert shelly.answer("/rpc/Shelly.Reboot") is None


@pytest.mark.parametrize(
    ("contacts", "switched", "expected"),
    [
        (["unknown", "shut", "open", "shut"], 1, []),
        (["shut"], 1, ["the contact opened 0 times, and the relay 1"]),
        (["shut", "forced", "shut"], 0, ["the contact was forced"]),
    ],
)
def test_a_contact_that_does_not_follow_the_relay_is_a_fault(
    contacts: list[str | None], switched: int, expected: list[str]
) -> None:
    assert [finding.text for finding in contact_faults(contacts, switched)] == expected
