"""`edgeface fleet events`: what the devices have said, at the centre."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from edgeface.centre.records import EventQuery
from edgeface.centre.views.event_search import look
from edgeface.cli import listing
from edgeface.core.clock import DAY, rfc3339
from edgeface.core.console import say
from edgeface.core.errors import UsageError
from edgeface.core.text import check_id, printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from edgeface.centre.context import CentreContext
    from edgeface.centre.records import EventRecord

_FIXED = ("v", "event_type", "id", "device", "camera", "door", "at", "sent_at", "late")
"""What a line has already, or has no use for."""


def show_events(context: CentreContext, words: Sequence[str], arguments: argparse.Namespace) -> None:
    """Print events, the latest last."""
    for site in words:
        context.store.site(site)
    for name in ("person", "device", "camera", "door"):
        if (one := getattr(arguments, name)) is not None:
            check_id(one)
    if arguments.last < 1:
        raise UsageError("--last: 1 or more")
    until = listing.start_of_day(arguments.until, "--until")
    found = look(
        context.store,
        EventQuery(
            sites=tuple(words) or None,
            person=arguments.person,
            device=arguments.device,
            camera=arguments.camera,
            door=arguments.door,
            since=listing.start_of_day(arguments.since, "--since"),
            until=None if until is None else until + DAY,
            limit=arguments.last,
        ),
        "command-line",
    )
    for one in reversed(found):
        say(_json(one) if arguments.json else _line(one))


def _json(one: EventRecord) -> str:
    fixed = {"at": rfc3339(one.at), "device": one.device, "id": one.id, "sites": one.sites, "kind": one.kind}
    return json.dumps({**fixed, "camera": one.camera, "door": one.door, "facts": one.facts})


def _line(one: EventRecord) -> str:
    start = f"{rfc3339(one.at)}  {one.device:<12}  {one.door or one.camera or '-':<12}  {printable(one.kind):<9}"
    if one.facts is None:
        return f"{start}  forgotten, or not known here"
    facts = {key: value for key, value in one.facts.items() if key not in _FIXED}
    return f"{start}  {listing.facts_line(one.kind, facts)}"
