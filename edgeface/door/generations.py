"""Remembers the newest generation of each device's data folder, and tells it to a device whose folder was put back.

A device signs its generation with the key that signs its grants. So no one else can raise or lower what a door
remembers, and the mark in it, which only the device can make, keeps the device from believing anyone else.
"""

from __future__ import annotations

import json
import logging
import re
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeface.core.errors import system_reason
from edgeface.core.files import put_whole, read_at_most
from edgeface.core.settings import ID_PATTERN
from edgeface.door.verifier import Reject, open_envelope, read_object
from edgeface.mqtt.topics import DOOR_GENERATION, GENERATION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgeface.core.clock import Clock
    from edgeface.door.settings import DoorSettings
    from edgeface.mqtt.connection import Connection, Message
    from edgeface.mqtt.topics import Topics

_log = logging.getLogger(__name__)

VERSION = 1
MAX_BYTES = 1_000
"""Bytes of a device's message; one has about 350."""
MAX_KEYS = 64
"""Keys of devices that are remembered."""
STORE_SECONDS = 10.0
"""Seconds between two writes, so that a device that keeps changing wears out no card."""
ANSWER_SECONDS = 1.0
"""Seconds between two publications of what is remembered, so that repeated messages become no flood."""

_MAX_FILE_BYTES = 32_768
_MAX_NUMBER = 2**53 - 1
_MARK = re.compile(r"[0-9a-f]{32}")
_KID = re.compile(ID_PATTERN)
_KEYS = {"v", "device", "gallery", "journal", "mark"}


class Generation(NamedTuple):
    """How often the data folder of a device has changed, as it says itself."""

    device: str
    gallery: int
    journal: int
    mark: str
    """Made with the key of the data folder, over both numbers."""

    @property
    def number(self) -> int:
        """Rises with every change."""
        return self.gallery + self.journal


def verify(envelope: bytes, keys: Mapping[str, bytes]) -> tuple[str, Generation]:
    """The kid and the generation in a device's message; raises Reject and nothing else."""
    if len(envelope) > MAX_BYTES:
        raise Reject("too_large", f"{len(envelope)} bytes")
    payload = open_envelope(envelope, keys)
    return str(read_object(envelope)["kid"]), _generation(read_object(payload.encode()))


class GenerationMemory:
    """What one door remembers; the controller's thread uses it."""

    def __init__(
        self, settings: DoorSettings, topics: Topics, clock: Clock, keys: Callable[[], Mapping[str, bytes]]
    ) -> None:
        """Read what was stored; `keys` are those whose grants the door accepts now."""
        self._path = settings.data / f"{settings.door}.generations"
        self._topics, self._clock, self._keys = topics, clock, keys
        self._newest: OrderedDict[str, Generation] = OrderedDict()
        self._stale = self._unstored = False
        self._stored_at = self._published_at = float("-inf")
        self.problem: str | None = None
        """Why the memory does not outlast a restart, in one line."""
        self._read()

    def connected(self, connection: Connection) -> None:
        """Ask for the generations of all devices, and publish what is remembered."""
        every = self._topics(GENERATION, device="+").name
        # QoS 0: only the newest counts, and the broker retains it.
        connection.subscribe([every], qos=0, retained=True)
        self._stale, self._published_at = True, float("-inf")

    def on_message(self, message: Message) -> None:
        """Remember what a device has signed, if it is newer; an older one has the memory published again."""
        try:
            kid, generation = verify(message.payload, self._keys())
        except Reject as reject:
            _log.debug("a generation was rejected: %s", reject.reason)
            return
        known = self._newest.get(kid)
        if known is None or known.number < generation.number:
            self._newest[kid] = generation
            self._newest.move_to_end(kid)
            self._forget()
            self._stale = self._unstored = True
        elif generation.number < known.number:
            self._stale = True

    def review(self, connection: Connection) -> None:
        """Store and publish what has changed, neither too often."""
        now = self._clock.monotonic()
        if self._unstored and now - self._stored_at >= STORE_SECONDS:
            self.store()
        if self._stale and now - self._published_at >= ANSWER_SECONDS:
            self._stale, self._published_at = False, now
            connection.publish(self._topics(DOOR_GENERATION), self._message())

    def store(self) -> None:
        """Have what is remembered on the disk; if that fails, `problem` and the log say so, and the door works on."""
        if not self._unstored:
            return
        self._stored_at = self._clock.monotonic()
        before, self.problem = self.problem, None
        try:
            put_whole(self._path, _json({"v": VERSION, "newest": self._facts()}))
        except OSError as error:
            self.problem = f"{self._path}: cannot be written ({system_reason(error)})"
            if before is None:
                _log.warning("generations of devices are remembered until the next restart only: %s", self.problem)
        self._unstored = self.problem is not None
        self._stale = self._stale or before != self.problem

    def _forget(self) -> None:
        """Keep the number of keys within its bound: those that the door accepts no more go first."""
        while len(self._newest) > MAX_KEYS:
            keys = self._keys()
            self._newest.pop(next((kid for kid in self._newest if kid not in keys), next(iter(self._newest))))

    def _message(self) -> bytes:
        return _json({"v": VERSION, "devices": self._facts(), "problem": self.problem})

    def _facts(self) -> list[dict[str, Any]]:
        return [{"kid": kid, **generation._asdict()} for kid, generation in self._newest.items()]

    def _read(self) -> None:
        try:
            self._newest.update(_stored(read_at_most(self._path, _MAX_FILE_BYTES)))
        except FileNotFoundError:
            return
        except (OSError, ValueError, Reject) as error:
            self.problem = f"{self._path}: cannot be read, and starts again"
            _log.warning("generations of devices: %s (%s)", self.problem, error)


def _stored(data: bytes) -> OrderedDict[str, Generation]:
    """What `store` wrote; raises ValueError or Reject for anything else."""
    found = read_object(data) if len(data) <= _MAX_FILE_BYTES else {}
    newest = found.get("newest")
    if found.get("v") != VERSION or not isinstance(newest, list) or len(newest) > MAX_KEYS:
        raise ValueError("not what edgeface wrote")
    stored: OrderedDict[str, Generation] = OrderedDict()
    for one in newest:
        kid = one.pop("kid", None) if isinstance(one, dict) else None
        if not isinstance(kid, str) or _KID.fullmatch(kid) is None:
            raise ValueError("a kid is none")
        stored[kid] = _generation({"v": VERSION, **one})
    return stored


def _generation(fields: dict[str, Any]) -> Generation:
    """The generation in a JSON object; raises Reject if it breaks the contract."""
    numbers = [fields.get("gallery"), fields.get("journal")]
    device, mark = fields.get("device"), fields.get("mark")
    if set(fields) != _KEYS or type(fields["v"]) is not int or fields["v"] != VERSION:
        raise Reject("malformed", "a generation has another version or the wrong keys")
    if not all(type(number) is int and 0 <= number <= _MAX_NUMBER for number in numbers):
        raise Reject("malformed", "a number of a generation has the wrong type or range")
    if type(device) is not str or type(mark) is not str or not _KID.fullmatch(device) or not _MARK.fullmatch(mark):
        raise Reject("malformed", "device or mark of a generation has the wrong form")
    return Generation(device, fields["gallery"], fields["journal"], mark)


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
