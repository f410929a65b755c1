"""The page about what devices propose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from edgeface.centre.admins.guard import rights_in
from edgeface.centre.pages.render import account_of, centre_of, render, require
from edgeface.centre.records import INSISTENCES
from edgeface.core.errors import ChangedError, GalleryError, GoneError
from edgeface.web.auth.guard import admin, viewer
from edgeface.web.pages.render import Form, action, page, see

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


def proposals(request: Request, error: str | None = None) -> Response:
    """What waits, oldest first, with what speaks against it."""
    store, rights = centre_of(request).store, rights_in(request)
    waiting = [one for one in store.proposals() if rights.allow(one.site, "viewer")]
    known = {(site, one.person): one for site in {one.site for one in waiting} for one in store.people(site)}
    rows = [(one, known.get((one.site, one.person))) for one in waiting]
    return render(request, "proposals.html", rows=rows, error=error)


def accept(request: Request, form: Form) -> Response:
    """Make a proposal a change."""
    number, insisted = _decidable(request), {one for one in INSISTENCES.values() if form.maybe(one) is not None}
    try:
        centre_of(request).store.accept(number, account_of(request), insisted)
    except (ChangedError, GoneError, GalleryError) as error:
        return proposals(request, str(error))
    return see("/proposals", "accepted")


def decline(request: Request, _: Form) -> Response:
    """Decline a proposal."""
    centre_of(request).store.decline(_decidable(request), account_of(request))
    return see("/proposals", "declined")


def _decidable(request: Request) -> int:
    """The number in the path. Raises UnknownError without such a proposal, Problem 403 without the role at its site."""
    number: int = min(request.path_params["number"], (1 << 62))
    require(request, centre_of(request).store.site_of_proposal(number), "admin")
    return number


ROUTES = [
    Route("/proposals", viewer(page(proposals))),
    Route("/proposals/{number:int}/accept", admin(action(accept)), methods=["POST"]),
    Route("/proposals/{number:int}/decline", admin(action(decline)), methods=["POST"]),
]
"""The page about proposals."""
