"""Home Assistant's device discovery: one retained message that makes all entities of one device.

Keys and abbreviations (dev, o, cmps, p) are those of home-assistant.io/integrations/mqtt, "Device discovery payload".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from edgeface import __version__
from edgeface.core.event_kinds import kinds
from edgeface.core.events import to_json
from edgeface.mqtt.topics import (
    CAMERA_STATUS,
    ENABLED_SET,
    ENABLED_STATE,
    EVENT,
    PEOPLE,
    SNAPSHOT,
    STATE,
    STATUS,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.mqtt.topics import Topics

Component: TypeAlias = dict[str, Any]


def discovery(topics: Topics, device: str, cameras: Sequence[str], *, snapshots: bool) -> str:
    """The payload that announces `cameras`, each with an image if `snapshots` are published."""
    name = f"edgeface_{device}"
    components: dict[str, Component] = {}
    for camera in cameras:
        for key, component in _camera(topics, camera, snapshots=snapshots).items():
            components[f"{camera}_{key}"] = {"unique_id": f"{name}_{camera}_{key}", **component}
    temperature = _diagnostic(topics, "temperature", "temperature", unit="°C")
    components["temperature"] = {"unique_id": f"{name}_temperature", **temperature, "device_class": "temperature"}
    payload = {
        "dev": {"ids": [name], "name": f"edgeface {device}", "mf": "edgeface", "sw": __version__},
        "o": {"name": "edgeface", "sw": __version__},
        "cmps": components,
        "availability": [{"topic": topics(STATUS).name}],
        "qos": 1,
    }
    return to_json(payload)


def _camera(topics: Topics, camera: str, *, snapshots: bool) -> dict[str, Component]:
    online = _while_online(topics, camera)
    people = topics(PEOPLE, camera=camera).name
    image = {
        "p": "image",
        "name": f"{camera} face",
        "content_type": "image/jpeg",
        "image_topic": topics(SNAPSHOT, camera=camera).name,
        **online,
    }
    value = f"cameras['{camera}']"
    drops = _diagnostic(topics, f"{camera} drops", f"{value}.drops", unit="frames")
    return {
        "event": {
            "p": "event",
            "name": f"{camera} face event",
            "state_topic": topics(EVENT, camera=camera).name,
            "event_types": list(kinds("pipeline")),
            "icon": "mdi:face-recognition",
            **online,
        },
        **({"image": image} if snapshots else {}),
        "in_view": {
            "p": "binary_sensor",
            "name": f"{camera} face in view",
            "device_class": "occupancy",
            "state_topic": people,
            "value_template": "{{ 'ON' if value | trim else 'OFF' }}",
            **online,
        },
        "people": {
            "p": "sensor",
            "name": f"{camera} people",
            "state_topic": people,
            "icon": "mdi:account-group",
            **online,
        },
        "enabled": {
            "p": "switch",
            "name": f"{camera} recognition",
            "command_topic": topics(ENABLED_SET, camera=camera).name,
            "state_topic": topics(ENABLED_STATE, camera=camera).name,
            "icon": "mdi:eye",
        },
        "problem": {
            "p": "binary_sensor",
            "name": f"{camera} problem",
            "device_class": "problem",
            "entity_category": "diagnostic",
            "state_topic": topics(CAMERA_STATUS, camera=camera).name,
            "value_template": "{{ 'OFF' if value in ['online', 'disabled'] else 'ON' }}",
        },
        "fps": _diagnostic(topics, f"{camera} fps", f"{value}.fps", unit="fps"),
        "age": {**_diagnostic(topics, f"{camera} age", f"{value}.age", unit="s"), "device_class": "duration"},
        "drops": {**drops, "state_class": "total_increasing"},
    }


def _while_online(topics: Topics, camera: str) -> Component:
    """Available while the daemon is online and the camera delivers frames."""
    template = "{{ 'online' if value == 'online' else 'offline' }}"
    status = {"topic": topics(CAMERA_STATUS, camera=camera).name, "value_template": template}
    return {"availability": [{"topic": topics(STATUS).name}, status], "availability_mode": "all"}


def _diagnostic(topics: Topics, name: str, value: str, *, unit: str) -> Component:
    """A sensor that shows one value of the state."""
    return {
        "p": "sensor",
        "name": name,
        "entity_category": "diagnostic",
        "state_class": "measurement",
        "state_topic": topics(STATE).name,
        "unit_of_measurement": unit,
        "value_template": f"{{{{ value_json.{value} }}}}",
    }
