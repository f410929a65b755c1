"""Authentication and roles: sessions in a cookie for people, bearer tokens for programs."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from functools import partial, wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edgeface.web.auth.devices import device_of
from edgeface.web.auth.ingress import IngressSignIn
from edgeface.web.auth.invitations import Invitations
from edgeface.web.auth.last_use import LastUse
from edgeface.web.auth.password_checks import PasswordChecks
from edgeface.web.auth.sessions import Sessions
from edgeface.web.http import limits
from edgeface.web.http.base_path import cookie_name, put_cookie
from edgeface.web.http.clients import source
from edgeface.web.http.problems import Problem, for_programs
from edgeface.web.http.throttle import PAIR_SECONDS, PAIR_TRIES, LinkThrottle, LoginThrottle

if TYPE_CHECKING:
    from edgeface.config.configuration import Ingress
    from edgeface.core.clock import Clock
    from edgeface.web.auth.accounts import Account, Accounts, Role
    from edgeface.web.auth.sessions import Session

Endpoint = Callable[[Request], Awaitable[Response]]
AnyEndpoint = TypeVar("AnyEndpoint", bound=Endpoint)

HEADER = "x-csrf-token"
FIELD = "csrf"

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class AuthService:
    """Accounts, sessions and sign-in: `request.app.state.auth`; used by the web's thread only."""

    def __init__(self, accounts: Accounts, clock: Clock, ingress: Ingress) -> None:
        self.accounts, self.clock = accounts, clock
        self.ingress = IngressSignIn(ingress)
        self.sessions = Sessions(clock)
        self.invitations = Invitations(clock, accounts.holds)
        self.last_use = LastUse(accounts.folder, clock)
        self.throttle = LoginThrottle(clock)
        self.wrong_invitations = LinkThrottle(clock, PAIR_TRIES, PAIR_SECONDS)
        """Apart from sign-in, so that wrong links keep no one at the same address from signing in."""
        self.passwords = PasswordChecks(clock)

    def session(self, request: Request, *, extend: bool = False) -> Session | None:
        """The session that Home Assistant or the request's cookie gives; None if there is none that holds."""
        find = self.sessions.find if extend else self.sessions.peek
        found = self.ingress.session(request) or find(_cookie(request))
        return found if found is not None and self.accounts.holds(found.account) else None

    async def note_use(self, account: Account) -> None:
        """Note that an account is being used now."""
        if account.kind in {"token", "password"} and self.last_use.note(account):
            await run_in_threadpool(self.last_use.save)

    def bearer(self, request: Request) -> Account | None:
        """The account of the request's token; None without a valid token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return self.accounts.by_token(token.strip()) if scheme.lower() == "bearer" else None

    def sign_out(self, request: Request, response: Response) -> None:
        """End the request's session, and delete its cookie."""
        self.sessions.end(_cookie(request))
        put_cookie(request, response, cookie_name(request), "", 0)

    def sign_in(self, request: Request, response: Response, account: Account) -> None:
        """Start a new session, end the one that the browser had, and set the cookie."""
        self.sessions.end(_cookie(request))
        id_ = self.sessions.begin(account, source(request.client), device_of(request.headers.get("user-agent", "")))
        put_cookie(request, response, cookie_name(request), id_)


def _cookie(request: Request) -> str:
    return request.cookies.get(cookie_name(request), "")


def public(endpoint: AnyEndpoint) -> AnyEndpoint:
    """Allow everyone: for sign-in, links with a secret, and what browsers fetch without a session."""
    endpoint.role = "public"  # type: ignore[attr-defined]
    return endpoint


_ENOUGH: dict[Role, frozenset[Role]] = {
    "viewer": frozenset({"viewer", "admin"}),
    "admin": frozenset({"admin"}),
    "recognise": frozenset({"recognise", "admin"}),
}
"""The roles that may use an endpoint, by the role that it names."""


def _guarded(endpoint: Endpoint, role: Role) -> Endpoint:
    @wraps(endpoint)
    async def guarded(request: Request) -> Response:
        sign_in = await identify(request)
        if sign_in is not None:
            return sign_in
        if request.state.role not in _ENOUGH[role]:
            raise Problem(HTTPStatus.FORBIDDEN, detail=f"this requires the {role} role")
        return await endpoint(request)

    guarded.role = role  # type: ignore[attr-defined]
    return guarded


viewer = partial(_guarded, role="viewer")
"""Allow viewers and admins."""
admin = partial(_guarded, role="admin")
"""Allow admins only."""
recogniser = partial(_guarded, role="recognise")
"""Allow programs that may recognise faces and do nothing else, and admins."""
BY_ROLE: dict[Role, Callable[[Endpoint], Endpoint]] = {"viewer": viewer, "admin": admin, "recognise": recogniser}


async def identify(request: Request) -> Response | None:
    """Set role, account (a name), holder and csrf in `request.state`; gives a redirect to sign-in if a page needs one.

    Raises Problem 401 for a program that is not signed in, 403 for a request that another site may have sent.
    """
    auth: AuthService = request.app.state.auth
    if "authorization" in request.headers:
        account, request.state.csrf = auth.bearer(request), ""
        if account is None:
            raise _unauthorized()
        await auth.note_use(account)
    else:
        auth.ingress.require_role(request)
        session = auth.session(request, extend=True)
        if session is None:
            if for_programs(request.url.path):
                raise _unauthorized()
            return _to_sign_in(request)
        account, request.state.csrf = session.account, session.csrf
        if request.method not in _SAFE:
            await _require_csrf(request, session.csrf)
    request.state.role, request.state.account, request.state.holder = account.role, account.name, account
    return None


def require_same_origin(request: Request) -> None:
    """Reject a request that another site made the browser send; programs send neither of the headers."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    foreign = site not in {None, "same-origin", "none"}
    if origin is not None:
        parts = urlsplit(origin)
        schemes = {request.url.scheme} | ({"https"} if request.scope.get("edgeface.any_scheme") else set())
        foreign |= parts.scheme not in schemes or parts.netloc.lower() != request.headers.get("host", "").lower()
    if foreign:
        raise Problem(HTTPStatus.FORBIDDEN, detail="this request came from another site")


async def _require_csrf(request: Request, csrf: str) -> None:
    """Reject a request that does not carry the session's CSRF token, in the header or in the form."""
    require_same_origin(request)
    given: Any = request.headers.get(HEADER)
    if given is None and request.headers.get("content-type", "").startswith((limits.FORM, limits.MULTIPART)):
        given = (await limits.form(request)).get(FIELD)
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), csrf.encode()):
        raise Problem(HTTPStatus.FORBIDDEN, detail="the page is out of date: load it again, then retry")


def _unauthorized() -> Problem:
    detail = "sign in, or send a token: Authorization: Bearer ..."
    return Problem(HTTPStatus.UNAUTHORIZED, detail=detail, headers={"WWW-Authenticate": "Bearer"})


def _to_sign_in(request: Request) -> Response:
    target = "/login"
    if request.method in {"GET", "HEAD"} and request.url.path != "/":
        query = f"?{request.url.query}" if request.url.query else ""
        target = f"/login?next={quote(request.url.path + query, safe='/')}"
    return RedirectResponse(target, HTTPStatus.SEE_OTHER)
