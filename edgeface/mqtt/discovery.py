"""Home Assistant's device discovery: a retained message for each device: this machine, cameras, doors, people.

Keys and abbreviations (dev, o, cmps, p, en) are those of home-assistant.io/integrations/mqtt, "Device discovery
payload".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from edgeface import __version__
from edgeface.core.event_kinds import DOOR_ALARMS, kinds
from edgeface.core.events import to_json
from edgeface.core.text import NO_ONE, is_id
from edgeface.mqtt.publisher import PRESS
from edgeface.mqtt.topics import (
    CAMERA_STATUS,
    CHALLENGE,
    DISCOVERY,
    DISCOVERY_CAMERA,
    DISCOVERY_DOOR,
    DOOR_EVENT,
    DOOR_STATE,
    DOOR_STATUS,
    ENABLED_SET,
    ENABLED_STATE,
    EVENT,
    IGNORE,
    PEOPLE,
    SEEN,
    SNAPSHOT,
    STATE,
    STATUS,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from edgeface.mqtt.outgoing import RetainedQueue
    from edgeface.mqtt.topics import Topic, Topics

Component: TypeAlias = dict[str, Any]

_TURN = "{{ 'Please turn your head to your ' ~ value_json.turn if value_json.turn in ['left', 'right'] else '' }}"
# Longer than a turn: should the end of a challenge be lost, the text goes.
_TURN_EXPIRES = 20
_IN_VIEW = f"{{{{ 'OFF' if value in ['', '{NO_ONE}'] else 'ON' }}}}"
# Without a contact, the relay is what is known.
_OPEN = (
    "{% set contact = value_json.contact %}"
    "{{ 'ON' if contact in ['open', 'held', 'forced'] or (not contact and value_json.open) else 'OFF' }}"
)
_FAULTY = "{{ 'OFF' if value in ['online', 'disabled'] else 'ON' }}"
_HAS_PROBLEM = "{{ 'OFF' if value_json.problem is none else 'ON' }}"


class Discovery:
    """The messages about one device.

    `snapshots` is whether pictures are published; `page` is the address of its page, if it has one; `names` are the
    display names of the cameras that have one, which may change.
    """

    def __init__(
        self,
        topics: Topics,
        device: str,
        *,
        snapshots: bool,
        page: str | None = None,
        names: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._topics = topics
        self._id = f"edgeface_{device}"
        self._device = device
        self._snapshots = snapshots
        self._page = page
        self.names = names

    def messages(self, cameras: Iterable[str], doors: Iterable[str]) -> Mapping[Topic, str]:
        """Topic and payload of this machine, which the others hang on, of each camera and of each door."""
        watched = tuple(cameras)
        made = {DISCOVERY: self._machine(watched)}
        made |= {DISCOVERY_CAMERA.at(camera=camera): self._camera(camera) for camera in watched}
        return made | {DISCOVERY_DOOR.at(door=door): self._door(door) for door in doors}

    def person(self, person: str, name: str, cameras: Iterable[str]) -> str:
        """The payload about a person: where and when they were last seen, and a trigger for each camera."""
        seen = {"state_topic": self._topics(SEEN, person=person).name}
        camera = {"value_template": "{{ value_json.camera }}", "icon": "mdi:map-marker-account"}
        parts = {
            "camera": _entity("sensor", "Last camera", **seen, **camera),
            "seen": _entity(
                "sensor", "Last seen", **seen, value_template="{{ value_json.at }}", device_class="timestamp"
            ),
            **{f"at_{camera}": self._trigger(person, camera) for camera in cameras},
        }
        return self._message(f"{self._id}_person_{person}", name, "Person", parts, status=STATUS)

    def _trigger(self, person: str, camera: str) -> Component:
        """Starts an automation when a person is recognised at a camera: "alice" at porch.

        Home Assistant finds it by type and subtype, so neither is a display name, which may change.
        """
        return {
            "p": "device_automation",
            "automation_type": "trigger",
            "type": f"at {camera}",
            "subtype": person,
            "topic": self._topics(EVENT, camera=camera).name,
            "value_template": "{{ value_json.person if value_json.event_type == 'match' else '' }}",
            "payload": person,
        }

    def _machine(self, cameras: tuple[str, ...]) -> str:
        temperature = self._diagnostic("Temperature", "temperature", unit="°C", device_class="temperature")
        moved = {f"{camera}_{key}": {"p": one["p"]} for camera in cameras for key, one in self._parts(camera).items()}
        # Until 0.1 the entities of all cameras were here; a component with a platform alone removes them.
        components = {**moved, "temperature": {"unique_id": f"{self._id}_temperature", **temperature}}
        return self._message(self._id, f"edgeface {self._device}", "Face recognition", components, status=STATUS)

    def _camera(self, camera: str) -> str:
        name = f"{self._id}_camera_{camera}"
        # The name only: what Home Assistant keeps is found by ids.
        title = self.names().get(camera, f"{self._device} {camera}")
        return self._message(name, title, "Camera", self._parts(camera), status=STATUS)

    def _door(self, door: str) -> str:
        name = f"{self._id}_door_{door}"
        return self._message(name, f"Door {door}", "Door", self._door_parts(door), status=DOOR_STATUS.at(door=door))

    def _message(self, name: str, title: str, model: str, components: Mapping[str, Component], *, status: Topic) -> str:
        about = {"ids": [name], "name": title, "mf": "edgeface", "mdl": model, "sw": __version__}
        more = {"via_device": None if name == self._id else self._id, "cu": self._page}
        origin = {"name": "edgeface", "sw": __version__, "url": self._page}
        return to_json(
            {
                "dev": _known({**about, **more}),
                "o": _known(origin),
                "cmps": {key: _unique(name, key, one) for key, one in components.items()},
                "availability": [{"topic": self._topics(status).name}],
                "qos": 1,
            }
        )

    def _parts(self, camera: str) -> dict[str, Component]:
        """The entities of a camera."""

        def topic(one: Topic) -> str:
            return self._topics(one, camera=camera).name

        online, people = self._while_online(camera), topic(PEOPLE)
        event = {"event_types": list(kinds("pipeline")), "icon": "mdi:face-recognition"}
        image = _entity("image", "Face", content_type="image/jpeg", image_topic=topic(SNAPSHOT), **online)
        prompt = {"state_topic": topic(CHALLENGE), "value_template": _TURN, "expire_after": _TURN_EXPIRES}
        in_view = {"state_topic": people, "value_template": _IN_VIEW, "device_class": "occupancy"}
        switch = {"command_topic": topic(ENABLED_SET), "state_topic": topic(ENABLED_STATE), "icon": "mdi:eye"}
        # QoS 0: what a broker keeps for later would be about someone else by then.
        ignore = {"command_topic": topic(IGNORE), "payload_press": PRESS, "qos": IGNORE.qos}
        return {
            "event": _entity("event", "Face event", state_topic=topic(EVENT), **event, **online),
            **({"image": image} if self._snapshots else {}),
            "in_view": _entity("binary_sensor", "Face in view", **in_view, **online),
            "people": _entity("sensor", "People", state_topic=people, icon="mdi:account-group", **online),
            "challenge": _entity("sensor", "Prompt", icon="mdi:head-sync-outline", **prompt, **online),
            "enabled": _entity("switch", "Recognition", **switch),
            "ignore": _entity("button", "Ignore last stranger", icon="mdi:account-cancel", **ignore),
            "problem": _problem(state_topic=topic(CAMERA_STATUS), value_template=_FAULTY),
            **self._figures(f"cameras['{camera}']"),
        }

    def _figures(self, camera: str) -> dict[str, Component]:
        """What only a few people look at: off until someone enables it."""
        off: dict[str, Any] = {"en": False}
        drops = {"unit": "frames", "state_class": "total_increasing"}
        return {
            "fps": self._diagnostic("Frames per second", f"{camera}.fps", unit="fps", **off),
            "age": self._diagnostic("Age of the picture", f"{camera}.age", unit="s", device_class="duration", **off),
            "drops": self._diagnostic("Dropped frames", f"{camera}.drops", **drops, **off),
        }

    def _door_parts(self, door: str) -> dict[str, Component]:
        """The entities of a door; the last decision is this machine's, the rest is what the door reports."""
        state = self._topics(DOOR_STATE, door=door).name
        last = f"value_json.doors['{door}'].last"
        decided = {
            "state_topic": self._topics(STATE).name,
            "value_template": f"{{{{ {last}.result if {last} else 'none' }}}}",
            "json_attributes_topic": self._topics(STATE).name,
            "json_attributes_template": f"{{{{ ({last} or {{}}) | tojson }}}}",
            "availability": [{"topic": self._topics(STATUS).name}],
        }
        event = {"event_types": list(DOOR_ALARMS), "icon": "mdi:doorbell"}
        return {
            "open": _entity("binary_sensor", "Open", state_topic=state, value_template=_OPEN, device_class="door"),
            "last": _entity("sensor", "Last decision", icon="mdi:door", **decided),
            "event": _entity("event", "Door event", state_topic=self._topics(DOOR_EVENT, door=door).name, **event),
            "problem": _problem(state_topic=state, value_template=_HAS_PROBLEM),
        }

    def _while_online(self, camera: str) -> Component:
        """Available while the daemon is online and the camera delivers frames."""
        template = "{{ 'online' if value == 'online' else 'offline' }}"
        status = {"topic": self._topics(CAMERA_STATUS, camera=camera).name, "value_template": template}
        return {"availability": [{"topic": self._topics(STATUS).name}, status], "availability_mode": "all"}

    def _diagnostic(self, name: str, value: str, *, unit: str, **more: Any) -> Component:
        """A sensor that shows one value of the state."""
        sensor = _entity(
            "sensor",
            name,
            entity_category="diagnostic",
            state_class="measurement",
            state_topic=self._topics(STATE).name,
            unit_of_measurement=unit,
            value_template=f"{{{{ value_json.{value} }}}}",
        )
        return {**sensor, **more}


