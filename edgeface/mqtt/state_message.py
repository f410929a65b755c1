"""The state message: the daemon's facts and what the publisher adds, at most once a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeface.core import events

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgeface.access.issuer import GrantIssuer
    from edgeface.core.clock import Clock
    from edgeface.journal.journal import Journal

_MIN_INTERVAL = 1.0


class StateMessage:
    """Any thread puts, one thread composes."""

    def __init__(self, clock: Clock, journal: Journal, issuer: GrantIssuer) -> None:
        self._clock = clock
        self._journal = journal
        self._issuer = issuer
        self._facts: Mapping[str, Any] = {}
        self.doors: Mapping[str, Any] = {}
        """The doors as last published; replaced as a whole."""
        self.problems: list[str] = []
        """Why a door cannot open for anyone, one line each, as of the last `compose`."""
        self._door_names: list[str] = []
        self._due = True
        self._composed_at = float("-inf")

    def put(self, facts: Mapping[str, Any]) -> None:
        """Have these facts published."""
        self._facts = facts
        self._due = True

    def refresh(self, *, at_once: bool = False) -> None:
        """Have it published again, since what the publisher adds has changed; `at_once` is for rare changes."""
        self._due = True
        if at_once:
            self._composed_at = float("-inf")

    def compose(self, mqtt: Mapping[str, Any]) -> bytes | None:
        """The state as JSON; None if it is not due, or if the daemon has not reported yet."""
        now, doors = self._clock.monotonic(), (self._issuer.doors, self._issuer.lines())
        if doors != (self._door_names, self.problems):
            self._door_names, self.problems = doors
            self._due = True
        # Without the daemon's facts most keys of the contract would be missing.
        if not self._facts or not self._due or now - self._composed_at < _MIN_INTERVAL:
            return None
        self._due, self._composed_at = False, now
        self.doors = self._issuer.facts()
        problems = [*self._facts.get("problems", ()), *self.problems]
        more = {"problems": problems, "doors": self.doors, "journal": self._journal.facts()}
        return events.to_json(events.plain({**self._facts, **more, "mqtt": mqtt})).encode()
