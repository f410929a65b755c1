"""Rows of a device's audit topic."""

from __future__ import annotations

import json
from typing import Any

from edgeface.centre.records import AuditRow
from edgeface.core.clock import rfc3339
from edgeface.core.events import event_id, event_time
from tests.support.centre import NOW


def match(number: int, at: float | None = None, **facts: Any) -> dict[str, Any]:
    """A late match of Alice at the porch; `number` makes its id."""
    wall = NOW + number / 1000 if at is None else at
    return {
        "v": 1, "event_type": "match", "id": event_id(wall, "boot", number), "seq": number, "device": "front",
        "camera": "porch", "captured_at": rfc3339(wall), "late": True, "person": "alice", "name": "Alice Unmistakable",
        "score": 0.7123, "box": [412, 120, 520, 260], **facts,
    }  # fmt: skip


def audit_row(facts: dict[str, Any], at: float = NOW, device: str = "front") -> AuditRow:
    """The row as the store takes it."""
    wall = at if "id" not in facts else _wall(facts)
    return AuditRow(
        device=device,
        id=facts.get("id") or event_id(wall, "boot", 0),
        at=wall,
        kind=facts["event_type"],
        camera=facts.get("camera"),
        door=facts.get("door"),
        person=facts.get("person"),
        facts=json.dumps(facts).encode(),
    )


def _wall(facts: dict[str, Any]) -> float:
    found = event_time(facts["id"])
    assert found is not None
    return found
