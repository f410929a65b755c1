"""The pages about who did or saw what, and about accounts; for admins."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args
from urllib.parse import urlencode

from starlette.routing import Route

from edgeface.centre.admins.guard import rights_in
from edgeface.centre.pages.render import PAGE, centre_of, moment, render, require
from edgeface.centre.records import JournalKind, JournalQuery
from edgeface.centre.views.journal_search import people_of, read_journal
from edgeface.web.auth import accounts as account_file
from edgeface.web.auth.guard import admin
from edgeface.web.pages.render import number, page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

KINDS: tuple[JournalKind, ...] = get_args(JournalKind)


def journal(request: Request) -> Response:
    """The rows of the sites of an admin, the latest first; what belongs to no site is for admins of all sites."""
    store, rights, query = centre_of(request).store, rights_in(request), request.query_params
    wanted = {name: query.get(name, "").strip()[:100] for name in ("by", "what", "person", "since", "until")}
    chosen = JournalQuery(
        sites=rights.sites,
        by=wanted["by"] or None,
        what=tuple(one for one in KINDS if one == wanted["what"]) or None,
        since=moment(request, "since"),
        until=moment(request, "until", end=True),
        before=number(request, "before"),
        limit=PAGE + 1,
    )
    found = read_journal(store, chosen, wanted["person"] or None)
    shown, kept = found[:PAGE], {name: value for name, value in wanted.items() if value}
    return render(
        request,
        "journal.html",
        rows=shown,
        people=people_of(store, rights.sites),
        wanted=wanted,
        kinds=KINDS,
        older=urlencode({**kept, "before": shown[-1].n}) if len(found) > PAGE else None,
        newest=None if "before" not in query else urlencode(kept),
    )


def accounts(request: Request) -> Response:
    """Who may use the centre."""
    require(request, None, "admin")
    context, rights = centre_of(request), request.app.state.rights
    found = [(one, rights.of(one.name, one.kind)) for one in account_file.read(context.settings.data)]
    return render(request, "accounts.html", rows=sorted(found, key=lambda one: (one[0].name, one[0].kind)))


ROUTES = [
    Route("/journal", admin(page(journal))),
    Route("/accounts", admin(page(accounts))),
]
"""The pages for admins."""
