"""Templates of the centre's pages, and who may see what on them."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse

from edgeface.centre.admins.guard import rights_in
from edgeface.centre.admins.rights import NOTHING
from edgeface.core.errors import UnknownError
from edgeface.core.text import is_id, printable
from edgeface.web.http.problems import Problem
from edgeface.web.http.time_zone import span_of, zone_name, zone_of
from edgeface.web.pages import render as device_pages

if TYPE_CHECKING:
    from jinja2 import Environment
    from starlette.requests import Request
    from starlette.responses import Response

    from edgeface.centre.admins.rights import Rights, Role
    from edgeface.centre.context import CentreContext
    from edgeface.web.auth.guard import AuthService

TEMPLATES = Path(__file__).parents[1] / "templates"
PAGE = 50
"""Rows of a page."""
NAV = (("/", "Sites"), ("/devices", "Devices"), ("/proposals", "Proposals"), ("/events", "Events"))
ADMIN_NAV = (("/search", "Search"), ("/journal", "Journal"), ("/accounts", "Accounts"))
_DONE = {
    "site": "The site was added.",
    "changed": "The person was changed. Devices follow within seconds.",
    "enrolled": "The person was enrolled. Devices follow within seconds.",
    "policy": "The policy was saved. Devices apply it within seconds.",
    "no-policy": "The policy was removed. Devices follow within seconds.",
    "ring": "The devices were told. Each changes over when it has all that it needs.",
    "accepted": "The proposal was accepted, and is a change now.",
    "declined": "The proposal was declined, and what it had is destroyed.",
}


def centre_of(request: Request) -> CentreContext:
    """The centre that a page shows."""
    context: CentreContext = request.app.state.context
    return context


def account_of(request: Request) -> str:
    """The account that a change is recorded with."""
    return str(request.state.account)


def require(request: Request, site: str | None, role: Role = "viewer") -> Rights:
    """The rights of who is signed in. Raises Problem 403 without a role at a site; None is what belongs to no site."""
    rights = rights_in(request)
    if not rights.allow(site, role):
        where = "all sites" if site is None else "this site"
        raise Problem(HTTPStatus.FORBIDDEN, detail=f"this requires the {role} role for {where}")
    return rights


def site_of(request: Request, role: Role = "viewer") -> str:
    """The site in the path. Raises Problem 403 without the role there, UnknownError if there is none."""
    site: str = request.path_params["site"]
    require(request, site, role)
    if not is_id(site):
        raise UnknownError(f"{printable(site)}: no such site")
    return centre_of(request).store.site(site).site


def render(request: Request, template: str, **values: Any) -> HTMLResponse:
    """The page from a template; all values are escaped. With an `error` among them the status is 409."""
    state = request.state
    rights = rights_in(request) if hasattr(state, "holder") else NOTHING
    text = (
        environment()
        .get_template(template)
        .render(
            csrf=getattr(state, "csrf", None),
            account=getattr(state, "account", None),
            rights=rights,
            may=lambda site: rights.allow(site, "admin"),
            nav=(*NAV, *(ADMIN_NAV if rights.role == "admin" else ())),
            path=request.url.path,
            zone=zone_name(zone_of(request)),
            done=_DONE.get(request.query_params.get("done", "")),
            **values,
        )
    )
    return HTMLResponse(text, HTTPStatus.CONFLICT if values.get("error") else HTTPStatus.OK)


def problem_page(request: Request, problem: Problem) -> Response:
    """The page of an error; runs in the event loop."""
    auth: AuthService = request.app.state.auth
    session = auth.session(request)
    if session is not None and not hasattr(request.state, "holder"):
        request.state.holder, request.state.csrf = session.account, session.csrf
        request.state.account = session.account.name
    response = render(request, "problem.html", title=problem.title, detail=problem.detail)
    response.status_code = problem.status
    response.headers.update(problem.headers)
    return response


def moment(request: Request, name: str, *, end: bool = False) -> float | None:
    """Wall seconds of a day or a minute of the query, in the zone of the browser; with `end`, its end.

    None for anything else.
    """
    from datetime import datetime

    text, zone = request.query_params.get(name, "").strip(), zone_of(request)
    span = span_of(text, zone)
    if span is not None:
        return span.until if end else span.since
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M").replace(tzinfo=zone).timestamp() + (60.0 if end else 0.0)
    except (ValueError, OverflowError):
        return None


@cache
def environment() -> Environment:
    """The centre's templates, and the parts that the device's pages have."""
    from jinja2 import ChoiceLoader, FileSystemLoader

    device = device_pages.environment()
    folders = FileSystemLoader(TEMPLATES), FileSystemLoader(device_pages.HERE / "templates")
    return device.overlay(loader=ChoiceLoader(folders))
