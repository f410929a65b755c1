"""Which language a browser gets: the one that it prefers among those there are (RFC 9110, 12.5.4)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from edgeface.web.languages.catalogues import ENGLISH, language, languages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Receive, Scope, Send

_MOST = 20
"""Ranges of a header that are read; browsers send a few."""


class PageLanguage:
    """Answers each request for a page in the language of its Accept-Language; REST answers are English."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            api = scope["path"].startswith("/api/")
            language.set(ENGLISH if api else preferred(Headers(scope=scope).get("accept-language", "")))
        await self._app(scope, receive, send)


def preferred(header: str) -> str:
    """The language of an Accept-Language header; English if it names none that there is, or cannot be read."""
    ranges = sorted(_ranges(header), key=lambda pair: -pair[1])
    known = (wanted.partition("-")[0] for wanted, quality in ranges if quality > 0)
    return next((one for one in known if one in languages()), ENGLISH)


def _ranges(header: str) -> Iterator[tuple[str, float]]:
    for part in header.lower().split(",")[:_MOST]:
        wanted, _, parameters = part.partition(";")
        yield wanted.strip(), _quality(parameters.strip())


def _quality(parameters: str) -> float:
    name, _, value = parameters.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        quality = float(value)
    except ValueError:
        return 0.0
    return quality if math.isfinite(quality) else 0.0
