"""The page that names candidates for the face in a photo; for admins, at their own sites."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.routing import Route

from edgeface.centre.admins.guard import rights_in
from edgeface.centre.pages.render import account_of, centre_of, render, require
from edgeface.centre.search.candidates import NOTE, REASON, Candidate, Inquiry, candidates
from edgeface.centre.search.client import SearchClient
from edgeface.core.errors import FleetError, PhotoError, UnknownError, UsageError
from edgeface.core.text import is_id, printable
from edgeface.web.auth.guard import admin
from edgeface.web.pages.render import Form, action, page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_SITE = "site-"
"""What the name of a box begins with; the name of the site follows."""


def ask(request: Request) -> Response:
    """The form, and what is missing for a search."""
    try:
        SearchClient(centre_of(request).settings.search).state()
    except FleetError as error:
        return _shown(request, Form({}, ()), missing=str(error))
    return _shown(request, Form({}, ()))


def search(request: Request, form: Form) -> Response:
    """Name people who look like the face in the photo: candidates, never a match."""
    sites = _sites(request, form)
    try:
        inquiry = Inquiry(account_of(request), form.text("reason"), sites or rights_in(request).sites)
        photo = _photo(form)
        request.app.state.searches.take(inquiry.by)
        found = candidates(centre_of(request), inquiry, photo)
    except (UsageError, PhotoError) as error:
        return _shown(request, form, HTTPStatus.UNPROCESSABLE_ENTITY, error=str(error))
    except FleetError as error:
        return _shown(request, form, HTTPStatus.SERVICE_UNAVAILABLE, error=str(error))
    return _shown(request, form, found=found)


def _shown(
    request: Request,
    form: Form,
    status: HTTPStatus = HTTPStatus.OK,
    *,
    found: tuple[Candidate, ...] | None = None,
    error: str | None = None,
    missing: str | None = None,
) -> Response:
    rights = rights_in(request)
    response = render(
        request,
        "search.html",
        sites=[one.site for one in centre_of(request).store.sites() if rights.allow(one.site, "admin")],
        form=form,
        found=found,
        note=NOTE,
        reason=REASON,
        error=error,
        missing=missing,
    )
    response.status_code = status
    return response


def _photo(form: Form) -> bytes:
    if len(form.files) != 1:
        raise UsageError("choose one photo")
    return form.files[0][1]


def _sites(request: Request, form: Form) -> tuple[str, ...]:
    """The sites that are ticked. Raises Problem 403 for one of which the account is no admin, and UnknownError."""
    names = tuple(name.removeprefix(_SITE) for name in form.fields if name.startswith(_SITE))
    for name in names:
        require(request, name, "admin")
        if not is_id(name):
            raise UnknownError(f"{printable(name)}: no such site")
        centre_of(request).store.site(name)
    return names


ROUTES = [
    Route("/search", admin(page(ask))),
    Route("/search", admin(action(search, heavy=True)), methods=["POST"]),
]
"""The page of the search."""
