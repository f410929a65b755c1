"""Home Assistant's device discovery: one retained message that creates all entities of one device.

Keys and abbreviations (dev, o, cmps, p) are those of home-assistant.io/integrations/mqtt, "Device discovery payload".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from edgeface import __version__
from edgeface.core.event_kinds import kinds
from edgeface.core.events import to_json
from edgeface.mqtt.topics import CAMERA_STATUS, ENABLED_SET, ENABLED_STATE, EVENT, PEOPLE, SNAPSHOT, STATE, STATUS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.mqtt.topics import Topic, Topics

Component: TypeAlias = dict[str, Any]


def discovery(topics: Topics, device: str, cameras: Sequence[str], *, snapshots: bool) -> str:
    """The payload that announces `cameras`, each with an image if `snapshots` are published."""
    name = f"edgeface_{device}"
    components: dict[str, Component] = {}
    for camera in cameras:
        for key, component in _camera(topics, camera, snapshots=snapshots).items():
            components[f"{camera}_{key}"] = {"unique_id": f"{name}_{camera}_{key}", **component}
    temperature = _diagnostic(topics, "temperature", "temperature", unit="°C", device_class="temperature")
    components["temperature"] = {"unique_id": f"{name}_temperature", **temperature}
    payload = {
        "dev": {"ids": [name], "name": f"edgeface {device}", "mf": "edgeface", "sw": __version__},
        "o": {"name": "edgeface", "sw": __version__},
        "cmps": components,
        "availability": [{"topic": topics(STATUS).name}],
        "qos": 1,
    }
    return to_json(payload)


def _camera(topics: Topics, camera: str, *, snapshots: bool) -> dict[str, Component]:
    def topic(one: Topic) -> str:
        return topics(one, camera=camera).name

    online, people, value = _while_online(topics, camera), topic(PEOPLE), f"cameras['{camera}']"
    image = _entity("image", f"{camera} face", content_type="image/jpeg", image_topic=topic(SNAPSHOT), **online)
    event = {"event_types": list(kinds("pipeline")), "icon": "mdi:face-recognition"}
    in_view = {"state_topic": people, "value_template": "{{ 'ON' if value | trim else 'OFF' }}"}
    problem = "{{ 'OFF' if value in ['online', 'disabled'] else 'ON' }}"
    return {
        "event": _entity("event", f"{camera} face event", state_topic=topic(EVENT), **event, **online),
        **({"image": image} if snapshots else {}),
        "in_view": _entity("binary_sensor", f"{camera} face in view", device_class="occupancy", **in_view, **online),
        "people": _entity("sensor", f"{camera} people", state_topic=people, icon="mdi:account-group", **online),
        "enabled": _entity(
            "switch",
            f"{camera} recognition",
            command_topic=topic(ENABLED_SET),
            state_topic=topic(ENABLED_STATE),
            icon="mdi:eye",
        ),
        "problem": _entity(
            "binary_sensor",
            f"{camera} problem",
            device_class="problem",
            entity_category="diagnostic",
            state_topic=topic(CAMERA_STATUS),
            value_template=problem,
        ),
        "fps": _diagnostic(topics, f"{camera} fps", f"{value}.fps", unit="fps"),
        "age": _diagnostic(topics, f"{camera} age", f"{value}.age", unit="s", device_class="duration"),
        "drops": _diagnostic(
            topics, f"{camera} drops", f"{value}.drops", unit="frames", state_class="total_increasing"
        ),
    }


def _entity(platform: str, name: str, **more: Any) -> Component:
    return {"p": platform, "name": name, **more}


def _while_online(topics: Topics, camera: str) -> Component:
    """Available while the daemon is online and the camera delivers frames."""
    template = "{{ 'online' if value == 'online' else 'offline' }}"
    status = {"topic": topics(CAMERA_STATUS, camera=camera).name, "value_template": template}
    return {"availability": [{"topic": topics(STATUS).name}, status], "availability_mode": "all"}


def _diagnostic(topics: Topics, name: str, value: str, *, unit: str, **more: str) -> Component:
    """A sensor that shows one value of the state."""
    sensor = _entity(
        "sensor",
        name,
        entity_category="diagnostic",
        state_class="measurement",
        state_topic=topics(STATE).name,
        unit_of_measurement=unit,
        value_template=f"{{{{ value_json.{value} }}}}",
    )
    return {**sensor, **more}
