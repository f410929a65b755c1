"""The keys that a door accepts when door.yaml names an owner: from the owner's newest list, until it expires.

A list is in force if it has arrived on this connection. It must be newer than every list seen before, also before a
restart, and not expired. Time counts from the moments at which the wall clock was known to be right, and never back.
"""

from __future__ import annotations

import base64
import json
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

from edgeface.core.clock import rfc3339, synchronised
from edgeface.core.errors import system_reason
from edgeface.core.files import loads_strict, put_whole, read_at_most
from edgeface.core.text import printable_path
from edgeface.door.key_list import (
    AHEAD_SECONDS,
    KeyList,
    KeyListError,
    Received,
    Seen,
    receive,
    require_issued,
    require_newest,
    require_unexpired,
)
from edgeface.mqtt.topics import DOOR_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from edgeface.core.clock import Clock
    from edgeface.door.factors import FactorPublisher
    from edgeface.door.key_list import Fault
    from edgeface.door.settings import DoorSettings
    from edgeface.door.verifier import GrantVerifier
    from edgeface.mqtt.connection import Connection, Message
    from edgeface.mqtt.topics import Topics

log = logging.getLogger(__name__)

SUFFIX = ".key-list"
"""End of the name of the file in the data folder that remembers the newest list; it begins with the door's name."""

WAITING = "no list of device keys has arrived on this connection: edgeface keys publish"
UNSEALED = "the list of device keys has no sealing key of {} for this door, so no factor reaches it: edgeface keys add"
PROBLEMS: dict[Fault, str] = {
    "too_large": "it is too large",
    "malformed": "it is damaged, or was removed from the broker: edgeface keys publish",
    "unknown_owner": "it names an owner key that is not in door.yaml: edgeface keys owner show",
    "algorithm": "it is not signed with ed25519",
    "signature": "the owner has not signed it",
    "older": "it is older than one seen before: edgeface keys publish",
    "conflict": "it has the number of another list: edgeface keys publish",
    "not_yet": "it is from the future: set the clocks of this door and of the owner's machine",
    "expired": "it has expired: edgeface keys publish",
    "clock": "the clock of this door is not known to be right: docs/owner-key.md",
    "memory": "the door's data folder cannot be read or written",
}
"""What the door's state says about a list that is not in force."""

_OF_TIME = {"not_yet", "expired", "clock", "memory"}
_MAX_FILE_BYTES = 4_000


class ListMemory:
    """The newest list by owner key, in a file of the door's data folder; only the owner keys of door.yaml count."""

    def __init__(self, path: Path, owners: Mapping[str, bytes]) -> None:
        """Read the file; without one, the first list counts."""
        self._path = path
        self.problem: str | None = None
        """Why the file cannot be used, in one line: then no list is accepted."""
        try:
            known = _seen(read_at_most(self._path, _MAX_FILE_BYTES))
        except FileNotFoundError:
            known = {}
            log.warning("%s: no list of device keys was seen before: the first one counts", printable_path(self._path))
        except (OSError, ValueError, RecursionError) as error:
            known = {}
            self.problem = f"{printable_path(self._path)} cannot be used ({error}): remove it if you know why"
        texts = {base64.b64encode(raw).decode() for raw in owners.values()}
        self._seen = {owner: seen for owner, seen in known.items() if owner in texts}
        self._newest: dict[str, Seen] = {}

    @property
    def wall(self) -> float:
        """The latest time known; 0 if none is."""
        return max((seen.wall for seen in self._seen.values()), default=0.0)

    def check(self, received: Received) -> None:
        """Raise KeyListError if a newer list, or another one with its number, was seen, or if the file is damaged.

        A list that cannot be written down yet, as the clock is not known or the disk is full, counts in this run.
        """
        if self.problem is not None:
            raise KeyListError("memory", self.problem)
        require_newest(received, self._seen)
        require_newest(received, self._newest)
        self._newest = {received.owner: _seen_now(received)}

    def remember(self, received: Received) -> None:
        """Write down a list that was checked; raises KeyListError if the file cannot be written."""
        seen = _seen_now(received)
        if self._seen.get(received.owner, seen)[:2] == seen[:2] and received.owner in self._seen:
            return
        after = {**self._seen, received.owner: seen}
        text = json.dumps({"v": 1, "seen": {owner: list(one) for owner, one in after.items()}})
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            put_whole(self._path, text.encode())
        except OSError as error:
            raise KeyListError("memory", f"{printable_path(self._path)}: {system_reason(error)}") from error
        self._seen = after


