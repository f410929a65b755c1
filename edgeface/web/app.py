"""The application: all routes behind one set of middleware."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from edgeface.web import account_pages, api, pages
from edgeface.web.api.events import VERIFY_SECONDS
from edgeface.web.api.metrics import metrics
from edgeface.web.auth import login
from edgeface.web.http.forwarded import Forwarded
from edgeface.web.http.headers import KnownHosts, SafeHeaders
from edgeface.web.http.limits import ConcurrencyLimit, Limits
from edgeface.web.http.problems import HANDLERS, ErrorMiddleware
from edgeface.web.http.throttle import Cooldown
from edgeface.web.languages.negotiation import PageLanguage
from edgeface.web.pages.doubt import WaitingPlans
from edgeface.web.pages.enrolling.join import Joining
from edgeface.web.pages.guided import Guidance
from edgeface.web.pages.render import problem_page
from edgeface.web.settings import ROUTES as SETTINGS
from edgeface.web.today import routes as today

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.routing import BaseRoute

    from edgeface.config.configuration import Web
    from edgeface.web.auth.guard import AuthService
    from edgeface.web.context import WebContext

THREADS = 8
"""Requests that may use a worker thread, for the disk or a model, at a time."""


def application(context: WebContext, auth: AuthService, settings: Web) -> Starlette:
    """The application; its `state` has all that its handlers share."""
    app = Starlette(
        routes=routes(),
        middleware=[
            Middleware(SafeHeaders, secure=settings.tls is not None),
            Middleware(Forwarded, proxies=settings.proxies, base_path=settings.base_path, ingress=settings.ingress),
            Middleware(ErrorMiddleware),
            Middleware(KnownHosts, names=(settings.host, *settings.hosts)),
            Middleware(Limits),
            Middleware(PageLanguage),
        ],
        exception_handlers=HANDLERS,
        lifespan=_lifespan,
    )
    app.state.context = context
    app.state.auth = auth
    app.state.decoding = ConcurrencyLimit(at_a_time=2, waiting=4)
    app.state.feeds = {}
    app.state.streams = set()
    app.state.verifying = Cooldown(VERIFY_SECONDS, context.clock)
    app.state.guidance = Guidance(context)
    app.state.problem_page = problem_page
    app.state.waiting = WaitingPlans(context.clock)
    app.state.joining = Joining(context.clock)
    return app


def routes() -> list[BaseRoute]:
    """Every route."""
    return [
        *login.ROUTES,
        *api.ROUTES,
        *account_pages.ROUTES,
        *today.ROUTES,
        *SETTINGS,
        *pages.ROUTES,
        Route("/metrics", metrics, methods=["GET"]),
    ]


@asynccontextmanager
async def _lifespan(_: Starlette) -> AsyncIterator[None]:
    from anyio.to_thread import current_default_thread_limiter

    # Each waiting thread has a stack, and each open gallery a cache.
    current_default_thread_limiter().total_tokens = THREADS
    yield
