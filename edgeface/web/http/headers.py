"""Security headers of every answer, and the host names under which the web may be requested."""

from __future__ import annotations

import ipaddress
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

from edgeface.web.http.problems import Problem, respond

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; "
    "img-src 'self' data: blob:; "
    "media-src 'self' blob:; "
    "style-src 'self'; "
    "script-src 'self'; "
    "connect-src 'self'; "
    "manifest-src 'self'; "
    "form-action 'self'; "
    "frame-ancestors 'none'; "
    "base-uri 'none'"
)
"""Content-Security-Policy: the pages load from this server only, and nothing in them is inline."""

FIXED = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # With no-referrer a browser sends "Origin: null" with a form, which is rejected as another site's.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
    "x-robots-tag": "noindex",
}

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_ANYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - it is compared, not listened on


FRAMED = {
    **FIXED,
    "content-security-policy": POLICY.replace("frame-ancestors 'none'", "frame-ancestors 'self'"),
    "x-frame-options": "SAMEORIGIN",
}
"""The headers inside Home Assistant, whose page of the same origin has the frame."""


class SafeHeaders:
    """Adds the security headers to every answer, and keeps browsers from storing personal data."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        """`secure`: this server has its own certificate; a proxy decides for itself what its host name promises."""
        self._app = app
        self._secure = {"strict-transport-security": "max-age=31536000"} if secure else {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def strict(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(FRAMED if scope.get("edgeface.ingress") else FIXED)
                headers.update(self._secure)
                headers["cache-control"] = "no-cache" if scope["path"].startswith("/static/") else "no-store"
            await send(message)

        await self._app(scope, receive, strict)


class KnownHosts:
    """Rejects requests for other host names: another site can point its own name at this server (DNS rebinding)."""

    def __init__(self, app: ASGIApp, *, names: Iterable[str]) -> None:
        self._app = app
        self._names = (_LOCAL | {name.lower() for name in names}) - _ANYWHERE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and not self._is_ours(scope):
            detail = "this server is not known by the requested host name: add it to web.hosts"
            await respond(scope["path"], Problem(HTTPStatus.MISDIRECTED_REQUEST, detail=detail))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        given = Headers(scope=scope).getlist("host")
        if len(given) != 1:
            return False
        name = host_name(given[0])
        # The address of this very connection cannot be another site's, and Home Assistant knows its own names.
        ours = name in self._names or name == _address(scope) or scope.get("edgeface.ingress") is True
        return ours and name != ""


def host_name(header: str) -> str:
    """The name in a Host header: lower case, no port, no brackets, no final dot; empty if the header is invalid."""
    name, port = header.strip().lower(), ""
    if name.startswith("["):
        name, closed, port = name[1:].partition("]")
        if not closed or (port and not port.startswith(":")):
            return ""
        port = port[1:]
    elif name.count(":") == 1:
        name, _, port = name.partition(":")
    return name.rstrip(".") if not port or port.isdecimal() else ""


def _address(scope: Scope) -> str:
    """The address that the connection was made to."""
    server = scope.get("server")
    try:
        address = ipaddress.ip_address(server[0]) if server else None
    except ValueError:
        return "-"
    # A socket for both families shows IPv4 inside IPv6.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return "-" if address is None else str(mapped or address)
