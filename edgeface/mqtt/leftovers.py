"""What a broker retains under names that the configuration no longer has: cameras, doors, people, the device itself.

A message is cleared only if this device has published it: a camera's if the broker retains its switch, a discovery
message if it names the status of this device. Under an earlier name of this device, also only while no one is online
there, and if the state there continues in our journal: another device may have that name now.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from edgeface.core.errors import system_reason
from edgeface.core.files import loads_object, put_whole, read_at_most
from edgeface.core.settings import ID_PATTERN
from edgeface.mqtt import topics
from edgeface.mqtt.publisher import OFF, ON
from edgeface.mqtt.topics import Topic, Topics

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from pathlib import Path

    from edgeface.core.clock import Clock
    from edgeface.mqtt.connection import Connection, Message, PublishResult
    from edgeface.mqtt.outgoing import RetainedQueue
    from edgeface.mqtt.settings import Mqtt

FILE = "mqtt_places.json"
"""In the data folder: where this device publishes and has published; no names of people."""
MAX_PLACES = 8
"""Earlier names that are remembered; the oldest goes."""
_MAX_BYTES = 16_384
_MAX_FOUND = 2_000
"""Topics of one place that are taken from a broker."""
_PAUSE = 0.3
"""Seconds after the broker's answer in which what it retains has arrived."""
_PREFIX = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")

_CAMERA = (topics.CAMERA_STATUS, topics.PEOPLE, topics.ENABLED_STATE)
"""What is retained of a camera; the switch comes last, since the others are found by it."""
_DEVICE = (topics.STATUS, topics.STATE, topics.GENERATION, topics.DISCOVERY)
_DISCOVERED = (topics.DISCOVERY, topics.DISCOVERY_CAMERA, topics.DISCOVERY_DOOR, topics.DISCOVERY_PERSON)
_KINDS = (*_DEVICE, *_DISCOVERED[1:], topics.ENABLED_STATE, topics.SEEN)
"""What is asked for."""

_log = logging.getLogger(__name__)


class Place(NamedTuple):
    """Where a device publishes."""

    prefix: str
    discovery: str
    """The prefix of Home Assistant's discovery."""
    device: str

    @classmethod
    def of(cls, settings: Mqtt, device: str) -> Place:
        """The place of a device that runs with these settings."""
        return cls(settings.prefix, settings.discovery_prefix, device)

    @property
    def topics(self) -> Topics:
        """Its topics."""
        return Topics(**self._asdict())

    def is_beside(self, other: Place) -> bool:
        """Whether only the prefix of discovery differs: the topics of the device are the same."""
        return (self.prefix, self.device) == (other.prefix, other.device)

    def __str__(self) -> str:
        return f"{self.prefix}/{self.device}"


@dataclass(frozen=True, slots=True)
class Named:
    """What the configuration names."""

    cameras: Collection[str]
    doors: Collection[str] = ()
    people: Collection[str] | None = None
    """None: the daemon itself removes who is not to be shown."""
    announced: bool = True
    """Whether there is discovery."""


