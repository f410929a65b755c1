"""The web page of a daemon; loads nothing of the web unless the configuration has `web`."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from edgeface.core import event_kinds
from edgeface.core.clock import rfc3339, synchronised
from edgeface.core.errors import EdgefaceError, is_out_of_memory
from edgeface.core.events import plain, to_wire
from edgeface.core.installed.place import add_part
from edgeface.core.types import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgeface.config.configuration import Web
    from edgeface.core.types import FrameResult
    from edgeface.journal.rows import JournalRow
    from edgeface.mqtt.publisher import Publisher
    from edgeface.web.auth.guard import AuthService
    from edgeface.web.context import WebContext
    from edgeface.web.server import Server

log = logging.getLogger(__name__)

START_TIMEOUT = 5.0
"""Seconds within which the server should be listening."""


class WebPage:
    """The web page of a daemon, from its start to its end; without settings it does nothing."""

    def __init__(self, settings: Web | None, context: Callable[[], WebContext]) -> None:
        """Assemble the page without listening; if that fails, recognition continues without it.

        It fails if a package is missing, or if others could reach the page and no one could sign in.
        """
        self.observers: tuple[Callable[[FrameResult], None], ...] = ()
        """Called by the vision thread with each result."""
        self._context: WebContext | None = None
        self._auth: AuthService | None = None
        self._server: Server | None = None
        self._missing: str | None = None
        """Why there is no page although there are settings, in one line."""
        if settings is not None:
            try:
                self._open(settings, context())
            except ImportError as error:
                self._leave_out(f"web: {error.name} is not installed: {add_part('web')}")
            except EdgefaceError as error:
                self._leave_out(str(error))
            except Exception as error:
                if is_out_of_memory(error):
                    raise
                # Whatever is wrong with the page, doors and events do not depend on it.
                self._leave_out(f"web: the page cannot start ({type(error).__name__}): edgeface doctor")

    def _leave_out(self, problem: str) -> None:
        self._missing = f"{problem.rstrip('.')}; then restart: until then there is no page"
        log.error("%s", self._missing)

    def _open(self, settings: Web, context: WebContext) -> None:
        self._assemble(settings, context)
        self._context = context
        self.observers = tuple(one for one in (context.hub, context.timings) if one is not None)
        context.journal.listeners += (lambda message: _pass_on(context, message),)

    def _assemble(self, settings: Web, context: WebContext) -> None:
        from edgeface.web.app import application
        from edgeface.web.auth.accounts import Accounts, require_account
        from edgeface.web.auth.guard import AuthService
        from edgeface.web.server import Server

        configuration = context.configuration()
        require_account(configuration)
        auth = AuthService(Accounts(configuration.data, context.clock), context.clock, settings.ingress)
        self._server = Server(application(context, auth, settings), settings, context.hub)
        self._auth = auth

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the page cannot be reached, in one line; nothing if it can."""
        problem = self._missing if self._server is None else self._server.problem
        return () if problem is None else (problem,)

    @property
    def state_requested(self) -> bool:
        """Whether a request waits for a newer state."""
        return self._context is not None and self._context.hub.state_requested

    def start(self) -> None:
        """Start the page's thread."""
        if self._server is not None:
            self._server.start()

    def stop(self) -> None:
        """Stop the page's thread."""
        if self._server is not None:
            self._server.stop()

    def forget(self, removed: str) -> None:
        """Drop the messages about a person or an unknown who has been removed."""
        if self._context is not None:
            self._context.hub.forget(removed)

    def state(self, facts: Mapping[str, Any], publisher: Publisher) -> None:
        """Show the state, with the facts of publisher and journal, in the form of the state topic."""
        if self._context is not None:
            published = publisher.facts()
            problems = [*facts["problems"], *published["problems"]]
            more = {**published, "problems": problems, "journal": self._context.journal.facts()}
            self._context.hub.state = plain({**facts, **more, **self._latency(facts)})

    def _latency(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """The cameras, each with its latency, and the overall latency."""
        timings = None if self._context is None else self._context.timings
        if timings is None:
            return {}
        cameras = {name: {**camera, "latency": timings.latency(name)} for name, camera in facts["cameras"].items()}
        return {"cameras": cameras, "latency": timings.latency()}

    def link(self) -> str | None:
        """The page's address with a code that signs an admin in once, within five minutes; waits for the server."""
        if self._server is None or self._auth is None or not self._server.wait(START_TIMEOUT):
            return None
        return f"{self._server.url}login#{self._auth.sessions.make_code('admin')}"


def _pass_on(context: WebContext, message: Event | JournalRow) -> None:
    if isinstance(message, Event) or not event_kinds.of(message.kind).quiet:
        context.hub.on_message(wire(message))


def wire(message: Event | JournalRow) -> dict[str, Any]:
    """An event or a journal row as the page gets it: `kind`, `id`, `at`, and its facts."""
    if isinstance(message, Event):
        facts = to_wire(message, sent_at=None, synced=synchronised())
        return {**facts, "kind": message.type, "id": message.id, "at": rfc3339(message.captured_at)}
    return {**json.loads(message.payload), "kind": message.kind, "id": message.id, "at": rfc3339(message.at)}
