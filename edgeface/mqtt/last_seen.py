"""Where and when each person was last seen: retained for display, and removed when the person is gone."""

from __future__ import annotations

import json
import re
import threading
from typing import TYPE_CHECKING, Any, TypeAlias

from edgeface.core.clock import rfc3339
from edgeface.core.files import loads_object
from edgeface.core.text import is_id
from edgeface.mqtt.topics import DISCOVERY_PERSON, SEEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from edgeface.core.types import Event
    from edgeface.mqtt.connection import Connection, Message
    from edgeface.mqtt.discovery import Discovery
    from edgeface.mqtt.outgoing import RetainedQueue
    from edgeface.mqtt.topics import Topic, Topics

VERSION = 1
"""Of the payload."""

People: TypeAlias = "Callable[[], Mapping[str, str] | None]"
"""The display names by id; the same object while nothing has changed, and None while no one knows yet."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def wire(camera: str, at: str) -> str:
    """The payload of the topic `seen`; `at` as rfc3339 writes it."""
    return json.dumps({"v": VERSION, "camera": camera, "at": at}, separators=(",", ":"))


class LastSeen:
    """What the broker retains about people. The publisher's thread uses it; any thread may call `saw`.

    What the broker retains is compared with who there is on each new connection: whoever was erased, renamed or left
    out while no edgeface ran, or before an earlier removal arrived, leaves nothing there.
    """

    def __init__(
        self,
        topics: Topics,
        retained: RetainedQueue,
        people: People,
        cameras: Iterable[str],
        discovery: Discovery | None,
    ) -> None:
        """`people` are those who are to be shown; without `discovery` they are not announced to Home Assistant."""
        self._topics, self._retained, self._people = topics, retained, people
        self._cameras, self._discovery = tuple(cameras), discovery
        self._lock = threading.Lock()
        self._visits: dict[str, tuple[str, int]] = {}
        self._shown: Mapping[str, str] | None = None
        self._places = {topic: topics(topic, person="+").name.split("+") for topic in (SEEN, DISCOVERY_PERSON)}

    def subscribe(self, connection: Connection) -> None:
        """Ask a new connection for everything about people that the broker retains."""
        names = [self._topics(topic, person="+").name for topic in self._places]
        # A wildcard is a whole level (MQTT 5, 4.7.1.3); messages about cameras and doors arrive as well.
        connection.subscribe([name.replace("person_+", "+") for name in names], retained=True)

    def saw(self, event: Event) -> None:
        """Publish where the person of a match was seen, and when they have left; any other event changes nothing."""
        if event.person is None or event.type not in {"match", "left"}:
            return
        visit = (event.camera, event.track)
        # Locked with the comparison in `refresh`, so that no one who was erased is put back.
        with self._lock:
            if event.type == "match":
                self._visits[event.person] = visit
            # Of a match that came too late, nothing is published when the person leaves either.
            if event.person in (self._people() or ()) and self._visits.get(event.person) == visit:
                payload = wire(event.camera, rfc3339(event.captured_at))
                self._retained.put(self._topics(SEEN, person=event.person), payload.encode())

    def refresh(self) -> None:
        """Announce who is new or has another name, and withdraw who is gone."""
        with self._lock:
            before, now = self._shown, self._people()
            if now is None or now is before:
                return
            self._shown = now
            self._visits = {one: visit for one, visit in self._visits.items() if one in now}
            for person in (before or {}).keys() - now.keys():
                self._withdraw(person)
        self._announce({one: name for one, name in now.items() if (before or {}).get(one) != name})

    def announce(self) -> None:
        """Announce everyone again."""
        self._announce(self._shown or {})

    def on_message(self, message: Message) -> bool:
        """Take what the broker retains about a person: keep it, or remove it; False for any other message."""
        found = self._find(message.topic)
        if found is None or not message.retained:
            return self._is_discovery(message.topic)
        with self._lock:
            self._compare(*found, message.payload)
        return True

    def _compare(self, kind: Topic, person: str, payload: bytes) -> None:
        topic, kept, now = self._topics(kind, person=person), _checked(payload), self._people()
        if now is None:
            return
        if person not in now or (kept is None if kind is SEEN else self._discovery is None):
            self._retained.put(topic, b"")
        elif kind is SEEN and kept is not None:
            self._retained.keep(topic, kept)

    def _is_discovery(self, name: str) -> bool:
        """Whether a message is one of this device's own about a camera or a door."""
        head, tail = self._places[DISCOVERY_PERSON]
        return name.startswith(head.removesuffix("person_")) and name.endswith(tail)

    def _find(self, name: str) -> tuple[Topic, str] | None:
        """The kind of topic and the person of a name; None if it is about no one."""
        for kind, (head, tail) in self._places.items():
            person = name.removeprefix(head).removesuffix(tail)
            if name == f"{head}{person}{tail}" and is_id(person):
                return kind, person
        return None

    def _withdraw(self, person: str) -> None:
        for topic in self._places:
            self._retained.put(self._topics(topic, person=person), b"")

    def _announce(self, people: Mapping[str, str]) -> None:
        if self._discovery is not None:
            for person, name in people.items():
                payload = self._discovery.person(person, name, self._cameras)
                self._retained.put(self._topics(DISCOVERY_PERSON, person=person), payload.encode())


def _checked(payload: bytes) -> bytes | None:
    """A payload of the topic `seen`, written again from its parts; None if it is not one."""
    facts: dict[str, Any] = loads_object(payload) or {}
    camera, at = facts.get("camera"), facts.get("at")
    if not (isinstance(camera, str) and is_id(camera) and isinstance(at, str) and _TIME.fullmatch(at)):
        return None
    return wire(camera, at).encode()
