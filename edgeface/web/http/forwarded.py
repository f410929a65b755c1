"""The request as the browser sent it: trusted proxies report its address, scheme, host and path in headers."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from starlette.datastructures import Headers, MutableHeaders

from edgeface.config.configuration import require_base_path
from edgeface.web.http.base_path import base_path, below, on_site
from edgeface.web.http.clients import Proxies, parsed
from edgeface.web.http.headers import host_name
from edgeface.web.http.problems import Problem, respond

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from edgeface.config.configuration import Ingress

log = logging.getLogger(__name__)

_LONGEST = 255
"""Characters of a forwarded header; of X-Forwarded-For, `Proxies` reads the right-most entries only."""


class IngressUser(NamedTuple):
    """Who is signed in to Home Assistant, as its Supervisor reports."""

    id: str
    name: str
    """The user name; empty if there is none."""


class Forwarded:
    """Restores what the browser sent, so that the application knows neither proxies nor their paths.

    It removes the base path from requests, and puts it in front of redirects. It sets the client, scheme and Host of
    the scope; `edgeface.any_scheme`, whether a trusted proxy may have ended TLS and does not report it;
    `edgeface.ingress`, whether the request came by Home Assistant's ingress; and `edgeface.user`, an IngressUser or
    None. A trusted proxy's header that cannot be used is answered with 400 and logged; from other peers no such header
    is read.
    """

    def __init__(
        self, app: ASGIApp, *, proxies: Iterable[str], base_path: str = "", ingress: Ingress | None = None
    ) -> None:
        """`proxies` are addresses or networks; with `ingress`, its Supervisor is one of them."""
        self._app = app
        self._proxies = Proxies(proxies)
        self._base = base_path
        self._supervisor = parsed(ingress.supervisor) if ingress is not None and ingress.enabled else None
        self._logged: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        base_path.set(self._base)
        try:
            self._restore(scope)
        except Problem as problem:
            self._log(problem.detail)
            await respond(scope["path"], problem)(scope, receive, send)
            return
        base = base_path.get()
        scope["path"] = below(base, scope["path"])

        async def located(message: Message) -> None:
            if message["type"] == "http.response.start" and base:
                headers = MutableHeaders(scope=message)
                if "location" in headers:
                    headers["location"] = on_site(base, headers["location"])
            await send(message)

        await self._app(scope, receive, located)

    def _log(self, detail: str) -> None:
        # Once: a client may make the proxy send the same header again and again. The details have nothing of its value.
        if detail not in self._logged:
            self._logged.add(detail)
            log.warning("%s", detail)

    def _restore(self, scope: Scope) -> None:
        """Apply the headers that this peer may set. Raises Problem 400."""
        host, port = scope.get("client") or ("", 0)
        headers = Headers(scope=scope)
        if host not in self._proxies:
            return
        ingress_path = _prefix(headers, "x-ingress-path")
        by_supervisor = self._supervisor is not None and parsed(host) == self._supervisor
        scope["edgeface.ingress"] = by_supervisor and bool(ingress_path)
        scope["edgeface.user"] = _user(headers) if scope["edgeface.ingress"] else None
        scope["client"] = (self._proxies.client(host, headers.getlist("x-forwarded-for")), port)
        scheme, known_as = _scheme(headers), _host(headers)
        scope["scheme"], scope["edgeface.any_scheme"] = scheme or scope["scheme"], scheme is None
        if known_as is not None:
            others = [pair for pair in scope["headers"] if pair[0] != b"host"]
            scope["headers"] = [(b"host", known_as.encode("latin-1")), *others]
        base_path.set(ingress_path or _prefix(headers, "x-forwarded-prefix") or self._base)


def _one(headers: Headers, name: str) -> str | None:
    """The header; None if it is missing or empty. Raises Problem 400 if there are several, or it is too long."""
    given = headers.getlist(name)
    if len(given) > 1:
        raise _wrong(name, "it must be sent only once")
    if given and len(given[0]) > _LONGEST:
        raise _wrong(name, f"it must have {_LONGEST} characters at most")
    return given[0].strip() or None if given else None


def _scheme(headers: Headers) -> str | None:
    """The scheme; None if it is not reported, or several proxies, each with one of its own, do not agree."""
    given = _one(headers, "x-forwarded-proto")
    schemes = set() if given is None else {one.strip().lower() for one in given.split(",")}
    if not schemes <= {"http", "https"}:
        raise _wrong("x-forwarded-proto", "it must be http or https")
    return schemes.pop() if len(schemes) == 1 else None


def _host(headers: Headers) -> str | None:
    given = _one(headers, "x-forwarded-host")
    if given is not None and ("," in given or not host_name(given)):
        raise _wrong("x-forwarded-host", "it must be one host name, with a port if the browser's address has one")
    return given


def _prefix(headers: Headers, name: str) -> str | None:
    given = _one(headers, name)
    try:
        return None if given is None else require_base_path(given)
    except ValueError as error:
        raise _wrong(name, f"it {error}") from None


def _user(headers: Headers) -> IngressUser | None:
    id_, name = _text(headers, "x-remote-user-id"), _text(headers, "x-remote-user-name")
    return IngressUser(id_, name) if id_ else None


def _text(headers: Headers, name: str) -> str:
    """The header, or an empty text; the Supervisor writes UTF-8, and HTTP reads Latin-1."""
    text = (_one(headers, name) or "").encode("latin-1").decode(errors="replace")
    if not text.isprintable():
        raise _wrong(name, "it has a character that cannot be printed")
    return text


def _wrong(name: str, wanted: str) -> Problem:
    shown = "-".join(part.capitalize() for part in name.split("-"))
    return Problem(HTTPStatus.BAD_REQUEST, detail=f"the reverse proxy's header {shown} cannot be used: {wanted}")
