"""Relays and locks on the door's broker; its last will for the relay is the message that switches off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from edgeface.core.errors import BrokerError
from edgeface.core.settings import Settings, form
from edgeface.door.relays import mqtt_devices as devices
from edgeface.door.relays.base import ANSWER_TIMEOUT, Channel, OpenSeconds, RelayError
from edgeface.mqtt.connection import Connection, Tag, Waker
from edgeface.mqtt.topics import Topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeface.door.relays.base import DoorContext, RelayDriver
    from edgeface.door.relays.mqtt_devices import Command, MqttDevice

RelayTopic = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_.:@ -]+(/[A-Za-z0-9_.:@ -]+)*$",
        max_length=200,
        json_schema_extra=form("a topic without + and #, and without / at an end, such as shelly/relay"),
    ),
]

_PACKETS = 64
_EXPIRY = 1


class MqttRelay(Settings):
    """A relay or lock that the broker of `mqtt:` reaches."""

    type: Literal["mqtt"] = "mqtt"
    device: Literal["shelly-gen2", "shelly-gen1", "tasmota", "zigbee2mqtt-lock", "home-assistant-lock"]
    """shelly-gen2: Plus, Pro, Gen3 and later."""
    topic: RelayTopic
    """The device's own topic: shelly1-a4cf12, tasmota_9CF9D1, zigbee2mqtt/front_lock, or its command_topic."""
    state_topic: RelayTopic | None = None
    """Only for home-assistant-lock: the topic on which it reports."""
    channel: Channel = 0
    """Which relay of a device with several, from 0."""
    seconds: OpenSeconds = 3.0
    """How long the relay stays on after the last grant."""

    @model_validator(mode="after")
    def _has_its_topics(self) -> MqttRelay:
        if (self.state_topic is not None) != (self.device == "home-assistant-lock"):
            raise ValueError("state_topic: home-assistant-lock needs it, and no other device has it")
        return self

    def driver(self, context: DoorContext) -> RelayDriver:
        """Nothing is opened yet."""
        return MqttDriver(self._device(context), context)

    def _device(self, context: DoorContext) -> MqttDevice:
        if self.state_topic is not None:
            return devices.HomeAssistantLock(self.topic, self.state_topic)
        kinds: dict[str, Callable[[str, int, str], MqttDevice]] = {
            "shelly-gen2": devices.ShellyGen2,
            "shelly-gen1": devices.ShellyGen1,
            "tasmota": devices.Tasmota,
            "zigbee2mqtt-lock": devices.Zigbee2MqttLock,
        }
        kind = kinds[self.device]
        return kind(self.topic, self.channel, f"{context.mqtt.prefix}/doors/{context.door}/relay")


class MqttDriver:
    """One connection of its own, opened again when it has ended; one thread uses it."""

    pace = 0.5
    repeats_off = False

    def __init__(self, device: MqttDevice, context: DoorContext) -> None:
        self._device = device
        self._context = context
        self._connection: Connection | None = None
        self._waker = Waker()
        self._seen: bool | None = None
        self._fault: RelayError | None = None
        self._asked_at = float("-inf")

    def on(self, seconds: float) -> None:
        """Switch on, and wait for the device's report."""
        self._command(self._device.on(seconds), wanted=True)

    def off(self) -> None:
        """Switch off, and wait for the device's report."""
        self._command((self._device.off(),), wanted=False)

    def is_on(self) -> bool:
        """The latest state that the device has reported on this connection; asked for, where it can be asked."""
        connection = self._connected()
        self._pump(connection)
        if self._now() - self._asked_at >= ANSWER_TIMEOUT and self._ask(connection):
            self._seen = None
            self._await(connection, wanted=None)
        if self._fault is not None:
            raise self._fault
        if self._seen is None:
            raise RelayError(f"it has not reported its state within {ANSWER_TIMEOUT:g} s")
        return self._seen

    def close(self) -> None:
        """End the connection; the broker publishes no will."""
        if self._connection is not None:
            self._connection.close()
        self._waker.close()

    def _command(self, commands: tuple[Command, ...], *, wanted: bool) -> None:
        connection = self._connected()
        self._pump(connection)
        self._fault = None
        before, self._seen = self._seen, None
        for command in commands:
            # The broker must not hold an unlocking for a device that is away.
            self._send(connection, command, qos=0 if wanted else 1, expiry=_EXPIRY if wanted else None)
        if not self._ask(connection) and before is wanted:
            # A device that reports by itself may not repeat a state that it has already.
            self._seen = before
        # What comes first may be an answer to something older.
        self._await(connection, wanted=wanted)
        self._asked_at = self._now()

    def _ask(self, connection: Connection) -> bool:
        """Ask for the state; False for a device that cannot be asked."""
        query = self._device.query()
        if query is None:
            return False
        self._asked_at = self._now()
        self._send(connection, query, qos=0)
        return True

    def _send(self, connection: Connection, command: Command, *, qos: Literal[0, 1], expiry: int | None = None) -> None:
        topic, tag = Topic(command.topic, qos), Tag("relay", command.topic)
        connection.publish(topic, command.payload.encode(), tag, expiry=expiry)

    def _await(self, connection: Connection, *, wanted: bool | None) -> None:
        """Serve the network until the device has reported, `wanted` if that is given, or ANSWER_TIMEOUT is over."""
        deadline = self._now() + ANSWER_TIMEOUT
        while self._now() < deadline and self._fault is None:
            if self._seen is not None and (wanted is None or self._seen is wanted):
                return
            self._serve(connection, 0.1)

    def _pump(self, connection: Connection) -> None:
        """Take what has arrived."""
        for _ in range(_PACKETS):
            if not self._serve(connection, 0.0):
                return

    def _serve(self, connection: Connection, seconds: float) -> int:
        """Serve the network; returns how many messages came."""
        try:
            connection.wait(seconds, self._waker.socket)
        except BrokerError as error:
            self._lose()
            raise RelayError(str(error)) from error
        count = len(connection.messages)
        while connection.messages:
            message = connection.messages.popleft()
            self._hear(message.topic, message.payload)
        if refused := next((result.refused for result in connection.results() if result.refused), None):
            raise RelayError(f"the broker denies a topic of the relay: {refused}")
        return count

    def _hear(self, topic: str, payload: bytes) -> None:
        try:
            seen = self._device.state(topic, payload)
        except RelayError as error:
            self._fault, self._seen = error, None
            return
        if seen is not None:
            self._fault, self._seen = None, seen

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def _open(self) -> Connection:
        context, off = self._context, self._device.off()
        connection: Connection | None = None
        try:
            connection = Connection(
                context.mqtt,
                f"edgeface-relay-{context.door}",
                Topic(off.topic, 1),
                context.clock,
                last_words=off.payload.encode(),
                session_seconds=0,
            )
            while not connection.ready:
                connection.wait(0.1, self._waker.socket)
        except BrokerError as error:
            if connection is not None:
                connection.drop()
            raise RelayError(str(error)) from error
        connection.subscribe(self._device.listens, qos=0, retained=True)
        return connection

    def _lose(self) -> None:
        if self._connection is not None:
            self._connection.drop()
        self._connection = None
        self._seen = None

    def _now(self) -> float:
        return self._context.clock.monotonic()
