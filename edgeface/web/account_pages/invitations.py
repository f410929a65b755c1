"""The page behind an invitation link, on which the receiver makes an account; it needs no sign-in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from edgeface.core.errors import EdgefaceError
from edgeface.core.text import check_id
from edgeface.web.account_pages.base import auth_of, show
from edgeface.web.auth.accounts import MIN_PASSWORD, require_password, set_password
from edgeface.web.auth.guard import public, require_same_origin
from edgeface.web.http import limits
from edgeface.web.http.clients import source
from edgeface.web.http.problems import Problem
from edgeface.web.pages.render import context_of, see
from edgeface.web.texts import account_strings

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from edgeface.web.auth.accounts import Account
    from edgeface.web.auth.invitations import Invitation


@public
async def invitation(request: Request) -> Response:
    """The form for a name and a password; looking at it does not use the link."""
    return await _form(request, _find(request))


@public
async def accept(request: Request) -> Response:
    """Make the account and sign in; the link is used unless something is wrong with the form."""
    require_same_origin(request)
    if limits.media_type(request) != limits.FORM:
        # The client is not signed in, and files take memory.
        raise Problem(415, detail=f"send a form: {limits.FORM}")
    found, given = _find(request), await limits.form(request)
    name, password, repeated = (str(given.get(key) or "") for key in ("name", "password", "repeat"))
    try:
        check_id(name)
        require_password(password)
    except EdgefaceError as error:
        return await _form(request, found, name, str(error))
    if password != repeated:
        return await _form(request, found, name, account_strings.INVITED_DIFFERENT)
    try:
        account = await _make(request, name, password)
    except EdgefaceError as error:
        return await _form(request, found, name, str(error))
    auth = auth_of(request)
    facts = {"web": "account added", "account": name, "role": account.role, "by": found.by.name}
    context_of(request).record("config", facts)
    await auth.note_use(account)
    response = see("/")
    auth.sign_in(request, response, account)
    return response


async def _make(request: Request, name: str, password: str) -> Account:
    """Use the link and make the account; the link stays usable if that fails."""
    auth, secret = auth_of(request), request.path_params["secret"]
    async with auth.passwords.one(source(request.client), "", known=False):
        # Another request may have used the link while this one waited.
        taken = auth.invitations.take(secret)
        if taken is None:
            raise _gone()
        try:
            return await run_in_threadpool(
                set_password, auth.accounts.folder, name, taken.role, password, auth.clock.wall(), replace=False
            )
        except EdgefaceError:
            auth.invitations.give_back(secret, taken)
            raise


def _find(request: Request) -> Invitation:
    """The invitation of the link. Raises Problem 404 if it cannot be used, and 429 after several of these."""
    auth = auth_of(request)
    found = auth.invitations.find(request.path_params["secret"])
    if found is not None:
        return found
    address = source(request.client)
    wait = math.ceil(auth.wrong_invitations.wait(address))
    if wait:
        detail = account_strings.LOGIN_WAIT_LINK.format(seconds=wait)
        raise Problem(429, detail=detail, headers={"Retry-After": str(wait)})
    auth.wrong_invitations.failed(address)
    raise _gone()


def _gone() -> Problem:
    return Problem(404, account_strings.INVITED_TITLE_GONE, account_strings.INVITED_GONE)


async def _form(request: Request, found: Invitation, name: str = "", error: str | None = None) -> Response:
    return await show(
        request, "invitation.html", invitation=found, secret=request.path_params["secret"], name=name,
        error=error, least=MIN_PASSWORD,
    )  # fmt: skip


ROUTES = [
    Route("/invitation/{secret}", invitation),
    Route("/invitation/{secret}", accept, methods=["POST"]),
]
"""The page behind an invitation link."""
