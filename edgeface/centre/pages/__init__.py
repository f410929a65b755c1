"""The centre's pages for people: plain HTML that works without scripts, with the device's style and static files."""

from __future__ import annotations

from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from edgeface.centre.pages import (
    devices,
    enroll,
    events,
    journal,
    models,
    people,
    policies,
    proposals,
    search,
    sign_in,
    sites,
)
from edgeface.web.pages.render import STATIC

ROUTES = (
    *sign_in.ROUTES,
    *sites.ROUTES,
    *people.ROUTES,
    *policies.ROUTES,
    *models.ROUTES,
    *enroll.ROUTES,
    *devices.ROUTES,
    *proposals.ROUTES,
    *events.ROUTES,
    *search.ROUTES,
    *journal.ROUTES,
    Mount("/static", StaticFiles(directory=STATIC)),
)
"""Every page, and the static files."""
