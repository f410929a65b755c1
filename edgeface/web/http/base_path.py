"""Links, redirects and cookies of a page that a proxy serves at a path."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

base_path: ContextVar[str] = ContextVar("base_path", default="")
"""The base path of the request, without a final slash: every link that a browser gets begins with it.

The middleware `Forwarded` sets it, removes it from the path of the request, and puts it in front of redirects.
"""


def below(base: str, path: str) -> str:
    """The path of a request below the base; a proxy may have removed the base already."""
    if path == base:
        return "/"
    return path.removeprefix(base) if path.startswith(f"{base}/") else path


def on_site(base: str, location: str) -> str:
    """A redirect of the application, which always stays on this site, as the browser needs it."""
    parts = urlsplit(location)
    return base + urlunsplit(("", "", parts.path, parts.query, parts.fragment))


def cookie_name(request: Request, purpose: str = "") -> str:
    """The name of one of our cookies.

    With a prefix, browsers require Secure; __Host- requires the path / as well (RFC 6265bis, 4.1.3).
    """
    prefix = "" if request.url.scheme != "https" else "__Secure-" if base_path.get() else "__Host-"
    return f"{prefix}edgeface{purpose}"


def put_cookie(request: Request, response: Response, name: str, value: str, seconds: int | None = None) -> None:
    """Set a cookie for this page alone; without `seconds` it ends with the browser, and with 0 at once."""
    secure = request.url.scheme == "https"
    response.set_cookie(
        name, value, seconds, path=base_path.get() or "/", secure=secure, httponly=True, samesite="strict"
    )
