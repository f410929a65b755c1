"""Who asks, and whether they may: sessions in a cookie for people, bearer tokens for programs."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edgeface.web.auth.sessions import Sessions
from edgeface.web.http import limits
from edgeface.web.http.problems import Problem, for_programs
from edgeface.web.http.throttle import LoginThrottle

if TYPE_CHECKING:
    from edgeface.core.clock import Clock
    from edgeface.web.auth.accounts import Account, Accounts, Role

Endpoint = Callable[[Request], Awaitable[Response]]
AnyEndpoint = TypeVar("AnyEndpoint", bound=Endpoint)

HEADER = "x-csrf-token"
FIELD = "csrf"

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


@dataclass(slots=True, eq=False)
class AuthService:
    """What decides who may come in: `request.app.state.gate`; it belongs to the web's thread."""

    accounts: Accounts
    clock: Clock
    secure: bool
    """The page is served by TLS."""
    sessions: Sessions = field(init=False)
    attempts: LoginThrottle = field(init=False)
    passwords: limits.ConcurrencyLimit = field(init=False)
    """argon2 works on one password at a time: each takes 19 MiB."""

    def __post_init__(self) -> None:
        self.sessions = Sessions(self.clock)
        self.attempts = LoginThrottle(self.clock)
        self.passwords = limits.ConcurrencyLimit(at_a_time=1, waiting=4)

    @property
    def cookie(self) -> str:
        """The cookie's name; the prefix has the browser see to Secure, Path and no Domain (RFC 6265bis, 4.1.3.2)."""
        return "__Host-edgeface" if self.secure else "edgeface"

    def bearer(self, request: Request) -> Account | None:
        """Whose token the request carries; None when it is nobody's."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return self.accounts.by_token(token.strip()) if scheme.lower() == "bearer" else None

    def sign_out(self, request: Request, response: Response) -> None:
        """End the request's session, and have the browser forget it."""
        self.sessions.end(request.cookies.get(self.cookie, ""))
        response.delete_cookie(self.cookie, path="/", secure=self.secure, httponly=True, samesite="strict")

    def sign_in(self, request: Request, response: Response, account: Account) -> None:
        """Begin a new session, whatever the browser brought, and have it remember that one."""
        self.sessions.end(request.cookies.get(self.cookie, ""))
        id_ = self.sessions.begin(account)
        response.set_cookie(self.cookie, id_, path="/", secure=self.secure, httponly=True, samesite="strict")


def viewer(endpoint: Endpoint) -> Endpoint:
    """Let in whoever is signed in."""
    return _guarded(endpoint, "viewer")


def admin(endpoint: Endpoint) -> Endpoint:
    """Let in admins only."""
    return _guarded(endpoint, "admin")


def public(endpoint: AnyEndpoint) -> AnyEndpoint:
    """Let in everybody: sign-in, and nothing else."""
    endpoint.role = "public"  # type: ignore[attr-defined]
    return endpoint


def _guarded(endpoint: Endpoint, role: Role) -> Endpoint:
    @wraps(endpoint)
    async def guarded(request: Request) -> Response:
        refused = await identify(request)
        if refused is not None:
            return refused
        if role == "admin" and request.state.role != "admin":
            raise Problem(HTTPStatus.FORBIDDEN, detail="this needs the role admin")
        return await endpoint(request)

    guarded.role = role  # type: ignore[attr-defined]
    return guarded


async def identify(request: Request) -> Response | None:
    """Find out who asks, and put role and csrf into `request.state`; gives the way to sign-in for a page."""
    gate: AuthService = request.app.state.gate
    if "authorization" in request.headers:
        account, request.state.csrf = gate.bearer(request), ""
        if account is None:
            raise _unknown()
    else:
        session = gate.sessions.find(request.cookies.get(gate.cookie, ""))
        if session is None or not gate.accounts.holds(session.account):
            if for_programs(request.url.path):
                raise _unknown()
            return _to_sign_in(request)
        account, request.state.csrf = session.account, session.csrf
        if request.method not in _SAFE:
            await _require_meant(request, session.csrf)
    request.state.role, request.state.account = account.role, account.name
    return None


def require_same_origin(request: Request) -> None:
    """Refuse what another site has made the browser send; a program sends neither header."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    elsewhere = site not in {None, "same-origin", "none"}
    if origin is not None:
        parts = urlsplit(origin)
        elsewhere |= (parts.scheme, parts.netloc.lower()) != (
            request.url.scheme,
            request.headers.get("host", "").lower(),
        )
    if elsewhere:
        raise Problem(HTTPStatus.FORBIDDEN, detail="this was sent by a page of another site")


async def _require_meant(request: Request, csrf: str) -> None:
    """Refuse what a page of ours has not sent on purpose."""
    require_same_origin(request)
    said: Any = request.headers.get(HEADER)
    if said is None and request.headers.get("content-type", "").startswith(_FORMS):
        said = (await limits.form(request)).get(FIELD)
    if not isinstance(said, str) or not hmac.compare_digest(said.encode(), csrf.encode()):
        raise Problem(HTTPStatus.FORBIDDEN, detail="the page is out of date: load it again, and try again")


def _unknown() -> Problem:
    detail = "sign in, or send a token: Authorization: Bearer ..."
    return Problem(HTTPStatus.UNAUTHORIZED, detail=detail, headers={"WWW-Authenticate": "Bearer"})


def _to_sign_in(request: Request) -> Response:
    target = "/login"
    if request.method in {"GET", "HEAD"} and request.url.path != "/":
        query = f"?{request.url.query}" if request.url.query else ""
        target = f"/login?next={quote(request.url.path + query, safe='/')}"
    return RedirectResponse(target, HTTPStatus.SEE_OTHER)
