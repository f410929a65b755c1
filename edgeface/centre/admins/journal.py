"""The centre's REST interface: the journal and the accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.centre.admins import event_models as models
from edgeface.centre.admins.guard import centre, require_right, rights_of
from edgeface.centre.records import JournalQuery
from edgeface.centre.views.journal_search import people_of, read_journal
from edgeface.core.clock import rfc3339
from edgeface.web.api.events import wall_of
from edgeface.web.auth import accounts as account_file
from edgeface.web.http.operation import Call, Operation, cursor_of, key_of, reply

if TYPE_CHECKING:
    from starlette.responses import Response


def journal(call: Call) -> Response:
    """List who did or saw what, the latest first; what belongs to no site is for admins of all sites."""
    query, rights, store = call.query, rights_of(call), centre(call).store
    if query.site is not None:
        require_right(call, query.site, "admin")
    wanted = JournalQuery(
        sites=rights.sites if query.site is None else (query.site,),
        by=query.by,
        what=None if query.what is None else (query.what,),
        since=None if query.since is None else wall_of(query.since, "since"),
        until=None if query.until is None else wall_of(query.until, "until", end=True),
        before=None if query.cursor is None else key_of(query.cursor, (int,))[0],
        limit=query.limit + 1,
    )
    found, people = read_journal(store, wanted, query.person), people_of(store, rights.sites)
    shown = found[: query.limit]
    rows = [
        models.JournalRow(
            number=one.n,
            at=rfc3339(one.at),
            by=one.by,
            what=one.what,
            sites=[site for site in one.sites if rights.allow(site, "viewer")],
            person=people[one.person][1].id if one.person is not None and one.person in people else None,
            facts=dict(one.facts),
        )
        for one in shown
    ]
    return reply(models.JournalRows(rows=rows, next=cursor_of((shown[-1].n,)) if len(found) > len(shown) else None))


def accounts(call: Call) -> Response:
    """List the accounts."""
    require_right(call, None, "admin")
    rights = call.request.app.state.rights
    found = []
    for one in sorted(account_file.read(centre(call).settings.data), key=lambda one: (one.name, one.kind)):
        its = rights.of(one.name, one.kind)
        found.append(
            models.AccountOf(
                name=one.name,
                kind=its.kind,
                role=its.role,
                sites=None if its.sites is None else list(its.sites),
                created=rfc3339(one.created),
                expires=None if one.expires is None else rfc3339(one.expires),
            )
        )
    return reply(models.Accounts(accounts=found))


OPERATIONS = (
    Operation("GET", "/journal", "admin", "journal", "List who did or saw what, the latest first", journal,
              {200: models.JournalRows}, query=models.JournalPage),
    Operation("GET", "/accounts", "admin", "accounts", "List who may use the centre", accounts,
              {200: models.Accounts}),
)  # fmt: skip
"""All operations on the journal and the accounts."""
