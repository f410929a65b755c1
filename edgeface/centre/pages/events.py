"""The page about the events of all devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.routing import Route

from edgeface.centre.admins.guard import rights_in
from edgeface.centre.pages.render import PAGE, account_of, centre_of, moment, render, require
from edgeface.centre.records import EventQuery
from edgeface.centre.views.event_search import look
from edgeface.core import event_kinds
from edgeface.core.text import is_id
from edgeface.web.auth.guard import viewer
from edgeface.web.http.operation import cursor_of, key_of
from edgeface.web.pages.render import page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from edgeface.centre.records import EventRecord

_SHOWN = ("unknown", "reason", "factor", "version", "key", "by")
"""Facts that the column "What" has, in this order."""
_LONGEST = 100
_IDS = ("site", "person", "device", "camera", "door")


def events(request: Request) -> Response:
    """The events that match, the latest first; the journal has who looked at whose."""
    context, rights, query = centre_of(request), rights_in(request), request.query_params
    wanted = {name: query.get(name, "").strip() for name in (*_IDS, "kind", "since", "until")}
    wrong = [name for name in _IDS if wanted[name] and not is_id(wanted[name])]
    if wanted["site"] and not wrong:
        require(request, wanted["site"])
    sites = [one.site for one in context.store.sites() if rights.allow(one.site, "viewer")]
    found = () if wrong else look(context.store, _query(request, wanted, rights.sites), account_of(request))
    shown = found[:PAGE]
    kept = {name: value for name, value in wanted.items() if value}
    return render(
        request,
        "events.html",
        wanted=wanted,
        wrong=wrong,
        sites=sites,
        rows=[(one, event_kinds.of(one.kind), _person(one), _what(one)) for one in shown],
        older=urlencode({**kept, "cursor": cursor_of(shown[-1].key)}) if len(found) > PAGE else None,
        newest=None if "cursor" not in query else urlencode(kept),
    )


def _query(request: Request, wanted: Mapping[str, str], sites: tuple[str, ...] | None) -> EventQuery:
    cursor = request.query_params.get("cursor")
    before: Any = None if cursor is None else key_of(cursor, (float, str, str))
    chosen = {name: wanted[name] or None for name in ("person", "device", "camera", "door", "kind")}
    return EventQuery(
        sites=(wanted["site"],) if wanted["site"] else sites,
        since=moment(request, "since"),
        until=moment(request, "until", end=True),
        before=before,
        limit=PAGE + 1,
        **chosen,
    )


def _person(one: EventRecord) -> tuple[str, str]:
    """Id and name of who is in it; empty if there is no one, or nothing is known of them any more."""
    facts = one.facts or {}
    return _text(facts, "person"), _text(facts, "name")


def _what(one: EventRecord) -> str:
    """What else the device has said, in words. A stolen device may say anything: only text and numbers are shown."""
    facts, parts = one.facts or {}, []
    score, threshold = facts.get("score"), facts.get("threshold")
    if isinstance(score, float):
        parts.append(f"score {score:.2f}" + (f" of {threshold:.2f}" if isinstance(threshold, float) else ""))
    parts += [f"{name} {text}" for name in _SHOWN if (text := _text(facts, name))]
    return ", ".join(parts)


def _text(facts: Mapping[str, Any], name: str) -> str:
    value = facts.get(name)
    return value[:_LONGEST] if isinstance(value, str) else ""


ROUTES = [Route("/events", viewer(page(events)))]
"""The page about events."""
