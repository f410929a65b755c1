"""A short connection of a command: read what a topic retains, publish what replaces it, and wait for the broker."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from edgeface.core.errors import BrokerError
from edgeface.mqtt.connection import Connection, Waker
from edgeface.mqtt.settings import require_safe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.core.clock import Clock
    from edgeface.mqtt.settings import Mqtt
    from edgeface.mqtt.topics import Topic

_TICK = 0.2


class Exchange:
    """A connection for one retained topic; `begin` makes it."""

    def __init__(self, connection: Connection, waker: Waker, topic: Topic) -> None:
        self._connection, self._waker, self._topic = connection, waker, topic

    def retained(self) -> bytes | None:
        """What the topic retains; None if that is nothing, or must not be read. Raises BrokerError."""
        self._connection.subscribe([self._topic.name], retained=True)
        # What is retained arrives before the answer to a later request.
        self._connection.probe()
        self._settle()
        found = [one.payload for one in self._connection.messages if one.topic == self._topic.name and one.retained]
        self._connection.results()
        return found[-1] if found else None

    def publish(self, payload: bytes) -> None:
        """Publish, and wait for the broker; raises BrokerError if it refuses or does not answer."""
        self._connection.publish(self._topic, payload)
        self._settle()
        for result in self._connection.results():
            if result.refused is not None:
                raise BrokerError(f"the broker denies {self._topic.name}: {result.refused}; docs/mosquitto/acl")

    def _settle(self) -> None:
        while self._connection.in_flight:
            self._connection.wait(_TICK, self._waker.socket)


@contextmanager
def begin(settings: Mqtt, name: str, topic: Topic, clock: Clock) -> Iterator[Exchange]:
    """Connect as the client `name`; raises BrokerError, and ConfigError for settings that are not safe."""
    require_safe(settings)
    connection = Connection(settings, name, None, clock, session_seconds=0)
    waker = Waker()
    try:
        while not connection.ready:
            connection.wait(_TICK, waker.socket)
        yield Exchange(connection, waker, topic)
    finally:
        connection.close()
        waker.close()
