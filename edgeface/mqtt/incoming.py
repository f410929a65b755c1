"""What arrives from the broker: commands, starts of Home Assistant, what earlier runs have left, messages of doors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.core.files import loads_object
from edgeface.mqtt import topics
from edgeface.mqtt.outgoing import Republication
from edgeface.mqtt.publisher import OFF, ON, PRESS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from edgeface.access.issuer import GrantIssuer
    from edgeface.core.clock import Clock
    from edgeface.mqtt.connection import Connection, Message
    from edgeface.mqtt.generation import DoorMemory
    from edgeface.mqtt.last_seen import LastSeen
    from edgeface.mqtt.leftovers import Leftovers
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
        state = loads_object(payload)
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
        last_seen: LastSeen,
        *,
        cameras: Sequence[str],
        on_enabled: Callable[[str, bool], None],
        on_ignore: Callable[[str], None],
        recall: Callable[[Mapping[str, Any]], None] | None,
        key_list: KeyListFeed | None,
        discovery: bool,
        leftovers: Leftovers | None = None,
    ) -> None:
        """`on_enabled` gets a camera that is switched, and `on_ignore` one whose last stranger is to be ignored.

        `discovery` is whether Home Assistant's starts matter.
        """
        self._topics, self._issuer, self._door_memory, self._key_list = filled, issuer, door_memory, key_list
        self._switches = {filled(topics.ENABLED_SET, camera=camera).name: camera for camera in cameras}
        self._buttons = {filled(topics.IGNORE, camera=camera).name: camera for camera in cameras}
        self._on_enabled, self._on_ignore = on_enabled, on_ignore
        self._last_seen, self._leftovers = last_seen, leftovers
        # Buttons to which the broker has confirmed the subscription, and those that obey.
        self._confirmed: set[str] = set()
        self._obeyed: set[str] = set()
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
        self._confirmed, self._obeyed = set(), set()
        connection.subscribe(self._buttons, as_published=True, qos=topics.IGNORE.qos)
        connection.subscribe(self._births)
        self._issuer.reload()
        self.subscribe_to_doors(connection)
        # Before our own state takes the place of what an earlier run has left.
        self.earlier.subscribe(connection)
        self._last_seen.subscribe(connection)
        if self._leftovers is not None:
            self._leftovers.subscribe(connection)

    def subscribed(self, name: str) -> None:
        """Take the broker's answer to a subscription."""
        if name == self.earlier.topic:
            self.earlier.subscribed()
        if name in self._buttons:
            self._confirmed.add(name)

    def receive(self, connection: Connection) -> None:
        """Act on the messages that have arrived."""
        while connection.messages:
            self.on_message(connection.messages.popleft())
        # What a broker has kept for us arrives before its answer to the subscription: it was pressed for someone who
        # has left since, and there is no time in it.
        self._obeyed |= self._confirmed

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
        elif message.topic in self._obeyed and payload == PRESS and not message.retained:
            self._on_ignore(self._buttons[message.topic])
        elif message.topic == self.earlier.topic:
            self.earlier.on_message(message.payload)
        elif door is not None and door[1] == "generation":
            return self._door_memory.on_message(door[0], message.payload)
        elif self._key_list is not None and message.topic == self._key_list.topic.name:
            self._key_list.on_message(message.payload)
        elif door is not None:
            return self._issuer.on_message(*door, message.payload, retained=message.retained)
        else:
            left = self._leftovers is not None and self._leftovers.on_message(message)
            return self._last_seen.on_message(message) or left
        return True
