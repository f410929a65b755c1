"""The generation of the data folder at the doors: signed for them, and read back from what they remember."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from edgeface.core.files import loads_strict
from edgeface.mqtt.topics import DOOR_GENERATION, GENERATION
from edgeface.security.head import PARTS
from edgeface.security.signing_keys import sign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from edgeface.core.clock import Clock
    from edgeface.mqtt.connection import Connection
    from edgeface.mqtt.topics import Topics
    from edgeface.security.signing_keys import Signer

VERSION = 1
EVERY = 60.0
"""Seconds between two messages: each makes every door write to its disk."""
MAX_BYTES = 32_768
"""Bytes of a door's message that are read: 64 keys have about 13,000."""


class DoorMemory:
    """Tells the doors the generation, and compares with what they remember; the publisher's thread uses it."""

    def __init__(
        self,
        topics: Topics,
        device: str,
        clock: Clock,
        signer: Signer | None,
        generation: Callable[[], Mapping[str, Any] | None],
        recall: Callable[[object, str], None],
    ) -> None:
        """`recall` gets what a door remembers of this device, and who remembers it."""
        self._topics, self._device, self._clock = topics, device, clock
        self._signer, self._generation, self._recall = signer, generation, recall
        self._told: tuple[object, ...] = ()
        self._own: dict[str, int] = dict.fromkeys(PARTS, -1)
        self._at = float("-inf")

    def subscribe(self, connection: Connection, doors: Iterable[str]) -> None:
        """Ask a new connection for what the doors remember; the generation is then told again."""
        self._told, self._at = (), float("-inf")
        names = [self._topics(DOOR_GENERATION, door=door).name for door in doors]
        connection.subscribe(names, retained=True)

    def on_message(self, door: str, payload: bytes) -> bool:
        """Compare with what a door remembers; False if it is of no use."""
        try:
            found = loads_strict(payload) if len(payload) <= MAX_BYTES else None
        except (ValueError, RecursionError):
            found = None
        devices = found.get("devices") if isinstance(found, dict) else None
        if not isinstance(devices, list):
            return False
        for one in devices:
            if isinstance(one, dict) and one.get("device") == self._device and not self._is_own(one):
                self._recall(one, f"door {door}")
        return True

    def _is_own(self, remembered: Mapping[str, Any]) -> bool:
        """Whether this run may have told the numbers itself: they are then above those that it began with."""
        numbers = [(remembered.get(part), self._own[part]) for part in PARTS]
        return all(isinstance(number, int) and number <= own for number, own in numbers)

    def flush(self, connection: Connection) -> None:
        """Sign the generation when it has changed, at most once in EVERY seconds, and never while it is in doubt."""
        now = self._clock.monotonic()
        if self._signer is None or now - self._at < EVERY:
            return
        facts = self._generation()
        self._signer.refresh()
        key = self._signer.key
        if facts is None or key is None or (facts["mark"], key.kid) == self._told:
            return
        self._told, self._at = (facts["mark"], key.kid), now
        self._own = {part: facts[part] for part in PARTS}
        numbers = {**self._own, "mark": facts["mark"]}
        payload = json.dumps({"v": VERSION, "device": self._device, **numbers}, separators=(",", ":"))
        connection.publish(self._topics(GENERATION), sign(payload.encode(), key.kid, key.private))
