"""The pages about the device: the live view, doors, health and sign-in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.routing import Route

from edgeface.core import board
from edgeface.core.event_kinds import kinds
from edgeface.web import strings
from edgeface.web.auth.guard import public, viewer
from edgeface.web.auth.login import local
from edgeface.web.pages import rows
from edgeface.web.pages.faults import disk_of, faults
from edgeface.web.pages.render import fresh, page, pairs, render, site_of
from edgeface.web.strings import REFUSALS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from edgeface.access.policy import Door
    from edgeface.web.pages.rows import Line
    from edgeface.web.site import WebContext

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
    """The pages about the device: live view, doors, health, sign-in."""
    return [
        Route("/doors", viewer(fresh(doors))),
        Route("/health", viewer(fresh(health))),
        Route("/", viewer(page(live))),
        Route("/login", login),
    ]


def doors(request: Request) -> Response:
    """Each door; those that cannot open come first."""
    site = site_of(request)
    state = site.hub.state
    last = [rows.line_of(entry) for entry in reversed(site.journal.rows(kinds=kinds("door"), last=_ROWS))]
    shown = [_shown(site, name, door, last) for name, door in site.configuration().doors.items()]
    order = ("bad", "warn", "ok")
    return render(
        request,
        "doors.html",
        doors=sorted(shown, key=lambda one: order.index(one.tone)),
        unsynced=state.get("clock") == "unsynced",
    )


def _shown(site: WebContext, name: str, door: Door, last: list[Line]) -> Shown:
    facts: dict[str, Any] = dict(site.hub.state.get("doors", {}).get(name, {}))
    age = facts.get("nonce_age")
    tone = "bad" if facts.get("problem") else "warn" if age is None or age > _FRESH else "ok"
    own = [line for line in last if line.door == name][:_LAST]
    return Shown(name, door, facts, pairs(facts.get("refused", {}), REFUSALS), tone, own)


def health(request: Request) -> Response:
    """The state, problems first."""
    site = site_of(request)
    state = site.hub.state
    uptime = int(state.get("uptime", 0))
    return render(
        request,
        "health.html",
        state=state,
        faults=faults(site),
        cameras={
            name: (camera, pairs(camera.get("not_judged", {}), strings.REASONS))
            for name, camera in state.get("cameras", {}).items()
        },
        uptime={"days": uptime // 86_400, "hours": uptime // 3600 % 24, "minutes": uptime // 60 % 60},
        disk=disk_of(site.configuration().data),
        memory=board.peak_rss() / 1e6,
        broker=site.configuration().mqtt is not None,
        waiting=site.journal.unsaid_count(),
        head=site.journal.facts(),
    )


_LATEST = 8


def live(request: Request) -> Response:
    """Each camera with its picture; what is wrong comes first."""
    site = site_of(request)
    configuration, state = site.configuration(), site.hub.state
    words = {"labels": strings.LABELS, "reasons": strings.REASONS, "score": strings.LIVE_SCORE}
    return render(
        request,
        "live.html",
        cameras={
            name: (camera, state.get("cameras", {}).get(name, {})) for name, camera in configuration.cameras.items()
        },
        faults=faults(site),
        smallest=configuration.quality.height,
        words=words,
        lines=rows.find(site.journal, rows.Filter()).lines[:_LATEST],
        head=site.journal.facts()["seq"] or 0,
    )


@public
async def login(request: Request) -> Response:
    """Ask for a name and a secret; `wrong` and `wait` say why it is asked again."""
    asked = request.query_params
    wait = asked.get("wait", "")
    return render(
        request,
        "login.html",
        wrong="wrong" in asked,
        wait=wait if wait.isascii() and wait.isdigit() else None,
        after=local(asked.get("next", "/")),
    )