class Announcements:
    """Keeps Home Assistant informed of the cameras and doors that there are; the publisher's thread uses it."""

    def __init__(self, discovery: Discovery, topics: Topics, cameras: Iterable[str], retained: RetainedQueue) -> None:
        self._discovery = discovery
        self._topics = topics
        self._cameras = tuple(cameras)
        self._retained = retained
        self._names: Mapping[str, str] = {}

    @property
    def outdated(self) -> bool:
        """Whether a camera has been given another display name since the last `publish`."""
        return self._names != self._discovery.names()

    def publish(self, doors: Iterable[str]) -> None:
        """Announce everything, with these doors."""
        self._names = dict(self._discovery.names())
        for topic, payload in self._discovery.messages(self._cameras, doors).items():
            self._retained.put(self._topics(topic), payload.encode())

    def remove(self, state: Mapping[str, Any], doors: Iterable[str]) -> None:
        """Withdraw the cameras and doors that an earlier run had, by the state that it has left, and that are gone."""
        for camera in _ids(state.get("cameras")) - {*self._cameras}:
            self._retained.put(self._topics(DISCOVERY_CAMERA, camera=camera), b"")
        for door in _ids(state.get("doors")) - {*doors}:
            self._retained.put(self._topics(DISCOVERY_DOOR, door=door), b"")


def _ids(value: object) -> set[str]:
    """The keys of an object from the network that are ids."""
    return {key for key in value if isinstance(key, str) and is_id(key)} if isinstance(value, dict) else set()


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _unique(name: str, key: str, component: Component) -> Component:
    """With an id of its own, but for a trigger, which has none, and for a component that is to be removed."""
    return (
        component
        if [*component] == ["p"] or component["p"] == "device_automation"
        else {"unique_id": f"{name}_{key}", **component}
    )


def _problem(**more: Any) -> Component:
    return _entity("binary_sensor", "Problem", device_class="problem", entity_category="diagnostic", **more)


def _entity(platform: str, name: str, **more: Any) -> Component:
    return {"p": platform, "name": name, **more}
