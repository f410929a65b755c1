"""Sign-in and sign-out; a failure does not reveal which part was wrong."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from edgeface.core.text import is_id
from edgeface.web.auth.accounts import MAX_PASSWORD_BYTES, Account, is_password
from edgeface.web.auth.guard import public, require_same_origin, viewer
from edgeface.web.http import limits
from edgeface.web.http.base_path import cookie_name, put_cookie
from edgeface.web.http.clients import source
from edgeface.web.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from edgeface.web.auth.guard import AuthService
    from edgeface.web.context import WebContext

log = logging.getLogger(__name__)

NAME_SECONDS = 120
"""Seconds for which a browser keeps the name of a failed sign-in."""
_NAME = "-name"


@public
async def sign_in(request: Request) -> Response:
    """Take a form: `secret` is a password, token or one-time code, `name` belongs to a password, `next` is a path.

    The password of the only account needs no name. Redirects to `next` with a session, or back to /login?wrong=1, or
    ?wait=SECONDS after too many failed tries, or ?program=1 for a token that may only recognise; a cookie then keeps
    the name for the form.
    """
    require_same_origin(request)
    if not request.headers.get("content-type", "").lower().startswith(limits.FORM):
        # The client is not signed in yet, and files take memory.
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail=f"send a form: {limits.FORM}")
    auth: AuthService = request.app.state.auth
    given = await limits.form(request)
    name, secret, wanted = (str(given.get(key) or "") for key in ("name", "secret", "next"))
    after = local(wanted)
    account, wait = await _account(request, auth, name[:64], secret[:MAX_PASSWORD_BYTES])
    if account is None or account.role == "recognise":
        query = f"?wait={round(wait + 0.5)}" if wait else "?wrong=1" if account is None else "?program=1"
        target = "" if after == "/" else f"&next={quote(after)}"
        response = RedirectResponse(f"/login{query}{target}", HTTPStatus.SEE_OTHER)
        _keep_name(request, response, name)
        return response
    await auth.note_use(account)
    response = RedirectResponse(after, HTTPStatus.SEE_OTHER)
    auth.sign_in(request, response, account)
    _keep_name(request, response, "")
    return response


@viewer
async def sign_out(request: Request) -> Response:
    """End the session."""
    response = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    request.app.state.auth.sign_out(request, response)
    return response


def needs_name(auth: AuthService) -> bool:
    """Whether the form asks for a name: with one account, the password is enough."""
    return len(auth.accounts.passwords()) > 1


def kept_name(request: Request) -> str:
    """The name of the last failed sign-in of this browser; empty if there was none within NAME_SECONDS."""
    name = request.cookies.get(cookie_name(request, _NAME), "")
    return name if is_id(name) else ""


def _keep_name(request: Request, response: Response, name: str) -> None:
    """Keep a name that an account may have for the next form, outside the address; otherwise forget the earlier one."""
    cookie, age = cookie_name(request, _NAME), NAME_SECONDS if is_id(name) else 0
    if age or cookie in request.cookies:
        put_cookie(request, response, cookie, name if age else "", age)


async def _account(request: Request, auth: AuthService, name: str, secret: str) -> tuple[Account | None, float]:
    """The account that the secret belongs to, or None and the seconds to wait before the next try."""
    if not name:
        role = auth.sessions.use_code(secret)
        # The account of a one-time code is not in the file.
        known = auth.accounts.by_token(secret) if role is None else Account("code", role, "code", "", 0.0)
        if known is not None:
            return known, 0.0
        if not needs_name(auth):
            name = next((one.name for one in auth.accounts.passwords()), "")
    return await check_password(request, name, secret)


async def check_password(
    request: Request, name: str, secret: str, also: Callable[[Account], bool] = lambda _: True
) -> tuple[Account | None, float]:
    """The account of this name if the password is right, or None and the seconds to wait before the next try.

    `also` is asked about an account with the right password, in a worker thread: a second factor.
    """
    auth: AuthService = request.app.state.auth
    address = source(request.client)
    wait = auth.throttle.begin(name, address)
    if wait:
        _report_failures(request, auth)
        return None, wait
    account = auth.accounts.with_password(name)
    seen = auth.throttle.knows(name, address)

    def is_right() -> bool:
        return is_password(account, secret) and account is not None and also(account)

    async with auth.passwords.one(address, "" if account is None else name, known=seen):
        await asyncio.sleep(auth.throttle.pause())
        if not await run_in_threadpool(is_right):
            return None, 0.0
    auth.throttle.succeeded(name, address)
    return account, 0.0


def _report_failures(request: Request, auth: AuthService) -> None:
    """Log and record, at most once an hour, that there are too many failed tries."""
    if auth.throttle.report_due():
        log.warning("sign-in: too many wrong passwords")
        context: WebContext = request.app.state.context
        context.record("config", {"web": "too many wrong passwords"})


def local(path: str) -> str:
    """A path on this site to continue at; the start page for anything else, so that no link leads elsewhere."""
    # With one slash in front, there is neither a scheme nor a host in it.
    plain = path.startswith("/") and not path.startswith("//") and path.isprintable() and "\\" not in path
    return path if plain else "/"


ROUTES = [
    Route("/login", sign_in, methods=["POST"]),
    Route("/logout", sign_out, methods=["POST"]),
]
"""GET /login is one of the pages."""