def read_places(folder: Path) -> tuple[Place, ...]:
    """The places that a data folder remembers, the newest last; none if the file is missing or damaged."""
    try:
        found = (loads_object(read_at_most(folder / FILE, _MAX_BYTES)) or {}).get("places")
    except OSError:
        return ()
    values = [[*one.values()] for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    places = [Place(*one) for one in values if len(one) == len(Place._fields) and all(isinstance(v, str) for v in one)]
    return tuple(one for one in places if _is_place(one))


def write_places(folder: Path, places: Iterable[Place]) -> None:
    """Remember the newest MAX_PLACES of these; raises OSError."""
    kept = [one._asdict() for one in places][-MAX_PLACES - 1 :]
    put_whole(folder / FILE, json.dumps({"v": 1, "places": kept}, indent=1).encode())


def _is_place(place: Place) -> bool:
    return all(map(_PREFIX.fullmatch, place[:2])) and re.fullmatch(ID_PATTERN, place.device) is not None


class Retained:
    """What a broker retains at one place, as it arrives."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.found: dict[str, tuple[Topic, str, bytes]] = {}
        """By topic: the kind, the id in it, and the payload."""
        values = {key: re.escape(value) for key, value in place._asdict().items()}
        ids = dict.fromkeys(("camera", "door", "person"), f"({ID_PATTERN})")
        kinds = dict.fromkeys((*_KINDS, *_CAMERA))
        self._patterns = [(kind, re.compile(kind.name.format(**values, **ids))) for kind in kinds]

    def subscriptions(self) -> list[str]:
        """The topics to subscribe to, with wildcards."""
        filled = self.place.topics
        names = [filled(kind, camera="+", person="+", door="+").name for kind in _KINDS]
        # A wildcard is a whole level (MQTT 5, 4.7.1.3).
        return list(dict.fromkeys(re.sub(r"(camera|door|person)_\+", "+", name) for name in names))

    def take(self, message: Message) -> bool:
        """Keep a message of this place that the broker retains; False for any other."""
        if not message.retained or not message.payload or len(self.found) >= _MAX_FOUND:
            return False
        known = self._kind_of(message.topic)
        if known is None or known[0] not in _KINDS:
            return False
        self.found[message.topic] = *known, message.payload
        return True

    def keeps(self, name: str, named: Named) -> bool:
        """Whether a device that publishes here with this configuration uses a topic, so that it must not be cleared."""
        kind, one = self._kind_of(name) or (None, "")
        if kind in _DISCOVERED and not named.announced:
            return False
        if kind in {*_CAMERA, topics.DISCOVERY_CAMERA}:
            return one in named.cameras
        return one in named.doors if kind is topics.DISCOVERY_DOOR else kind is not None

    def _kind_of(self, name: str) -> tuple[Topic, str] | None:
        """The kind of topic, and the id in it; None for a topic that is not of this place."""
        for kind, pattern in self._patterns:
            if (match := pattern.fullmatch(name)) is not None:
                return kind, next(iter(match.groups()), "")
        return None

    @property
    def online(self) -> bool:
        """Whether a device is online here."""
        return self._payload(topics.STATUS) == b"online"

    def is_of(self, knows: Callable[[int, str], bool]) -> bool:
        """Whether the state here continues in a journal, which `knows` a row by its number and link."""
        journal = (loads_object(self._payload(topics.STATE)) or {}).get("journal")
        facts = journal if isinstance(journal, dict) else {}
        seq, head = facts.get("seq"), facts.get("head")
        return isinstance(seq, int) and isinstance(head, str) and knows(seq, head)

    def obsolete(self, named: Named | None) -> list[str]:
        """The topics to clear, in order; without `named`, the whole place."""
        filled, found = self.place.topics, self.found.values()
        switches = {ON.encode(), OFF.encode()}
        switched = {one for kind, one, payload in found if kind is topics.ENABLED_STATE and payload in switches}
        gone = sorted(switched - {*(() if named is None else named.cameras)})
        names = [name for name, one in self.found.items() if self._is_obsolete(*one, named)]
        names += [filled(kind, camera=camera).name for camera in gone for kind in _CAMERA]
        return names if named is not None else [*names, *(filled(kind).name for kind in _DEVICE[:3])]

    def left_behind(self, here: Place, named: Named) -> list[str]:
        """Everything at this earlier place, but what a device at `here` uses."""
        used = Retained(here)
        return [name for name in self.obsolete(None) if not used.keeps(name, named)]

    def _is_obsolete(self, kind: Topic, one: str, payload: bytes, named: Named | None) -> bool:
        """Whether discovery, or where someone was seen, is to be cleared."""
        if kind in _DISCOVERED and f'"{self.place.topics(topics.STATUS).name}"'.encode() not in payload:
            return False  # of another device that has this name
        if named is None or (kind in _DISCOVERED and not named.announced):
            return kind in _DISCOVERED or kind is topics.SEEN
        if kind in {topics.SEEN, topics.DISCOVERY_PERSON}:
            return named.people is not None and one not in named.people
        kept = {topics.DISCOVERY_CAMERA: named.cameras, topics.DISCOVERY_DOOR: named.doors}.get(kind)
        return kept is not None and one not in kept

    def _payload(self, kind: Topic) -> bytes:
        return self.found.get(self.place.topics(kind).name, (kind, "", b""))[2]


def cleared(name: str) -> Topic:
    """A topic whose retained message an empty one removes; the broker confirms it."""
    return Topic(name, qos=1, retain=True)


@dataclass(slots=True)
class _Review:
    """One place on one connection."""

    retained: Retained
    awaited: set[str] = field(default_factory=set)
    """Subscriptions that the broker has not answered."""
    at: float = float("inf")
    """When everything has arrived."""
    names: frozenset[str] = frozenset()
    """Topics to clear."""
    pending: set[str] = field(default_factory=set)
    """Those that the broker has not cleared yet."""
    denied: bool = False


class Leftovers:
    """Clears what is left over on each new connection; the publisher's thread uses it."""

    def __init__(
        self,
        place: Place,
        cameras: Collection[str],
        folder: Path,
        clock: Clock,
        knows: Callable[[int, str], bool],
    ) -> None:
        """Note the place in the data folder before anything is published there; `knows` is as in Retained.is_of."""
        self._place, self._cameras, self._folder, self._clock, self._knows = place, cameras, folder, clock, knows
        before = tuple(one for one in read_places(folder) if one != place)
        self._earlier = before[-MAX_PLACES:]
        self._reviews: list[_Review] = []
        self._remember()

    def subscribe(self, connection: Connection) -> None:
        """Ask a new connection for what is retained here and at the places before."""
        self._reviews = [_Review(Retained(one)) for one in (*self._earlier, self._place)]
        for review in self._reviews:
            names = review.retained.subscriptions()
            if review.retained.place == self._place:
                # The state of an earlier run, and people, are asked for elsewhere.
                known = {self._place.topics(kind, person="+").name for kind in (*_DEVICE[:3], topics.SEEN)}
                names = [name for name in names if name not in known]
            review.awaited = set(names)
            connection.subscribe(names, retained=True)

    def on_result(self, result: PublishResult, retained: RetainedQueue) -> bool:
        """Take the broker's answer; True if nothing else is to be done: a denial here is no problem of the device."""
        kind, name = result.tag
        if kind == "subscribe":
            return self._answered(name) and result.refused is not None
        if kind != "retained":
            return False
        if result.refused is None:
            self._accepted(name)
        elif self._denied(name):
            retained.accepted(name)
            return True
        return False

    def _answered(self, name: str) -> bool:
        """Take the answer to a subscription, or its refusal; False if it is none of these."""
        reviews = [one for one in self._reviews if name in one.awaited]
        for review in reviews:
            review.awaited.discard(name)
            if not review.awaited:
                review.at = self._clock.monotonic() + _PAUSE
        return bool(reviews)

    def on_message(self, message: Message) -> bool:
        """Take what the broker retains; False for a message that is of none of the places."""
        taken = [one.retained.take(message) for one in self._reviews]
        return any(taken)

    def review(self, doors: Collection[str], retained: RetainedQueue, *, announced: bool) -> None:
        """Have cleared what is left over, once it has arrived."""
        for review in self._reviews:
            if self._clock.monotonic() >= review.at:
                review.at = float("inf")
                self._clear(review, Named(self._cameras, doors, announced=announced), retained)

    def _clear(self, review: _Review, named: Named, retained: RetainedQueue) -> None:
        found = review.retained
        if found.place == self._place:
            names = found.obsolete(named)
        elif found.place.is_beside(self._place) or (not found.online and found.is_of(self._knows)):
            names = found.left_behind(self._place, named)
        else:
            if found.found:
                _log.info("%s: of another device, or not known to be ours, so its topics stay", found.place)
            return
        review.names, review.pending = frozenset(names), set(names)
        for name in names:
            retained.put(cleared(name), b"")
        if names:
            _log.info("%s: %d retained topics of earlier names are cleared", found.place, len(names))

    def _accepted(self, name: str) -> None:
        """The broker has cleared a topic; a place with nothing left is forgotten."""
        for review in self._reviews:
            review.pending.discard(name)
            place = review.retained.place
            if name in review.names and not review.pending and not review.denied and place in self._earlier:
                self._earlier = tuple(one for one in self._earlier if one != place)
                self._remember()

    def _denied(self, name: str) -> bool:
        """The broker does not let us clear a topic; False if it is none of these."""
        reviews = [one for one in self._reviews if name in one.pending]
        for review in reviews:
            if not review.denied:
                _log.warning(
                    "%s: the broker does not let edgeface clear it: edgeface mqtt clean", review.retained.place
                )
            review.denied = True
            review.pending.discard(name)
        return bool(reviews)

    def _remember(self) -> None:
        try:
            write_places(self._folder, (*self._earlier, self._place))
        except OSError as error:
            _log.warning("%s cannot be written (%s): renamed topics may stay at the broker", FILE, system_reason(error))
