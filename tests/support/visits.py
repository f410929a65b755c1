"""Rows of the journal that visits are made of, as the daemon writes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from edgeface.core.events import event_id
from edgeface.journal.rows import JournalRow

if TYPE_CHECKING:
    from collections.abc import Iterator

BOOT = "b00t"
CAMERA = "porch"


def announced(
    at: float, track: int, kind: str = "match", *, person: str | None = None, unknown: str | None = None,
    camera: str = CAMERA, boot: str = BOOT, **facts: Any,
) -> JournalRow:  # fmt: skip
    """The row of an event that announces a face."""
    name = None if person is None else person.capitalize()
    wire = {"event_type": kind, "boot": boot, "camera": camera, "track": track, "person": person, "name": name}
    id_ = event_id(at, f"{boot} {camera} {kind}", track)
    return JournalRow(id_, kind, at, json.dumps({**wire, "unknown": unknown, "score": 0.7, **facts}))


def left(at: float, track: int, seconds: float, **facts: Any) -> JournalRow:
    """The row of a face that has left after so many seconds in view."""
    return announced(at, track, "left", seconds=seconds, **facts)


def visit(at: float, track: int, seconds: float = 20.0, **facts: Any) -> Iterator[JournalRow]:
    """A whole visit."""
    kind = "match" if facts.get("person") else "unknown"
    yield announced(at, track, kind, **facts)
    yield left(at + seconds + 2.0, track, seconds, **facts)


def noted(kind: str, at: float, number: int = 0, **facts: Any) -> JournalRow:
    """The row of an action or a decision."""
    return JournalRow(event_id(at, kind, number), kind, at, json.dumps(facts))
