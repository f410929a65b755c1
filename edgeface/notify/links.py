"""The links in notifications that need no sign-in: each is a random secret, for one stranger, one hour and one use."""

from __future__ import annotations

import secrets
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeface.core.clock import Clock

SECONDS = 3600.0
"""How long a link is valid."""
MAX_LINKS = 512
"""Links at a time; with more, the oldest ends."""

_BYTES = 24


class StrangerLinks:
    """The links of this run of the daemon: none outlives it. Any thread may use it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._links: dict[str, tuple[str, float]] = {}

    def make(self, unknown: str) -> str:
        """A new secret for a stranger's id, in letters that an address may have."""
        token = secrets.token_urlsafe(_BYTES)
        with self._lock:
            self._links[token] = unknown, self._clock.monotonic() + SECONDS
            if len(self._links) > MAX_LINKS:
                del self._links[next(iter(self._links))]
        return token

    def find(self, token: str) -> str | None:
        """The stranger's id; None if the link is unknown, used or too old."""
        with self._lock:
            unknown, until = self._links.get(token, (None, 0.0))
        return unknown if self._clock.monotonic() < until else None

    def take(self, token: str) -> str | None:
        """As `find`, and the link is used."""
        found = self.find(token)
        with self._lock:
            return found if self._links.pop(token, None) is not None else None
