from __future__ import annotations

from typing import Any

import pytest

from edgeface.demo.door import ALLOWED, AcceptedGrant, door_faults, office_faults, typing_moments
from edgeface.demo.run import TRUTH

REPLAYED: dict[str, Any] = {"accepted": False, "reason": "replayed"}
# The allowed person's visits of the clip begin at 2.4 and 22.5 s.
RIGHT = ((ALLOWED, 3.0), (ALLOWED, 23.5))


@pytest.mark.parametrize(
    ("openings", "switched", "answer", "faults"),
    [
        (RIGHT, 2, REPLAYED, []),
        (RIGHT, 2, {"accepted": False, "reason": "nonce"}, []),
        (RIGHT[:1], 1, REPLAYED, ["opened 0 times instead of once", "switched on 1 times"]),
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
    lines = door_faults(accepted, switched, answer, TRUTH, 1000.0)
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
        (((ALLOWED, 3.0),), 1, ["opened 0 times", "1 grants, 1 openings"]),
        (((ALLOWED, 23.0),), 1, ["opened 0 times", "alone"]),
        ((("joe_biden", 15.0), (ALLOWED, 24.5)), 2, ["alone"]),
        (((ALLOWED, 24.5),), 2, ["1 grants, 2 openings"]),
    ],
)
def test_what_the_door_with_a_keypad_did_wrong_is_listed(
    openings: tuple[tuple[str, float], ...], switched: int, faults: list[str]
) -> None:
    accepted = [AcceptedGrant(person, 1000.0 + at, b"") for person, at in openings]
    lines = office_faults(accepted, switched, TRUTH, 1000.0)
    assert len(lines) == len(faults)
    assert all(part in line for part, line in zip(faults, lines, strict=True))
