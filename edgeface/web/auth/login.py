"""Signing in and out; what is wrong is not told in detail."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from edgeface.web.auth.accounts import Account, right
from edgeface.web.auth.guard import public, require_same_origin, viewer
from edgeface.web.http import limits
from edgeface.web.http.problems import Problem

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from edgeface.web.auth.guard import AuthService
    from edgeface.web.site import WebContext

log = logging.getLogger(__name__)

_LONGEST = 1024
_FORM = "application/x-www-form-urlencoded"


def routes() -> list[BaseRoute]:
    """POST /login and POST /logout; the page of GET /login is one of the pages."""
    return [
        Route("/login", sign_in, methods=["POST"]),
        Route("/logout", sign_out, methods=["POST"]),
    ]


@public
async def sign_in(request: Request) -> Response:
    """Take a form: `secret` is a password, a token or a one-time code, `name` goes with a password, `next` is a path.

    Leads to `next` with a session, or back to /login?wrong=1, or ?wait=SECONDS when too many tries failed.
    """
    require_same_origin(request)
    if not request.headers.get("content-type", "").lower().startswith(_FORM):
        # Nobody has signed in yet, and files take memory.
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail=f"send a form: {_FORM}")
    gate: AuthService = request.app.state.gate
    given = await limits.form(request)
    name, secret, after = (str(given.get(key) or "") for key in ("name", "secret", "next"))
    account, wait = await _account(request, gate, name[:64], secret[:_LONGEST])
    if account is None:
        query = f"?wait={round(wait + 0.5)}" if wait else "?wrong=1"
        return RedirectResponse(f"/login{query}{_keep(after)}", HTTPStatus.SEE_OTHER)
    response = RedirectResponse(local(after), HTTPStatus.SEE_OTHER)
    gate.sign_in(request, response, account)
    return response


@viewer
async def sign_out(request: Request) -> Response:
    """End the session."""
    response = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    gate: AuthService = request.app.state.gate
    gate.sign_out(request, response)
    return response


async def _account(request: Request, gate: AuthService, name: str, secret: str) -> tuple[Account | None, float]:
    """Whose the secret is, or None and the seconds to wait before the next try."""
    if not name:
        role = gate.sessions.use_code(secret)
        known = gate.accounts.by_token(secret) if role is None else Account.once(role)
        if known is not None:
            return known, 0.0
    wait = gate.attempts.begin(name)
    if wait:
        _note(request, gate)
        return None, wait
    known = gate.accounts.with_password(name)
    async with gate.passwords.one():
        if not await run_in_threadpool(right, known, secret):
            return None, 0.0
    gate.attempts.succeeded(name)
    return known, 0.0


def _note(request: Request, gate: AuthService) -> None:
    """Write down that somebody tries on and on, once an hour."""
    if gate.attempts.worth_telling():
        log.warning("sign-in: too many wrong passwords")
        site: WebContext = request.app.state.site
        site.record("config", {"web": "too many wrong passwords"})


def local(path: str) -> str:
    """A path of ours to go on to; the start for anything else, so that nobody is led elsewhere."""
    parts = urlsplit(path)
    plain = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
    return path if plain and not parts.scheme and not parts.netloc else "/"


def _keep(after: str) -> str:
    kept = local(after)
    return "" if kept == "/" else f"&next={quote(kept, safe='/')}"
