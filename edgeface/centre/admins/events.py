"""The centre's REST interface: events of devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.centre.admins import event_models as models
from edgeface.centre.admins.guard import by, centre, require_right, rights_of
from edgeface.centre.records import EventQuery
from edgeface.centre.views.event_search import look
from edgeface.core.clock import rfc3339
from edgeface.web.api.events import wall_of
from edgeface.web.http.operation import Call, Operation, cursor_of, key_of, reply

if TYPE_CHECKING:
    from starlette.responses import Response

    from edgeface.centre import records


def events(call: Call) -> Response:
    """List events of the sites that the caller may see, the latest first."""
    query = call.query
    if query.site is not None:
        require_right(call, query.site, "viewer")
    found = look(
        centre(call).store,
        EventQuery(
            sites=rights_of(call).sites if query.site is None else (query.site,),
            person=query.person,
            device=query.device,
            kind=query.kind,
            camera=query.camera,
            door=query.door,
            since=None if query.since is None else wall_of(query.since, "since"),
            until=None if query.until is None else wall_of(query.until, "until", end=True),
            before=_before(query.cursor),
            limit=query.limit + 1,
        ),
        by(call),
    )
    shown = found[: query.limit]
    following = cursor_of(shown[-1].key) if len(found) > len(shown) else None
    return reply(models.Events(events=[_event(one) for one in shown], next=following))


def _before(cursor: str | None) -> tuple[float, str, str] | None:
    if cursor is None:
        return None
    at, id_, device = key_of(cursor, (float, str, str))
    return at, id_, device


def _event(one: records.EventRecord) -> models.Event:
    return models.Event(
        at=rfc3339(one.at),
        device=one.device,
        id=one.id,
        sites=list(one.sites),
        kind=one.kind,
        camera=one.camera,
        door=one.door,
        facts=None if one.facts is None else dict(one.facts),
    )


OPERATIONS = (
    Operation("GET", "/events", "viewer", "events", "List events of devices, the latest first", events,
              {200: models.Events}, query=models.EventsQuery, errors=(403,)),
)  # fmt: skip
"""All operations on events."""
