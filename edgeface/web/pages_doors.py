"""The doors: whether each could open now, and what became of those who asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.routing import Route

from edgeface.web import rows
from edgeface.web.auth import viewer
from edgeface.web.render import fresh, pairs, render, site_of
from edgeface.web.strings_device import REFUSALS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from edgeface.doors import Door
    from edgeface.web.rows import Line
    from edgeface.web.site import Site

_KINDS = ("granted", "refused", "opened", "rejected")
_ROWS, _LAST = 400, 8
_FRESH = 60.0


class Shown(NamedTuple):
    """A door as the page shows it."""

    name: str
    door: Door
    facts: dict[str, Any]
    """As the state has it."""
    refused: list[tuple[str, int]]
    """How often, by reason in words."""
    tone: str
    last: list[Line]


def routes() -> list[Route]:
    """The page about doors."""
    return [Route("/doors", viewer(fresh(doors)))]


def doors(request: Request) -> Response:
    """Each door; those that cannot open come first."""
    site = site_of(request)
    state = site.glass.state
    last = [rows.line_of(entry) for entry in reversed(site.journal.rows(kinds=_KINDS, last=_ROWS))]
    shown = [_shown(site, name, door, last) for name, door in site.configuration().doors.items()]
    order = ("bad", "warn", "ok")
    return render(
        request,
        "doors.html",
        doors=sorted(shown, key=lambda one: order.index(one.tone)),
        unsynced=state.get("clock") == "unsynced",
    )


def _shown(site: Site, name: str, door: Door, last: list[Line]) -> Shown:
    facts: dict[str, Any] = dict(site.glass.state.get("doors", {}).get(name, {}))
    age = facts.get("nonce_age")
    tone = "bad" if facts.get("problem") else "warn" if age is None or age > _FRESH else "ok"
    own = [line for line in last if line.door == name][:_LAST]
    return Shown(name, door, facts, pairs(facts.get("refused", {}), REFUSALS), tone, own)
