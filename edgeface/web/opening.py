"""Puts the page of a daemon together."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edgeface.errors import ConfigError
from edgeface.web.accounts import Accounts, require_account
from edgeface.web.app import application
from edgeface.web.glass import Glass
from edgeface.web.server import Server
from edgeface.web.site import Site

if TYPE_CHECKING:
    from edgeface.observers import Insight
    from edgeface.web.auth import Gate


class Opened(NamedTuple):
    """What a daemon needs of its page."""

    site: Site
    gate: Gate
    server: Server


def opened(insight: Insight) -> Opened:
    """Make the page, not listening yet; ConfigError when others could reach it and nobody could sign in."""
    configuration = insight.configuration()
    if configuration.web is None:
        raise ConfigError("web: missing")
    require_account(configuration)
    site = Site(
        insight.configuration,
        insight.source,
        insight.clock,
        Glass(),
        insight.journal,
        insight.boot,
        insight.note,
        insight.reload,
        timings=insight.timings,
        switch=insight.switch,
    )
    app = application(site, Accounts(configuration.data), configuration.web)
    return Opened(site, app.state.gate, Server(app, configuration.web, site.glass))
