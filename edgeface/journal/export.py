"""A journal row as a JSON object."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeface.journal.rows import StoredRow


def row_object(stored: StoredRow) -> str:
    """A row as one line of JSON, in the format of the export."""
    row = stored.row
    payload = None if stored.redacted or stored.altered else json.loads(row.payload)
    whole = {"seq": stored.seq, "id": row.id, "kind": row.kind, "at": row.at, "payload": payload, "link": stored.link}
    return json.dumps({**whole, "altered": True} if stored.altered else whole, ensure_ascii=False)
