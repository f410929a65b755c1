"""What a device says of somebody, for tests of whoever tells it on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgeface.core.clock import SystemClock
from edgeface.core.events import event_id
from edgeface.core.types import Box, Event

_CLOCK = SystemClock()


def an_event(seq: int = 1, age: float = 0.0, **changes: Any) -> Event:
    """Alice's match, captured `age` seconds ago; the same `seq` has the same id."""
    event = Event(
        type="match",
        id=event_id(1.0, "5f0c", seq),
        boot="5f0c",
        seq=seq,
        device="front",
        camera="porch",
        track=seq,
        monotonic=_CLOCK.monotonic() - age,
        captured_at=_CLOCK.wall() - age,
        box=Box(412, 120, 520, 260),
        frame_size=(1280, 720),
        faces_in_view=1,
        model="mobilefacenet-int8:1a2b3c4d",
        person="alice",
        name="Alice",
        score=0.7123,
        threshold=0.584,
    )
    return replace(event, **changes)
