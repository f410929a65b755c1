"""How the device is: what is wrong first, and then every figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from edgeface import board
from edgeface.web import strings
from edgeface.web.auth import viewer
from edgeface.web.faults import disk_of, faults
from edgeface.web.render import fresh, pairs, render, site_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


def routes() -> list[Route]:
    """The page about health."""
    return [Route("/health", viewer(fresh(health)))]


def health(request: Request) -> Response:
    """The state, problems first."""
    site = site_of(request)
    state = site.glass.state
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
