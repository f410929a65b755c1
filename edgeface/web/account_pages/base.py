"""What the pages about accounts have in common; their handlers run in the event loop, which owns the sessions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool

from edgeface.web.http import limits
from edgeface.web.pages.render import context_of, render

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from edgeface.web.auth.accounts import Account
    from edgeface.web.auth.guard import AuthService


def auth_of(request: Request) -> AuthService:
    """Accounts, sessions and invitations."""
    auth: AuthService = request.app.state.auth
    return auth


async def show(request: Request, template: str, **values: Any) -> Response:
    """The page from a template, as pages.render.render makes it, without blocking the event loop."""
    return await run_in_threadpool(partial(render, request, template, **values))


async def field(request: Request, name: str) -> str:
    """A text field of the form without surrounding blanks; empty if it is missing."""
    value = (await limits.form(request)).get(name)
    return value.strip() if isinstance(value, str) else ""


def record(request: Request, what: str, **facts: object) -> None:
    """Record in the audit trail what was done to an account, and by which one."""
    context_of(request).record("config", {"web": what, **facts, "by": request.state.account})


def end_sessions_of(auth: AuthService, account: Account) -> None:
    """End the sessions of an account at once."""
    auth.sessions.end_those({one.id for one in auth.sessions.all() if one.account == account})
