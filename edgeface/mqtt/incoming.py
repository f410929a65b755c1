"""What arrives from the broker: switches, starts of Home Assistant, the state of an earlier run, messages of doors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.core.files import loads_strict
from edgeface.mqtt import topics
from edgeface.mqtt.outgoing import Republication
from edgeface.mqtt.publisher import OFF, ON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from edgeface.access.issuer import GrantIssuer
    from edgeface.core.clock import Clock
    from edgeface.mqtt.connection import Connection, Message
    from edgeface.mqtt.generation import DoorMemory
    from edgeface.mqtt.outgoing import KeyListFeed
    from edgeface.mqtt.topics import Topics

# Seconds for the state of an earlier run to arrive: for the broker's answer, and after it.
_RECALL_TIMEOUT, _RECALL_PAUSE = 2.0, 0.3


class EarlierState:
    """The state that an earlier run has left at the broker: read once, before ours takes its place."""

    def __init__(self, topic: str, clock: Clock, recall: Callable[[Mapping[str, Any]], None] | None) -> None:
        """`recall` gets the state; without it nothing is read."""
        self.topic = topic
        self._clock = clock
        self._recall = recall
        self._until = float("inf")

    def subscribe(self, connection: Connection) -> None:
        """Ask a new connection for it, unless it has been read."""
        if self._recall is not None:
            self._until = self._clock.monotonic() + _RECALL_TIMEOUT
            connection.subscribe([self.topic], retained=True)

    def subscribed(self) -> None:
        """The broker has answered: what it has arrives now."""
        self._until = self._clock.monotonic() + _RECALL_PAUSE

    def awaited(self) -> bool:
        """Whether it may still arrive; once it may not, it is read no more."""
        if self._recall is not None and self._clock.monotonic() < self._until:
            return True
        self._recall = None
        return False

    def on_message(self, payload: bytes) -> None:
        """Pass on a state; anything else on the topic is ignored."""
        recall, self._recall = self._recall, None
        state = _object(payload)
        if recall is not None and state is not None:
            recall(state)


class Incoming:
    """Takes each message to where it belongs; the publisher's thread uses it."""

    def __init__(
        self,
        filled: Topics,
        clock: Clock,
        issuer: GrantIssuer,
        door_memory: DoorMemory,
        *,
        cameras: Iterable[str],
        on_enabled: Callable[[str, bool], None],
        recall: Callable[[Mapping[str, Any]], None] | None,
        key_list: KeyListFeed | None,
        discovery: bool,
    ) -> None:
        """`on_enabled` gets a camera that is switched; `discovery` is whether Home Assistant's starts matter."""
        self._topics, self._issuer, self._door_memory, self._key_list = filled, issuer, door_memory, key_list
        self._switches = {filled(topics.ENABLED_SET, camera=camera).name: camera for camera in cameras}
        self._on_enabled = on_enabled
        self._births = [filled(topics.HOME_ASSISTANT_STATUS).name] if discovery else []
        self.births = Republication(clock)
        """When discovery is published again."""
        self.earlier = EarlierState(filled(topics.STATE).name, clock, recall)
        """The state of an earlier run."""
        self.ignored = 0
        """Messages that were of no use."""

    def subscribe(self, connection: Connection) -> None:
        """Subscribe to everything on a new connection."""
        # With the sender's flag, since a retained command counts neither now nor later.
        connection.subscribe(self._switches, as_published=True)
        connection.subscribe(self._births)
        self._issuer.reload()
        self.subscribe_to_doors(connection)
        # Before our own state takes the place of what an earlier run has left.
        self.earlier.subscribe(connection)

    def subscribe_to_doors(self, connection: Connection) -> None:
        """Subscribe to what the doors publish that there are now."""
        kinds = (topics.DOOR_CHALLENGE, topics.DOOR_RESULT)
        names = [self._topics(kind, door=door).name for door in self._issuer.doors for kind in kinds]
        names += [self._topics(topics.DOOR_FACTOR, door=door).name for door in self._issuer.factor_doors]
        connection.subscribe(names, as_published=True)
        self._door_memory.subscribe(connection, self._issuer.doors)
        # A state has the retain flag: without as_published, only one that the broker has stored would arrive with it.
        states = [self._topics(topics.DOOR_STATE, door=door).name for door in self._issuer.doors]
        connection.subscribe(states, qos=0)

    def on_message(self, message: Message) -> None:
        """Act on a message; one that is of no use is counted."""
        self.ignored += not self._is_of_use(message)

    def _is_of_use(self, message: Message) -> bool:
        camera, door = self._switches.get(message.topic), self._topics.door_of(message.topic)
        payload = message.payload.decode(errors="replace")
        if message.topic in self._births:
            if payload == "online":
                self.births.request()
        elif camera is not None and payload in {ON, OFF} and not message.retained:
            self._on_enabled(camera, payload == ON)
        elif message.topic == self.earlier.topic:
            self.earlier.on_message(message.payload)
        elif door is not None and door[1] == "generation":
            return self._door_memory.on_message(door[0], message.payload)
        elif self._key_list is not None and message.topic == self._key_list.topic.name:
            self._key_list.on_message(message.payload)
        else:
            return door is not None and self._issuer.on_message(*door, message.payload, retained=message.retained)
        return True


def _object(payload: bytes) -> dict[str, Any] | None:
    """The JSON object in a message; None for anything else."""
    try:
        found = loads_strict(payload)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
