"""One controller for each door: a second one notices the first, on this machine or at the broker, and ends.

MQTT lets the newer of two clients with one name take over the connection of the other, so two controllers would take it
from each other for ever. A controller therefore listens under another name before it connects with the door's.
"""

from __future__ import annotations

import hashlib
import logging
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edgeface.core.errors import EdgefaceError
from edgeface.core.files import loads_strict
from edgeface.mqtt.connection import Connection, Waker
from edgeface.mqtt.topics import DOOR_CHALLENGE, DOOR_STATUS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgeface.core.clock import Clock
    from edgeface.door.settings import DoorSettings
    from edgeface.mqtt.topics import Topics

_log = logging.getLogger(__name__)

LISTEN_SECONDS = 2.5
"""How long a controller listens if the door is online already: another one publishes a challenge each second."""


class DoorTakenError(EdgefaceError):
    """Another controller serves this door."""


@contextmanager
def claim_machine(settings: DoorSettings) -> Iterator[None]:
    """Be the only controller of this door on this machine meanwhile; raises DoorTakenError if there is one.

    An abstract socket (unix(7)) holds the claim: it needs no folder, other users see it, and it ends with the process.
    """
    mqtt = settings.mqtt
    door = hashlib.sha256(f"{mqtt.host}:{mqtt.port}/{mqtt.prefix}/{settings.door}".encode()).hexdigest()[:32]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as claim:
        try:
            claim.bind(f"\0edgeface-door-{door}")
        except OSError as error:
            raise DoorTakenError(f"another controller of door {settings.door} runs on this machine") from error
        yield


def require_alone(settings: DoorSettings, topics: Topics, boot: str, clock: Clock, running: Callable[[], bool]) -> None:
    """Raise DoorTakenError if a controller of another boot publishes challenges; BrokerError if the broker fails.

    It takes a few round trips if the broker does not have the door as online, else LISTEN_SECONDS. `running` is called
    meanwhile, and ends it if False.
    """
    name = f"edgeface-door-{settings.door}-{boot}"
    connection = Connection(settings.mqtt, name, None, clock, session_seconds=0)
    waker = Waker()
    try:
        while running() and not connection.ready:
            connection.wait(0.1, waker.socket)
        if connection.ready:
            _listen(connection, settings.door, topics, boot, clock, running, waker.socket)
    finally:
        connection.close()
        waker.close()


def _listen(
    connection: Connection,
    door: str,
    topics: Topics,
    boot: str,
    clock: Clock,
    running: Callable[[], bool],
    wake: socket.socket,
) -> None:
    status, challenge = topics(DOOR_STATUS).name, topics(DOOR_CHALLENGE).name
    connection.subscribe([status, challenge], retained=True)
    # What is retained arrives before the answer to a later request.
    connection.probe()
    online = False
    deadline = clock.monotonic() + LISTEN_SECONDS
    while running() and clock.monotonic() < deadline and (online or connection.in_flight):
        connection.wait(0.1, wake)
        if any(result.refused is not None for result in connection.results()):
            _log.warning(
                "the broker does not let the door read its own status and challenge: a second controller of "
                "this door goes unnoticed (docs/mosquitto/acl)"
            )
            return
        while connection.messages:
            message = connection.messages.popleft()
            if message.topic == status:
                online = message.payload == b"online"
            elif message.topic == challenge and (other := _boot(message.payload)) not in {None, boot}:
                raise DoorTakenError(f"another controller serves door {door} (boot {other})")


def _boot(payload: bytes) -> str | None:
    """The boot in a challenge, shortened; None if it is not a challenge."""
    try:
        value = loads_strict(payload)
    except (ValueError, RecursionError):
        return None
    boot = value.get("boot") if isinstance(value, dict) else None
    return boot[:64] if isinstance(boot, str) and boot.isalnum() else None
