"""The first page: what each camera sees now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from edgeface.web import rows, strings
from edgeface.web.auth import viewer
from edgeface.web.faults import faults
from edgeface.web.render import page, render, site_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


_LATEST = 8


def routes() -> list[Route]:
    """The first page."""
    return [Route("/", viewer(page(live)))]


def live(request: Request) -> Response:
    """Each camera with its picture; what is wrong comes first."""
    site = site_of(request)
    configuration, state = site.configuration(), site.glass.state
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
