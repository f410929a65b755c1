"""A journal row as a JSON object."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeface.journal.rows import Entry


def row_object(entry: Entry) -> str:
    """A row as one line of JSON, as it is exported."""
    row = entry.row
    payload = None if entry.redacted or entry.altered else json.loads(row.payload)
    whole = {"seq": entry.seq, "id": row.id, "kind": row.kind, "at": row.at, "payload": payload, "link": entry.link}
    return json.dumps({**whole, "altered": True} if entry.altered else whole, ensure_ascii=False)
