"""`make arm64` apart from the emulation: what counts as the same."""

from __future__ import annotations

from typing import Any

import pytest

from tools.arm64.__main__ import CLOSE, LEVELS, MOVED, PIXELS, events_agree, steps_agree


def event(score: float | None = 0.7, second: float = 3.0, person: str | None = "ada") -> dict[str, Any]:
    return {
        "event_type": "match" if person else "unknown",
        "person": person,
        "unknown": None if person else "u-1234",
        "camera": "clip",
        "captured_at": f"1970-01-01T00:00:{second:06.3f}Z",
        "score": score,
    }


def measured(shift: float = 0.0, reason: str | None = None, levels: int = 0, turn: float = 0.0) -> dict[str, Any]:
    face = {"reason": reason, "landmarks": [[10.0 + shift, 20.0]], "embedding": [1.0 - turn, turn]}
    return {"levels": levels, "faces": {"photo": [face], "frame-000": []}}


def test_the_same_is_the_same() -> None:
    assert events_agree([event(), event(None)], [event(), event(None)]) == (
        ["2 of 2", "ada", "same frame 0.0000, another frame 0.0000"],
        True,
    )
    assert steps_agree(measured(), measured()) == (["0 of 255", "0.000 px", "1.0000, 1 faces"], True)


@pytest.mark.parametrize(
    ("other", "agrees"),
    [
        (event(0.7 + 0.9 * CLOSE), True),
        (event(0.7 + 1.1 * CLOSE), False),
        (event(0.7 + 0.9 * MOVED, 3.067), True),
        (event(0.7 + 1.1 * MOVED, 3.067), False),
        (event(0.7, 3.267), False),
        (event(None, 3.267), False),
        (event(0.7, person="bob"), False),
        (event(0.7, person=None), False),
    ],
)
def test_an_event_may_differ_by_so_much(other: dict[str, Any], *, agrees: bool) -> None:
    assert events_agree([other], [event()])[1] is agrees


def test_every_event_counts() -> None:
    assert not events_agree([event()], [event(), event()])[1]
    assert not events_agree([], [event()])[1]


@pytest.mark.parametrize(
    ("other", "agrees"),
    [
        (measured(shift=0.9 * PIXELS), True),
        (measured(shift=1.1 * PIXELS), False),
        (measured(turn=0.01), False),
        (measured(levels=LEVELS), True),
        (measured(levels=LEVELS + 1), False),
        (measured(reason="blurred"), False),
        ({"levels": 0, "faces": {"photo": [], "frame-000": []}}, False),
    ],
)
def test_a_picture_may_differ_by_so_much(other: dict[str, Any], *, agrees: bool) -> None:
    assert steps_agree(other, measured())[1] is agrees
