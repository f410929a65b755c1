"""The application: the routes of all parts behind one set of rules."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware

from edgeface.web import api, live, login, metrics, pages
from edgeface.web.auth import Gate
from edgeface.web.headers import KnownHosts, SafeHeaders
from edgeface.web.limits import Limits, Slots
from edgeface.web.problems import HANDLERS, Shield

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.routing import BaseRoute

    from edgeface.settings import Web
    from edgeface.web.accounts import Accounts
    from edgeface.web.site import Site

THREADS = 8
"""Requests that may wait for disk and models at a time."""


def application(site: Site, accounts: Accounts, settings: Web) -> Starlette:
    """Put the parts together; `app.state` has `site` and `gate`."""
    secure = settings.tls is not None
    app = Starlette(
        routes=routes(),
        middleware=[
            Middleware(SafeHeaders, secure=secure),
            Middleware(Shield),
            Middleware(KnownHosts, names=(settings.host, *settings.hosts)),
            Middleware(Limits),
        ],
        exception_handlers=HANDLERS,
        lifespan=_lifespan,
    )
    app.state.site = site
    app.state.gate = Gate(accounts, site.clock, secure)
    app.state.decoding = Slots()
    return app


def routes() -> list[BaseRoute]:
    """Every route there is."""
    return [*login.routes(), *(route for part in (api, pages, live, metrics) for route in part.routes())]


@asynccontextmanager
async def _lifespan(_: Starlette) -> AsyncIterator[None]:
    from anyio.to_thread import current_default_thread_limiter

    # Each waiting thread has a stack, and each open gallery a cache.
    current_default_thread_limiter().total_tokens = THREADS
    yield