class Time:
    """Wall seconds that never go back: the wall clock while it is synchronised, the monotonic clock otherwise."""

    def __init__(self, clock: Clock, synced: Callable[[], bool]) -> None:
        self._clock = clock
        self._synced = synced
        self._anchor: tuple[float, float] | None = None

    def now(self, earliest: float) -> float | None:
        """The time; None until the wall clock was synchronised once and not before `earliest`."""
        monotonic = self._clock.monotonic()
        since = None if self._anchor is None else self._anchor[0] + monotonic - self._anchor[1]
        if self._synced():
            wall = self._clock.wall()
            if wall >= earliest - AHEAD_SECONDS and (since is None or wall > since):
                self._anchor = wall, monotonic
                return wall
        return since


class DoorYamlKeys:
    """The keys of door.yaml, which never expire: there is no list."""

    problem: str | None = None

    def facts(self) -> dict[str, Any] | None:
        """None: the door's state has nothing about a list."""
        return None

    def summary(self) -> tuple[object, ...]:
        """Nothing that changes."""
        return ()

    def connected(self, connection: Connection) -> None:
        """Subscribe to nothing."""

    def on_message(self, _message: Message) -> bool:
        """False: no message is about a list."""
        return False

    def review(self, _connection: Connection) -> bool:
        """False: nothing changes."""
        return False


