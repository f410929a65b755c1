from __future__ import annotations

from typing import Any

import pytest

from edgeface.demo.door import ALLOWED, AcceptedGrant, door_faults
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
