"""Lets one daemon be looked at by the page: nothing at all where the configuration has no `web`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from edgeface.core.clock import rfc3339, synchronised
from edgeface.core.errors import ConfigError
from edgeface.core.events import plain, to_wire
from edgeface.core.types import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgeface.core.types import FrameResult
    from edgeface.journal.rows import JournalRow
    from edgeface.mqtt.publisher import Publisher
    from edgeface.web.auth.guard import AuthService
    from edgeface.web.server import Server
    from edgeface.web.site import Insight, WebContext

LINK_SECONDS = 5.0
"""How long the page may take until it listens."""


class WebPage:
    """The page of a daemon, from its start to its end."""

    def __init__(self, insight: Insight) -> None:
        """Put it together; ConfigError, with the journal closed, when it may not be opened or a package is missing."""
        self.observers: tuple[Callable[[FrameResult], None], ...] = ()
        """For the vision thread."""
        self._site: WebContext | None = None
        self._gate: AuthService | None = None
        self._server: Server | None = None
        self._known: tuple[frozenset[str], ...] = ()
        if insight.configuration().web is not None:
            try:
                self._open(insight)
            except BaseException:
                insight.journal.close()
                raise

    def _open(self, insight: Insight) -> None:
        try:
            from edgeface.web.app import opened
        except ImportError as error:
            raise ConfigError(f"web: {error.name} is missing: pip install 'edgeface[web]'") from error
        self._site, self._gate, self._server = opened(insight)
        self.observers = tuple(one for one in (self._site.hub, insight.timings) if one is not None)
        insight.journal.heard = self._hear

    @property
    def problem(self) -> str | None:
        """Why nobody can reach the page, in one line."""
        return None if self._server is None else self._server.problem

    @property
    def problems(self) -> tuple[str, ...]:
        """The same for the state."""
        return () if self.problem is None else (self.problem,)

    @property
    def url(self) -> str | None:
        """The page's address; None where there is none."""
        return None if self._server is None else self._server.url

    @property
    def asked(self) -> bool:
        """Whether somebody waits for a newer state."""
        return self._site is not None and self._site.hub.asked

    def start(self) -> None:
        """Start the page's thread."""
        if self._server is not None:
            self._server.start()

    def stop(self) -> None:
        """End it."""
        if self._server is not None:
            self._server.stop()

    def forget_removed(self, *known: frozenset[str]) -> None:
        """Let go of what was heard of anybody who was among the people or the unknowns and is no more."""
        if self._site is not None:
            for before, now in zip(self._known, known, strict=False):
                # A set that has not been replaced is not compared: it may hold thousands.
                for gone in () if now is before else before - now:
                    self._site.hub.forget(gone)
        self._known = known

    def state(self, facts: Mapping[str, Any], publisher: Publisher) -> None:
        """Show the state with what the teller and the journal add, as the state topic has it."""
        if self._site is not None:
            told = publisher.facts()
            more = {**told, "problems": [*facts["problems"], *told["problems"]], "journal": self._site.journal.facts()}
            self._site.hub.state = plain({**facts, **more, **self._latency(facts)})

    def _latency(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """The cameras with the latency of each, and that of all."""
        timings = None if self._site is None else self._site.timings
        if timings is None:
            return {}
        cameras = {name: {**said, "latency": timings.latency(name)} for name, said in facts["cameras"].items()}
        return {"cameras": cameras, "latency": timings.latency()}

    def link(self) -> str | None:
        """The page's address with a code that signs an admin in, once, within five minutes; it waits for the page."""
        if self._server is None or self._gate is None or not self._server.wait(LINK_SECONDS):
            return None
        return f"{self._server.url}login#{self._gate.sessions.make_code('admin')}"

    def _hear(self, what: Event | JournalRow) -> None:
        """Take an event or a note as it is said, by whichever thread says it."""
        if self._site is not None:
            self._site.hub.on_message(wire(what))


def wire(what: Event | JournalRow) -> dict[str, Any]:
    """An event or a row of the journal as the page has it: `kind`, `id`, `at`, and its facts."""
    if isinstance(what, Event):
        facts = to_wire(what, sent_at=None, synced=synchronised())
        return {**facts, "kind": what.type, "id": what.id, "at": rfc3339(what.captured_at)}
    return {**json.loads(what.payload), "kind": what.kind, "id": what.id, "at": rfc3339(what.at)}