class TrustedKeys:
    """The list of a door with `owner:` in door.yaml; the controller's thread uses it."""

    def __init__(
        self,
        settings: DoorSettings,
        topics: Topics,
        verifier: GrantVerifier,
        factors: FactorPublisher,
        clock: Clock,
        synced: Callable[[], bool] = synchronised,
    ) -> None:
        """`synced` is whether the wall clock is right. The list's keys go to `verifier` and `factors`."""
        self._settings = settings
        self._topic = topics(DOOR_KEYS)
        self._verifier, self._factors = verifier, factors
        self._clock = clock
        self._owners = settings.owner_keys
        self._time = Time(clock, synced)
        self._memory = ListMemory(settings.data / f"{settings.door}{SUFFIX}", self._owners)
        self._received: Received | None = None
        self._current = self._complete = self._in_force = self._applied = False
        self._subscribed = float("inf")
        self._fault: KeyListError | None = None
        self._unsealed: str | None = None
        self._refused: Counter[str] = Counter()

    @property
    def problem(self) -> str | None:
        """Why no grant is accepted, or that a list was refused or lacks a key, in one line."""
        if self._fault is not None:
            return f"the list of device keys: {PROBLEMS[self._fault.fault]} ({self._fault})"
        return self._memory.problem or (self._unsealed if self._in_force else WAITING)

    def facts(self) -> dict[str, Any] | None:
        """What the door's state has about the list; docs/events.md names the keys."""
        known = None if self._received is None else self._received.keys
        now = self._time.now(self._memory.wall)
        return {
            "in_force": self._in_force,
            "number": None if known is None else known.number,
            "expires": None if known is None else rfc3339(known.expires),
            "seconds_left": None if known is None or now is None else max(0, round(known.expires - now)),
            "devices": None if known is None else len(known.devices),
            "refused": dict(self._refused),
        }

    def summary(self) -> tuple[object, ...]:
        """Values that change when the state must be published."""
        return (self._received and self._received.keys.number, self.problem, self._refused.total())

    def connected(self, connection: Connection) -> None:
        """Accept no grant until this connection has brought a list: a newer one may have been published meanwhile."""
        self._received, self._fault, self._current, self._complete = None, None, False, False
        self._withdraw()
        self._subscribed = self._clock.monotonic()
        connection.subscribe([self._topic.name], retained=True)

    def on_message(self, message: Message) -> bool:
        """Take a list; False for a message on another topic."""
        if message.topic != self._topic.name:
            return False
        try:
            received = receive(message.payload, self._owners)
            self._memory.check(received)
        except KeyListError as error:
            self._refuse(error)
            return True
        # The broker may have queued an older list for this session: it counts only with what is retained now.
        self._current |= message.retained or self._complete
        if self._received is None or received.digest != self._received.digest:
            # Whatever the clock is, the owner has replaced the list before.
            self._withdraw()
        self._received, self._fault = received, None
        self._enforce(received)
        return True

    def review(self, connection: Connection) -> bool:
        """Have a list that waits take effect, and one that expires lose it; call it before each round of messages.

        Returns whether other keys are in force since the last call.
        """
        # What is retained arrives before the answer to a later request.
        self._complete |= connection.answered > self._subscribed
        if self._received is not None:
            self._enforce(self._received)
        applied, self._applied = self._applied, False
        return applied

    def _refuse(self, error: KeyListError) -> None:
        self._refused[error.fault] += 1
        log.warning("a list of device keys was refused: %s", PROBLEMS[error.fault])
        self._fault = error

    def _enforce(self, received: Received) -> None:
        """Put the newest list in force, or out of it."""
        try:
            left = self._left(received)
        except KeyListError as error:
            if self._fault is None or self._fault.fault != error.fault:
                self._refuse(error)
            self._withdraw()
            if error.fault == "expired":
                # With its keys, so that a grant is rejected for the expiry.
                self._verifier.replace_keys(received.keys.signing_keys(self._settings.door), float("-inf"))
            return
        if self._fault is not None and self._fault.fault in _OF_TIME:
            self._fault = None
        if self._current and self._complete and not self._in_force:
            self._apply(received.keys, self._clock.monotonic() + left)

    def _left(self, received: Received) -> float:
        """Seconds until the list expires; raises KeyListError if it is not valid now, or cannot be remembered."""
        keys, now = received.keys, self._time.now(self._memory.wall)
        if now is None:
            raise KeyListError("clock", "it is not synchronised, or earlier than the newest list")
        require_issued(keys, now)
        self._memory.remember(received)
        if now >= keys.expires > self._clock.wall():
            # Time never goes back within a run, so that no one extends a list by the clock.
            since = f"since {rfc3339(keys.expires)}, as the clock was at {rfc3339(now)}"
            raise KeyListError("expired", f"{since} before it was set back: restart this controller if it is right now")
        require_unexpired(keys, now)
        return keys.expires - now

    def _apply(self, keys: KeyList, until: float) -> None:
        door, self._in_force, self._applied = self._settings.door, True, True
        log.info("the list of device keys %d is in force until %s", keys.number, rfc3339(keys.expires))
        self._verifier.replace_keys(keys.signing_keys(door), until)
        sealing = {one.device: keys.sealing_key(one.device, door) for one in self._settings.seal}
        self._factors.seal_to({device: (key.kid, key.raw) for device, key in sealing.items() if key is not None})
        without = ", ".join(device for device, key in sealing.items() if key is None)
        self._unsealed = UNSEALED.format(without) if without else None

    def _withdraw(self) -> None:
        self._in_force = False
        self._verifier.replace_keys({})
        self._factors.seal_to({})


def _seen_now(received: Received) -> Seen:
    """What is remembered of a list. Its time is that of the owner: the door's own clock may be ahead for a moment."""
    return Seen(received.keys.number, received.digest, received.keys.issued)


def _seen(data: bytes) -> dict[str, Seen]:
    """The content of the file; raises ValueError or RecursionError if it is not one."""
    value = loads_strict(data)
    found = value.get("seen") if isinstance(value, dict) and value.get("v") == 1 else None
    if len(data) > _MAX_FILE_BYTES or not isinstance(found, dict):
        raise ValueError("damaged")
    for one in found.values():
        number, digest, wall = one if isinstance(one, list) and len(one) == len(Seen._fields) else (None, None, None)
        if type(number) is not int or type(digest) is not str or type(wall) not in {int, float}:
            raise ValueError("damaged")
    return {owner: Seen(*one) for owner, one in found.items()}
