"""The events page: the journal as a table that updates itself, with filter, export and verification."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from edgeface.core.clock import rfc3339
from edgeface.core.text import counted
from edgeface.journal.verification import is_link_start
from edgeface.people.corrections import correctable_after
from edgeface.web.auth.guard import admin, viewer
from edgeface.web.http.time_zone import zone_name, zone_of
from edgeface.web.pages import rows
from edgeface.web.pages.render import Form, action, context_of, number, page, render
from edgeface.web.texts import strings

if TYPE_CHECKING:
    from starlette.requests import Request

    from edgeface.web.context import WebContext


def events(request: Request, verdict: tuple[str, str] | None = None) -> Response:
    """Rows of the journal, newest first; `verdict` is the tone and the text of a verification."""
    context, wanted = context_of(request), _wanted(request)
    before = number(request, "before")
    found = rows.find(context.journal, wanted, before)
    return render(
        request,
        "events.html",
        found=found,
        wanted=wanted,
        verdict=verdict,
        cameras=list(context.configuration().face_cameras),
        newest=before is None,
        zone=zone_name(zone_of(request)),
        head=context.journal.facts()["seq"] or 0,
        correctable=_correctable(context),
        older=None if found.older is None else urlencode({**wanted.parts, "before": found.older}),
        query=urlencode(wanted.parts),
    )


def new_rows(request: Request) -> Response:
    """The rows after `after`, for the page's script: as rows of the table, or as items of the `list`."""
    wanted, after = _wanted(request), number(request, "after")
    found = rows.find(context_of(request).journal, wanted, after=after or 0)
    template = "event_list.html" if "list" in request.query_params else "event_rows.html"
    return render(request, template, lines=found.lines, correctable=_correctable(context_of(request)))


def _wanted(request: Request) -> rows.EventFilter:
    return rows.EventFilter.of(request.query_params, zone_of(request))


def _correctable(context: WebContext) -> float:
    return correctable_after(context.configuration(), context.clock.wall())


def export(request: Request) -> Response:
    """The filtered rows as JSON lines."""
    context = context_of(request)
    name = f"edgeface-{context.configuration().device}-{rfc3339(context.clock.wall())[:10]}.jsonl"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    lines = rows.export(context.journal, _wanted(request))
    return StreamingResponse(lines, media_type="application/x-ndjson", headers=headers)


def verify(request: Request, form: Form) -> Response:
    """Verify the chain, and find a link that was noted earlier."""
    head = form.text("head").lower()
    if head and not is_link_start(head):
        return events(request, ("bad", strings.EVENTS_BAD_HEAD))
    found = context_of(request).journal.verify(head)
    valid = counted(found.rows, *strings.ROW)
    if found.fault is not None:
        return events(request, ("bad", strings.EVENTS_FAULT.format(fault=found.fault, rows=valid)))
    if not found.known:
        return events(request, ("bad", strings.EVENTS_CUT.format(head=head)))
    text = strings.EVENTS_HOLDS.format(rows=valid, redacted=found.redacted, head=found.head[:16])
    return events(request, ("ok", text))


ROUTES = [
    Route("/events", viewer(page(events))),
    Route("/events/rows", viewer(page(new_rows))),
    Route("/events/export", admin(page(export))),
    Route("/events/verify", admin(action(verify)), methods=["POST"]),
]
"""The pages about the journal."""
