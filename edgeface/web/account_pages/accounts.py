"""The page of the people who can sign in, and of the invitations that an administrator makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from edgeface.core.errors import EdgefaceError
from edgeface.web.account_pages.base import auth_of, end_sessions_of, field, record, show
from edgeface.web.auth.accounts import remove
from edgeface.web.auth.guard import admin
from edgeface.web.auth.invitations import roles
from edgeface.web.http.problems import Problem
from edgeface.web.pages.render import context_of, see

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from edgeface.config.configuration import Configuration
    from edgeface.web.auth.accounts import Role


def page_address(configuration: Configuration) -> str | None:
    """The https address at which others reach the page, without a final slash; None if it is not configured."""
    page = configuration.https_page
    return None if page is None else page.rstrip("/").removesuffix(":443")


async def accounts(request: Request) -> Response:
    """The accounts with a password, and the open invitations."""
    return await _page(request)


async def invite(request: Request) -> Response:
    """Make an invitation, and show its link this one time."""
    auth, role = auth_of(request), await field(request, "role")
    address = page_address(context_of(request).configuration())
    if address is None:
        return await _page(request)
    try:
        secret = auth.invitations.make(cast("Role", role), request.state.holder)
    except EdgefaceError as error:
        return await _page(request, error=str(error))
    record(request, "account invited", role=role)
    return await _page(request, link=f"{address}/invitation/{secret}", link_role=role)


async def revoke(request: Request) -> Response:
    """End an open invitation."""
    found = auth_of(request).invitations.revoke(request.path_params["invitation"])
    if found is None:
        raise Problem(404)
    record(request, "invitation revoked", role=found.role)
    return see("/accounts", "invitation_revoked")


async def remove_account(request: Request) -> Response:
    """Remove an account; its sessions end at once."""
    auth, name = auth_of(request), request.path_params["account"]
    try:
        removed = await run_in_threadpool(remove, auth.accounts.folder, name, "password")
    except EdgefaceError as error:
        return await _page(request, error=str(error))
    end_sessions_of(auth, removed)
    record(request, "account removed", account=removed.name, role=removed.role)
    return see("/login") if removed == request.state.holder else see("/accounts", "account_removed")


async def _page(request: Request, **values: Any) -> Response:
    auth = auth_of(request)
    known = auth.accounts.passwords()
    return await show(
        request,
        "accounts.html",
        **{"error": None, "link": None, "link_role": None, **values},
        accounts=[(one, auth.last_use.of(one)) for one in known],
        admins=sum(one.role == "admin" for one in known),
        own=request.state.holder,
        roles=roles(request.state.holder),
        address=page_address(context_of(request).configuration()),
        invitations=[(one, auth.invitations.left(one)) for one in auth.invitations.open()],
    )


ROUTES = [
    Route("/accounts", admin(accounts)),
    Route("/accounts/invitations", admin(invite), methods=["POST"]),
    Route("/accounts/invitations/{invitation}/revoke", admin(revoke), methods=["POST"]),
    Route("/accounts/{account}/remove", admin(remove_account), methods=["POST"]),
]
"""The page of the accounts."""
