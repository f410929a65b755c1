"""Sign-in with a password and a second factor, and sign-out."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import RedirectResponse
from starlette.routing import Route

from edgeface.centre.admins.guard import begin_session, checked_account
from edgeface.centre.pages.render import render
from edgeface.web.auth.accounts import MAX_PASSWORD_BYTES
from edgeface.web.auth.guard import public, require_same_origin
from edgeface.web.auth.login import local, sign_out
from edgeface.web.http import limits
from edgeface.web.http.problems import Problem
from edgeface.web.pages.render import page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_LONGEST = 64


def ask(request: Request) -> Response:
    """The form, with what was wrong with the last one."""
    query = request.query_params
    wait = query.get("wait", "")
    return render(
        request,
        "login.html",
        after=local(query.get("next", "/")),
        wrong="wrong" in query,
        wait=wait if wait.isascii() and wait.isdigit() else None,
    )


@public
async def sign_in(request: Request) -> Response:
    """Begin a session, or ask again; a refusal does not say which part was wrong."""
    require_same_origin(request)
    if limits.media_type(request) != limits.FORM:
        # The client is not signed in yet, and files take memory.
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail=f"send a form: {limits.FORM}")
    form = await limits.form(request)
    name, password, code, wanted = (str(form.get(key) or "") for key in ("name", "password", "code", "next"))
    after = local(wanted)
    account, wait = await checked_account(request, name[:_LONGEST], password[:MAX_PASSWORD_BYTES], code[:_LONGEST])
    if account is None:
        query = f"wait={round(wait + 0.5)}" if wait else "wrong=1"
        target = "" if after == "/" else f"&next={quote(after)}"
        return RedirectResponse(f"/login?{query}{target}", HTTPStatus.SEE_OTHER)
    response = RedirectResponse(after, HTTPStatus.SEE_OTHER)
    await begin_session(request, response, account)
    return response


ROUTES = [
    Route("/login", public(page(ask))),
    Route("/login", sign_in, methods=["POST"]),
    Route("/logout", sign_out, methods=["POST"]),
]
"""The pages of sign-in."""
