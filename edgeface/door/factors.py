"""The door's second factors: collected from its readers, sealed to its devices, never kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeface.access.factor_messages import SealingKey, seal_factor
from edgeface.door.readers.service import ReaderService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from edgeface.core.clock import Clock
    from edgeface.door.settings import DoorSettings

MAX_AGE = 1.0
"""Seconds that a factor may wait for the main thread; an older one is dropped, as without a connection."""
PAUSE = 0.25
"""Seconds between two factors, so that a reader that types without end leaves the nonces of the door's grants alone."""


class FactorPublisher:
    """The factors of one door, from `start` to `stop`; its main thread uses it."""

    def __init__(self, settings: DoorSettings, clock: Clock, on_change: Callable[[], None]) -> None:
        """Nothing is opened yet."""
        self._door = settings.door
        self._keys = [SealingKey(one.device, one.kid, one.raw) for one in settings.seal if one.kid and one.raw]
        self._clock = clock
        self._published = self._offline = self._hasty = 0
        self._published_at = float("-inf")
        self.readers = ReaderService(settings.readers, settings.keypad, clock, on_change)

    def seal_to(self, keys: Mapping[str, tuple[str, bytes]]) -> None:
        """Seal to these keys from now on: kid and 32 bytes by device; what is shown without any is dropped."""
        self._keys = [SealingKey(device, *key) for device, key in keys.items()]

    def drop(self) -> None:
        """Drop what was shown without a connection, so that it cannot be sent later."""
        self._offline += len(self.readers.take())

    def messages(self, challenge: Callable[[], str]) -> Iterator[bytes]:
        """The sealed messages of what was shown, one per device; each factor has a nonce of its own by `challenge`."""
        if not self._keys:
            self.drop()
        for shown in self.readers.take():
            now = self._clock.monotonic()
            if now - shown.at > MAX_AGE:
                self._offline += 1
                continue
            if now - self._published_at < PAUSE:
                self._hasty += 1
                continue
            nonce = challenge()
            self._published += 1
            self._published_at = now
            yield from (seal_factor(shown.factor, key, self._door, nonce) for key in self._keys)

    def facts(self) -> dict[str, Any]:
        """What the door's state has about its readers; docs/events.md names the keys."""
        counts = self.readers.counts
        return {
            "published": self._published,
            "offline": self._offline,
            "dropped": counts["dropped"] + self._hasty,
            "unreadable": counts["unreadable"],
        }
