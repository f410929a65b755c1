"""The web pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import FileResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from edgeface.web.auth.guard import public
from edgeface.web.pages import corrections, device, enroll, events, factors, forgetting, notifications, people, unknowns
from edgeface.web.pages.enrolling import join, proposals
from edgeface.web.pages.render import STATIC

if TYPE_CHECKING:
    from starlette.requests import Request


@public
async def icon(_: Request) -> FileResponse:
    """The icon that browsers request for a page without one."""
    return FileResponse(STATIC / "icon.svg")


ROUTES = (
    *people.ROUTES,
    *factors.ROUTES,
    *forgetting.ROUTES,
    *enroll.ROUTES,
    *proposals.ROUTES,
    *join.ROUTES,
    *unknowns.ROUTES,
    *events.ROUTES,
    *corrections.ROUTES,
    *device.ROUTES,
    *notifications.ROUTES,
    Mount("/static", StaticFiles(directory=STATIC)),
    Route("/favicon.ico", icon),
)
"""Every page, and the static files."""
