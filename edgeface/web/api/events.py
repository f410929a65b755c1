"""The REST interface: the journal."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from starlette.responses import StreamingResponse

from edgeface.core.clock import rfc3339
from edgeface.core.text import printable
from edgeface.web.api import device_models
from edgeface.web.http.operation import Call, Media, Operation, reply, require_disk
from edgeface.web.http.problems import Problem
from edgeface.web.http.throttle import Cooldown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.responses import Response

    from edgeface.journal.journal import Journal
    from edgeface.journal.rows import StoredRow

VERIFY_SECONDS = 10.0
"""Seconds between two verifications, which read the whole journal."""

_PAGE = 500
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2})")
_VERIFYING = Cooldown(VERIFY_SECONDS)


def rows(call: Call) -> Response:
    """List rows, oldest first."""
    query, journal = call.query, call.context.journal
    chosen = _chosen(query)
    forward = query.after is not None
    end = {"first": query.limit} if forward else {"last": query.limit}
    found = journal.rows(**chosen, after=query.after or 0, before=query.before, **end)
    require_disk(journal.problem)
    more = not forward and len(found) == query.limit
    last = found[-1].seq if found else query.after
    return reply(
        device_models.Rows(
            rows=[_api_row(one) for one in found],
            before=found[0].seq if found and (more or forward) else None,
            after=journal.head()[0] if last is None else last,
        )
    )


def verify(call: Call) -> Response:
    """Verify the journal's chain."""
    with _VERIFYING.taken(call.context.clock):
        found = call.context.journal.verify()
    return reply(
        device_models.Verified(
            intact=found.fault is None,
            rows=found.rows,
            redacted=found.redacted,
            head=found.head,
            fault=found.fault,
        )
    )


def export(call: Call) -> Response:
    """Export every row as a line of JSON."""
    journal, chosen = call.context.journal, _chosen(call.query)
    first = journal.rows(**chosen, first=_PAGE)
    require_disk(journal.problem)
    headers = {"Content-Disposition": 'attachment; filename="edgeface-journal.jsonl"'}
    return StreamingResponse(_lines(journal, chosen, first), 200, headers, "application/jsonl")


def _lines(journal: Journal, chosen: dict[str, Any], page: list[StoredRow]) -> Iterator[str]:
    """The lines; a read error raises, so that a partial export does not look complete."""
    while page:
        yield "".join(f"{entry.to_json()}\n" for entry in page)
        page = journal.rows(**chosen, after=page[-1].seq, first=_PAGE)
        require_disk(journal.problem)


def _chosen(query: Any) -> dict[str, Any]:
    return {"kinds": tuple(query.kinds), "who": query.who, "since": None if query.since is None else _wall(query.since)}


def _wall(text: str) -> float:
    """The wall seconds of a time, or of the start of a day in UTC."""
    with suppress(ValueError, OverflowError):
        if _DAY.fullmatch(text):
            return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=timezone.utc).timestamp()
        if _TIME.fullmatch(text):
            # Python 3.10 requires six digits after the seconds.
            padded = re.sub(r"\.(\d+)", lambda found: f".{found[1]:0<6}", text.upper().replace("Z", "+00:00"))
            return datetime.fromisoformat(padded).timestamp()
    raise Problem(
        422, detail=f"since: {printable(text)} is not a day or a time; write 2026-11-22 or 2026-11-22T08:15:00Z"
    )


def _api_row(entry: StoredRow) -> device_models.Row:
    row = entry.row
    return device_models.Row(
        seq=entry.seq,
        id=row.id,
        kind=row.kind,
        at=rfc3339(row.at),
        facts=None if entry.redacted or entry.altered else json.loads(row.payload),
        redacted=entry.redacted,
        altered=entry.altered,
        link=entry.link,
    )


OPERATIONS = (
    Operation("GET", "/events", "viewer", "journal", "List events, decisions and actions", rows,
              {200: device_models.Rows}, query=device_models.RowsQuery, errors=(503,)),
    Operation("GET", "/audit/verify", "admin", "journal", "Check that the journal is as edgeface wrote it", verify,
              {200: device_models.Verified}, errors=(429,)),
    Operation("GET", "/audit/export", "admin", "journal", "Get the journal as JSON lines", export,
              {200: Media("application/jsonl", {"type": "string"})}, query=device_models.ExportQuery),
)  # fmt: skip
"""The journal."""
