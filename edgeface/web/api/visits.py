"""The REST interface: visits."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from edgeface.core.clock import DAY, rfc3339
from edgeface.web.api import visit_models
from edgeface.web.api.events import wall_of
from edgeface.web.http.operation import Call, Operation, reply, require_disk
from edgeface.web.today.search import cameras_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.responses import Response

    from edgeface.journal.visits import Visit

_DAYS = 30


def visits(call: Call) -> Response:
    """List visits, the latest first."""
    query, context = call.query, call.context
    wall = context.clock.wall()
    until = wall + 1.0 if query.until is None else wall_of(query.until, "until", end=True)
    since = wall - _DAYS * DAY if query.since is None else wall_of(query.since, "since")
    if query.who is None:
        every = context.visits.before(context.journal, until, since, wall, cameras_of(context))
    else:
        every = _about(call, query.who, wall)
    matching = (one for one in every if since <= one.first_seen < until and query.camera in {None, one.camera})
    found = list(islice(matching, query.limit))
    more = next(matching, None)
    while more is not None and _millisecond(more) == _millisecond(found[-1]):
        # The next answer has what began before this millisecond.
        found.append(more)
        more = next(matching, None)
    require_disk(context.journal.problem)
    with context.gallery() as gallery:
        names = {one.id: one.name for one in gallery.people()}
    return reply(
        visit_models.Visits(
            visits=[_api_visit(one, names) for one in found],
            until=None if more is None else rfc3339(_millisecond(found[-1]) / 1000),
        )
    )


def _millisecond(visit: Visit) -> int:
    return int(visit.first_seen * 1000)


def _about(call: Call, who: str, wall: float) -> Iterator[Visit]:
    context, before = call.context, None
    while True:
        page = context.visits.about(context.journal, [who], wall, cameras_of(context), before)
        yield from page.visits
        before = page.older
        if before is None:
            return


def _api_visit(visit: Visit, names: Mapping[str, str]) -> visit_models.Visit:
    return visit_models.Visit(
        first_seen=rfc3339(visit.first_seen),
        last_seen=rfc3339(visit.last_seen),
        in_view=not visit.over,
        kind=visit.kind,
        person=visit.person,
        name=names.get(visit.person or "", visit.name),
        unknown=visit.unknown,
        camera=visit.camera,
        doors=[visit_models.DoorUse(**use._asdict()) for use in visit.doors],
        event=visit.event,
        corrected=visit.corrected,
    )


OPERATIONS = (
    Operation("GET", "/visits", "viewer", "journal", "List who came, with first and last time and doors", visits,
              {200: visit_models.Visits}, query=visit_models.VisitsQuery, errors=(503,)),
)  # fmt: skip
"""Visits."""
