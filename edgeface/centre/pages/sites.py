"""The pages about sites: all of them, and the history, the proof and the duplicates of one."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from starlette.responses import Response
from starlette.routing import Route

from edgeface.centre.admins.guard import rights_in
from edgeface.centre.admins.sites import proof_object
from edgeface.centre.pages.render import PAGE, account_of, centre_of, render, require, site_of
from edgeface.centre.views.duplicates import find_duplicates
from edgeface.core.errors import GalleryError
from edgeface.web.auth.guard import admin, viewer
from edgeface.web.pages.render import Form, action, number, page, see

if TYPE_CHECKING:
    from starlette.requests import Request

    from edgeface.centre.records import Site


class _Card(NamedTuple):
    """A site on the page."""

    site: Site
    devices: int
    behind: int
    proposals: int


def sites(request: Request, error: str | None = None, name: str = "") -> Response:
    """All sites that the account may see."""
    store, rights = centre_of(request).store, rights_in(request)
    behind = store.behind()
    devices = Counter(one.site for one in behind)
    late = Counter(one.site for one in behind if one.state != "equal")
    waiting = Counter(one.site for one in store.proposals())
    cards = [
        _Card(one, devices[one.site], late[one.site], waiting[one.site])
        for one in store.sites()
        if rights.allow(one.site, "viewer")
    ]
    return render(request, "sites.html", cards=cards, error=error, name=name)


def add(request: Request, form: Form) -> Response:
    """Add a site."""
    require(request, None, "admin")
    name = form.text("site")
    store = centre_of(request).store
    if any(one.site == name for one in store.sites()):
        return sites(request, f"there is a site {name} already", name)
    try:
        store.add_site(name, account_of(request))
    except GalleryError as error:
        return sites(request, str(error), name)
    return see("/", "site")


def changes(request: Request) -> Response:
    """The history of a site, the latest change first."""
    site, store = site_of(request), centre_of(request).store
    found = store.site(site)
    after = number(request, "after")
    after = max(0, found.seq - PAGE) if after is None else min(after, found.seq)
    ids = {one.person: one for one in store.people(site)}
    rows = [(one, ids.get(one.person)) for one in reversed(store.history(site, after, PAGE))]
    return render(
        request,
        "changes.html",
        site=found,
        rows=rows,
        older=max(0, after - PAGE) if after > found.floor else None,
        newer=after + PAGE if after + PAGE < found.seq else None,
    )


def proof(request: Request) -> Response:
    """What each device of a site has signed."""
    return render(request, "proof.html", proof=centre_of(request).store.proof(site_of(request)), forgotten=())


def download(request: Request) -> Response:
    """The proof with digests, signatures and keys, as a file."""
    site, store = site_of(request), centre_of(request).store
    store.journal.add(account_of(request), "export", site, {"file": "proof"})
    headers = {"Content-Disposition": f'attachment; filename="proof-{site}.json"'}
    text = proof_object(store.proof(site)).model_dump_json(indent=2)
    return Response(text, media_type="application/json", headers=headers)


def duplicates(request: Request) -> Response:
    """Pairs of people whose templates are alike."""
    site = site_of(request)
    found = find_duplicates(centre_of(request), site)
    return render(request, "duplicates.html", site=centre_of(request).store.site(site), found=found)


_SITE = "/sites/{site}"
ROUTES = [
    Route("/", viewer(page(sites))),
    Route("/sites", admin(action(add)), methods=["POST"]),
    Route(f"{_SITE}/changes", viewer(page(changes))),
    Route(f"{_SITE}/proof", viewer(page(proof))),
    Route(f"{_SITE}/proof.json", viewer(page(download))),
    Route(f"{_SITE}/duplicates", viewer(page(duplicates))),
]
"""The pages about sites."""
