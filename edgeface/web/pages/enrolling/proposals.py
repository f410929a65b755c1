"""The admin's side of self-enrollment: links, and the proposals that have come by them."""

from __future__ import annotations

import base64
import io
from importlib.util import find_spec
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from edgeface.core.errors import GalleryError
from edgeface.people.enrollment import EnrollOptions, OverridableError, RejectedError
from edgeface.web.auth.guard import FIELD, admin
from edgeface.web.http.problems import Problem
from edgeface.web.pages.doubt import new_faces, overrides, question
from edgeface.web.pages.render import Form, action, context_of, page, render, see

if TYPE_CHECKING:
    from starlette.requests import Request

_PAGE = "/proposals"


def overview(request: Request, error: str | None = None, link: str | None = None, who: str = "") -> Response:
    """The proposals that wait, and the links that are valid; `link` is the address of one that was just made."""
    context = context_of(request)
    book = context.self_enrollments.book()
    with context.gallery() as gallery:
        names = {one.id: one.name for one in gallery.people()}
    invited = {one.facts["person"]: one.facts.get("name") for one in book.links}
    return render(
        request,
        "proposals.html",
        book=book,
        names=names,
        page=context.configuration().https_page,
        days=context.configuration().privacy.proposal_days,
        link=link,
        code=None if link is None else qr_code(link),
        who=names.get(who) or invited.get(who) or who,
        error=error,
    )


def invite(request: Request, form: Form) -> Response:
    """Make a link for one person, and show it once."""
    context = context_of(request)
    address = context.configuration().https_page
    if address is None:
        # The page names what is missing, in place of the form.
        return overview(request)
    try:
        token, who = context.self_enrollments.invite(form.maybe("id"), form.maybe("name"))
    except GalleryError as error:
        return overview(request, str(error))
    return overview(request, link=f"{address.rstrip('/')}/join/{token}", who=who)


def withdraw(request: Request, _: Form) -> Response:
    """End a link."""
    context_of(request).self_enrollments.withdraw(request.path_params["link"])
    return see(_PAGE, "link_withdrawn")


def confirm(request: Request, form: Form) -> Response:
    """Enroll the person of a proposal."""
    proposal, enrollments = request.path_params["proposal"], context_of(request).self_enrollments
    try:
        options = EnrollOptions(
            given=enrollments.consented(proposal),
            expires=form.maybe("expires"),
            different_people=form.maybe("different_people") is not None,
            **overrides(form),
        )
        done = enrollments.confirm(proposal, options)
    except OverridableError as error:
        fields = {key: value for key, value in form.fields.items() if key != FIELD}
        return question(request, error, f"{_PAGE}/{proposal}/confirm", fields, new_faces(error), _PAGE)
    except (RejectedError, GalleryError) as error:
        return overview(request, str(error))
    return see(f"/people/{done.people[0].id}", "enrolled")


def refuse(request: Request, _: Form) -> Response:
    """Erase a proposal."""
    try:
        context_of(request).self_enrollments.refuse(request.path_params["proposal"])
    except GalleryError as error:
        return overview(request, str(error))
    return see(_PAGE, "proposal_refused")


def face(request: Request) -> Response:
    """A face of a proposal, for admins only."""
    found = context_of(request).self_enrollments.picture(request.path_params["proposal"], request.path_params["number"])
    if found is None:
        raise Problem(404)
    return Response(found, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


def qr_code(text: str) -> str | None:
    """A QR code as the address of a picture; None without segno, which the extra `pass` installs."""
    if find_spec("segno") is None:
        return None
    import segno

    picture = io.BytesIO()
    segno.make_qr(text, error="m").save(picture, kind="png", scale=6, border=4)
    return f"data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()}"


_ONE = f"{_PAGE}/{{proposal}}"
ROUTES = [
    Route(_PAGE, admin(page(overview))),
    Route(f"{_PAGE}/links", admin(action(invite)), methods=["POST"]),
    Route(f"{_PAGE}/links/{{link}}/withdraw", admin(action(withdraw)), methods=["POST"]),
    Route(f"{_ONE}/confirm", admin(action(confirm)), methods=["POST"]),
    Route(f"{_ONE}/refuse", admin(action(refuse)), methods=["POST"]),
    Route(f"{_ONE}/faces/{{number:int}}", admin(page(face))),
]
"""The pages about links and proposals."""
