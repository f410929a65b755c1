"""The audit topic: what the journal holds and nobody has been told, oldest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.connection import Tag
from edgeface.journal import audit

if TYPE_CHECKING:
    from edgeface.clock import Clock
    from edgeface.connection import Connection
    from edgeface.outbox import Outbox
    from edgeface.topics import Topics

_DENIED = 60.0


class Drain:
    """Says the rows of the outbox on the audit topic; one thread uses it."""

    def __init__(self, outbox: Outbox, topics: Topics, clock: Clock) -> None:
        self._outbox = outbox
        self._topics = topics
        self._clock = clock
        self._at = float("-inf")

    def connected(self) -> None:
        """A broker has let us in: it may have another access list."""
        self._at = float("-inf")

    def denied(self) -> None:
        """The broker denies us the topic: leave it alone for a minute."""
        self._at = self._clock.monotonic() + _DENIED

    def tell(self, connection: Connection) -> None:
        """Publish rows, as far as half of the window and the network take them."""
        room = connection.window // 2 - connection.in_flight
        if room <= 0 or connection.congested or self._clock.monotonic() < self._at:
            return
        for row in self._outbox.take(room):
            payload = audit(row, self._topics.device, self._clock.wall())
            connection.publish(self._topics.audit, payload.encode(), Tag("audit", row.id))
