"""All topics in one table: names, QoS and retain flags; docs/events.md is the contract, and a test compares them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from edgeface.mqtt.settings import Mqtt


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic, and how its messages are published."""

    name: str
    """An id in braces is filled in by `at` or by Topics."""
    qos: Literal[0, 1]
    retain: bool = False

    def at(self, **ids: str) -> Topic:
        """The topic with these ids filled in; others stay open."""
        name = self.name
        for key, value in ids.items():
            name = name.replace(f"{{{key}}}", value)
        return replace(self, name=name)


STATUS = Topic("{prefix}/{device}/status", qos=1, retain=True)
STATE = Topic("{prefix}/{device}/state", qos=0, retain=True)
AUDIT = Topic("{prefix}/{device}/audit", qos=1)
GENERATION = Topic("{prefix}/{device}/generation", qos=1, retain=True)
DOCTOR = Topic("{prefix}/{device}/doctor", qos=1)
CAMERA_STATUS = Topic("{prefix}/{device}/{camera}/status", qos=1, retain=True)
EVENT = Topic("{prefix}/{device}/{camera}/event", qos=1)
PEOPLE = Topic("{prefix}/{device}/{camera}/people", qos=0, retain=True)
SNAPSHOT = Topic("{prefix}/{device}/{camera}/snapshot", qos=0)
IGNORE = Topic("{prefix}/{device}/{camera}/ignore", qos=0)
CHALLENGE = Topic("{prefix}/{device}/{camera}/challenge", qos=1)
ENABLED_SET = Topic("{prefix}/{device}/{camera}/enabled/set", qos=1)
ENABLED_STATE = Topic("{prefix}/{device}/{camera}/enabled/state", qos=1, retain=True)
SEEN = Topic("{prefix}/{device}/people/{person}/seen", qos=1, retain=True)
DISCOVERY = Topic("{discovery}/device/edgeface_{device}/config", qos=1, retain=True)
DISCOVERY_CAMERA = Topic("{discovery}/device/edgeface_{device}/camera_{camera}/config", qos=1, retain=True)
DISCOVERY_DOOR = Topic("{discovery}/device/edgeface_{device}/door_{door}/config", qos=1, retain=True)
DISCOVERY_PERSON = Topic("{discovery}/device/edgeface_{device}/person_{person}/config", qos=1, retain=True)
HOME_ASSISTANT_STATUS = Topic("{discovery}/status", qos=0)
DOOR_CHALLENGE = Topic("{prefix}/doors/{door}/challenge", qos=0)
DOOR_FACTOR = Topic("{prefix}/doors/{door}/factor", qos=1)
DOOR_GRANT = Topic("{prefix}/doors/{door}/grant", qos=1)
DOOR_RESULT = Topic("{prefix}/doors/{door}/result", qos=0)
DOOR_STATUS = Topic("{prefix}/doors/{door}/status", qos=1, retain=True)
DOOR_STATE = Topic("{prefix}/doors/{door}/state", qos=0, retain=True)
DOOR_GENERATION = Topic("{prefix}/doors/{door}/generation", qos=1, retain=True)
DOOR_KEYS = Topic("{prefix}/doors/keys", qos=1, retain=True)
DOOR_EVENT = Topic("{prefix}/doors/{door}/event", qos=1)
SITE_SEQ = Topic("{prefix}/sites/{site}/seq", qos=1, retain=True)


class Topics:
    """The table as one client uses it: fills in its ids, as in `topics(EVENT, camera="porch")`."""

    def __init__(self, **ids: str) -> None:
        self._ids = ids

    @classmethod
    def of_device(cls, settings: Mqtt, device: str) -> Topics:
        """The topics of a device that runs with these settings."""
        return cls(prefix=settings.prefix, discovery=settings.discovery_prefix, device=device)

    def __call__(self, topic: Topic, **ids: str) -> Topic:
        """The topic with all of its ids; raises KeyError if one is missing."""
        return replace(topic, name=topic.name.format(**self._ids, **ids))

    def door_of(self, name: str) -> tuple[str, str] | None:
        """The door and the last level (`challenge`, `result`) of a door's topic; None for any other topic."""
        root = f"{self._ids['prefix']}/doors/"
        door, _, kind = name.removeprefix(root).partition("/")
        return (door, kind) if name.startswith(root) else None


def client_id(device: str) -> str:
    """The name by which the broker and its access list know a device."""
    return f"edgeface-{device}"
