"""The page of the tokens with which programs use the REST interface."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from edgeface.core.errors import EdgefaceError, UsageError
from edgeface.core.text import check_id
from edgeface.web.account_pages.base import auth_of, end_sessions_of, field, record, show
from edgeface.web.auth.accounts import grantable, make_token, remove
from edgeface.web.auth.guard import admin
from edgeface.web.pages.render import see
from edgeface.web.texts import account_strings

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


async def tokens(request: Request) -> Response:
    """The tokens, by name; the page does not have them, only their names."""
    return await _page(request)


async def make(request: Request) -> Response:
    """Make a token, and show it this one time."""
    auth = auth_of(request)
    name, role, days = [await field(request, key) for key in ("name", "role", "days")]
    try:
        check_id(name)
        if role not in grantable(request.state.holder) or days not in account_strings.TOKENS_DAYS:
            raise UsageError(account_strings.TOKENS_CHOOSE)
        lifetime = int(days) if days else None
        work = partial(make_token, auth.accounts.folder, name, role, auth.clock.wall(), replace=False)
        token = await run_in_threadpool(work, days=lifetime)
    except EdgefaceError as error:
        return await _page(request, error=str(error), wanted=(name, role, days))
    record(request, "token made", account=name, role=role)
    return await _page(request, token=token, made=name)


async def revoke(request: Request) -> Response:
    """Revoke a token at once; sessions that it has started end."""
    auth = auth_of(request)
    try:
        removed = await run_in_threadpool(remove, auth.accounts.folder, request.path_params["token"], "token")
    except EdgefaceError as error:
        return await _page(request, error=str(error))
    end_sessions_of(auth, removed)
    record(request, "token revoked", account=removed.name, role=removed.role)
    return see("/tokens", "token_revoked")


async def _page(request: Request, **values: Any) -> Response:
    auth = auth_of(request)
    known = sorted((one for one in auth.accounts.all() if one.kind == "token"), key=lambda one: one.name)
    return await show(
        request,
        "tokens.html",
        **{"error": None, "token": None, "made": "", "wanted": ("", "viewer", "365"), **values},
        roles=grantable(request.state.holder),
        tokens=[(one, auth.last_use.of(one), not one.valid(auth.clock.wall())) for one in known],
    )


ROUTES = [
    Route("/tokens", admin(tokens)),
    Route("/tokens", admin(make), methods=["POST"]),
    Route("/tokens/{token}/revoke", admin(revoke), methods=["POST"]),
]
"""The page of the tokens."""
