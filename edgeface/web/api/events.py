"""The REST interface: the journal."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.responses import StreamingResponse

from edgeface.core.clock import rfc3339
from edgeface.core.text import printable
from edgeface.web.api import device_models
from edgeface.web.http.operation import Call, Media, Operation, reply, require_disk
from edgeface.web.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.responses import Response

    from edgeface.journal.journal import Journal
    from edgeface.journal.rows import StoredRow

VERIFY_SECONDS = 10.0
"""Seconds between two verifications, which read the whole journal."""

MAX_READ = 5_000
"""Rows that are read for one answer."""

_PAGE = 500
_FACTS = ("person", "unknown", "who", "camera", "door")
"""Filters that compare the facts of a row."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2})")


class _Part(NamedTuple):
    """Rows that match, oldest first."""

    rows: list[StoredRow]
    edge: int | None
    """The row that was read last; None if none was."""
    more: bool
    """Whether the journal may have more that match."""


def rows(call: Call) -> Response:
    """List rows, oldest first."""
    query, journal = call.query, call.context.journal
    forward = query.after is not None
    found, edge, more = _part(journal, query)
    if forward:
        before, after = (found[0].seq if found else None), (query.after if edge is None else edge)
    else:
        before, after = (edge if more else None), (found[-1].seq if found else journal.head()[0])
    return reply(device_models.Rows(rows=[_api_row(one) for one in found], before=before, after=after))


def _part(journal: Journal, query: Any) -> _Part:
    """The rows after `after`, otherwise the newest before `before`; reads MAX_READ rows at most."""
    forward = query.after is not None
    batch = _PAGE if _needs_facts(query) else query.limit
    chosen = {
        **_chosen(query),
        "after": query.after or 0,
        "before": query.before,
        "first" if forward else "last": batch,
    }
    found: list[StoredRow] = []
    edge: int | None = None
    for _ in range(MAX_READ // _PAGE):
        page = journal.rows(**chosen)
        require_disk(journal.problem)
        for entry in page if forward else reversed(page):
            edge = entry.seq
            found += [entry] if _matches(query, entry) else []
            if len(found) == query.limit:
                return _Part(found if forward else found[::-1], edge, more=True)
        if len(page) < batch:
            return _Part(found if forward else found[::-1], edge, more=False)
        chosen["after" if forward else "before"] = edge
    return _Part(found if forward else found[::-1], edge, more=True)


def verify(call: Call) -> Response:
    """Verify the journal's chain."""
    with call.request.app.state.verifying.taken():
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
    journal, query = call.context.journal, call.query
    first = journal.rows(**_chosen(query), first=_PAGE)
    require_disk(journal.problem)
    headers = {"Content-Disposition": 'attachment; filename="edgeface-journal.jsonl"'}
    return StreamingResponse(_lines(journal, query, first), 200, headers, "application/jsonl")


def _lines(journal: Journal, query: Any, page: list[StoredRow]) -> Iterator[str]:
    """The lines; a read error raises, so that a partial export does not look complete."""
    chosen = _chosen(query)
    while page:
        yield "".join(f"{entry.to_json()}\n" for entry in page if _matches(query, entry))
        page = journal.rows(**chosen, after=page[-1].seq, first=_PAGE)
        require_disk(journal.problem)


def _chosen(query: Any) -> dict[str, Any]:
    """What the journal selects without reading the facts."""
    return {
        "kinds": (*query.kind, *query.kinds),
        "who": query.person or query.unknown or query.who,
        "since": None if query.since is None else wall_of(query.since, "since"),
        "until": None if query.until is None else wall_of(query.until, "until", end=True),
    }


def _needs_facts(query: Any) -> bool:
    """Whether rows that the journal selects may still not match."""
    return any(getattr(query, name) is not None for name in _FACTS)


def _matches(query: Any, entry: StoredRow) -> bool:
    """Whether the facts of a row match; those of a redacted or altered row are not known."""
    wanted = {name: value for name in _FACTS if (value := getattr(query, name)) is not None}
    if not wanted:
        return True
    facts = {} if entry.redacted or entry.altered else json.loads(entry.row.payload)
    about = {facts.get("person"), facts.get("unknown")}
    return all(value in about if name == "who" else facts.get(name) == value for name, value in wanted.items())


def wall_of(text: str, name: str, *, end: bool = False) -> float:
    """The wall seconds of a time, or of the start of a day in UTC, or of its `end`.

    Raises Problem 422, with the parameter's `name`.
    """
    with suppress(ValueError, OverflowError):
        if _DAY.fullmatch(text):
            start = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=timezone.utc)
            return (start + timedelta(days=end)).timestamp()
        if _TIME.fullmatch(text):
            # Python 3.10 requires six digits after the seconds.
            padded = re.sub(r"\.(\d+)", lambda found: f".{found[1]:0<6}", text.upper().replace("Z", "+00:00"))
            return datetime.fromisoformat(padded).timestamp()
    raise Problem(
        422, detail=f"{name}: {printable(text)} is not a day or a time; write 2026-11-22 or 2026-11-22T08:15:00Z"
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
              {200: Media("application/jsonl", {"type": "string"})}, query=device_models.RowFilter),
)  # fmt: skip
"""The journal."""
