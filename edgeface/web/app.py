"""The application: the routes of all parts behind one set of rules."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from starlette.applications import Starlette
from starlette.middleware import Middleware

from edgeface.core.errors import ConfigError
from edgeface.web import api, pages
from edgeface.web.api import metrics
from edgeface.web.auth import login
from edgeface.web.auth.accounts import Accounts, require_account
from edgeface.web.auth.guard import AuthService
from edgeface.web.http.headers import KnownHosts, SafeHeaders
from edgeface.web.http.limits import ConcurrencyLimit, Limits
from edgeface.web.http.problems import HANDLERS, ErrorMiddleware
from edgeface.web.hub import LiveHub
from edgeface.web.live import routes as live_routes
from edgeface.web.server import Server
from edgeface.web.site import WebContext

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.routing import BaseRoute

    from edgeface.config.configuration import Web
    from edgeface.web.site import Insight

THREADS = 8
"""Requests that may wait for disk and models at a time."""


def application(site: WebContext, accounts: Accounts, settings: Web) -> Starlette:
    """Put the parts together; `app.state` has `site` and `gate`."""
    secure = settings.tls is not None
    app = Starlette(
        routes=routes(),
        middleware=[
            Middleware(SafeHeaders, secure=secure),
            Middleware(ErrorMiddleware),
            Middleware(KnownHosts, names=(settings.host, *settings.hosts)),
            Middleware(Limits),
        ],
        exception_handlers=HANDLERS,
        lifespan=_lifespan,
    )
    app.state.site = site
    app.state.gate = AuthService(accounts, site.clock, secure)
    app.state.decoding = ConcurrencyLimit()
    return app


def routes() -> list[BaseRoute]:
    """Every route there is."""
    return [*login.routes(), *(route for part in (api, pages, live_routes, metrics) for route in part.routes())]


@asynccontextmanager
async def _lifespan(_: Starlette) -> AsyncIterator[None]:
    from anyio.to_thread import current_default_thread_limiter

    # Each waiting thread has a stack, and each open gallery a cache.
    current_default_thread_limiter().total_tokens = THREADS
    yield


class Opened(NamedTuple):
    """What a daemon needs of its page."""

    site: WebContext
    gate: AuthService
    server: Server


def opened(insight: Insight) -> Opened:
    """Make the page, not listening yet; ConfigError when others could reach it and nobody could sign in."""
    configuration = insight.configuration()
    if configuration.web is None:
        raise ConfigError("web: missing")
    require_account(configuration)
    site = WebContext(
        insight.configuration,
        insight.source,
        insight.clock,
        LiveHub(),
        insight.journal,
        insight.boot,
        insight.record,
        insight.reload,
        timings=insight.timings,
        switch=insight.switch,
    )
    app = application(site, Accounts(configuration.data), configuration.web)
    return Opened(site, app.state.gate, Server(app, configuration.web, site.hub))
