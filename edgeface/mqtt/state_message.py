"""The state as it is said: the daemon's facts with what the publisher knows, once a second at most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeface.core import events

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgeface.access.issuer import GrantIssuer
    from edgeface.core.clock import Clock
    from edgeface.journal.journal import Journal

_PAUSE = 1.0


class StateMessage:
    """Any thread puts, one thread composes."""

    def __init__(self, clock: Clock, journal: Journal, issuer: GrantIssuer) -> None:
        self._clock = clock
        self._journal = journal
        self._issuer = issuer
        self._facts: Mapping[str, Any] = {}
        self.doors: Mapping[str, Any] = {}
        """The doors as they were said last; replaced as a whole."""
        self._doors: tuple[list[str], list[str]] = ([], [])
        self._due = True
        self._at = float("-inf")

    def put(self, facts: Mapping[str, Any]) -> None:
        """Have these facts said."""
        self._facts = facts
        self._due = True

    def again(self, *, at_once: bool = False) -> None:
        """Have it said again: what the publisher knows has changed; `at_once` is for what happens seldom."""
        self._due = True
        if at_once:
            self._at = float("-inf")

    @property
    def problems(self) -> list[str]:
        """Why a door cannot open for anybody, one line each, as of the last look."""
        return self._doors[1]

    def compose(self, mqtt: Mapping[str, Any]) -> bytes | None:
        """The state as JSON; None while it need not be said, or nothing is known of the daemon."""
        now, doors = self._clock.monotonic(), (self._issuer.subscriptions(), self._issuer.lines())
        if doors != self._doors:
            self._doors, self._due = doors, True
        # Before the daemon has said something, most keys of the contract would be missing.
        if not self._facts or not self._due or now - self._at < _PAUSE:
            return None
        self._due, self._at = False, now
        self.doors = self._issuer.facts()
        problems = [*self._facts.get("problems", ()), *doors[1]]
        more = {"problems": problems, "doors": self.doors, "journal": self._journal.facts()}
        return events.to_json(events.plain({**self._facts, **more, "mqtt": mqtt})).encode()
