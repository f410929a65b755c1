"""Home Assistant's device discovery: one retained message that makes all entities of one device.

Keys and abbreviations (dev, o, cmps, p) are those of home-assistant.io/integrations/mqtt, "Device discovery payload".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from edgeface import __version__
from edgeface.core.event_kinds import kinds
from edgeface.core.events import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.mqtt.settings import Mqtt
    from edgeface.mqtt.topics import Topics

Component: TypeAlias = dict[str, Any]


def discovery(settings: Mqtt, topics: Topics, cameras: Sequence[str], *, snapshots: bool) -> tuple[str, bytes]:
    """Give the topic and the payload that announce `cameras`; an image each when `snapshots` are published."""
    name = f"edgeface_{topics.device}"
    components: dict[str, Component] = {}
    for camera in cameras:
        for key, component in _camera(topics, camera, snapshots=snapshots).items():
            components[f"{camera}_{key}"] = {"unique_id": f"{name}_{camera}_{key}", **component}
    components["temperature"] = {"unique_id": f"{name}_temperature", **_temperature(topics)}
    payload = {
        "dev": {"ids": [name], "name": f"edgeface {topics.device}", "mf": "edgeface", "sw": __version__},
        "o": {"name": "edgeface", "sw": __version__},
        "cmps": components,
        "availability": [{"topic": topics.status}],
        "qos": 1,
    }
    return f"{settings.discovery_prefix}/device/{name}/config", to_json(payload).encode()


def _camera(topics: Topics, camera: str, *, snapshots: bool) -> dict[str, Component]:
    watched = _while_watched(topics, camera)
    people = topics.people(camera)
    image = {"image": {"p": "image", "name": f"{camera} face", "content_type": "image/jpeg", **watched}}
    image["image"]["image_topic"] = topics.snapshot(camera)
    return {
        "event": {
            "p": "event",
            "name": f"{camera} face event",
            "state_topic": topics.event(camera),
            "event_types": list(kinds("pipeline")),
            "icon": "mdi:face-recognition",
            **watched,
        },
        **(image if snapshots else {}),
        "in_view": {
            "p": "binary_sensor",
            "name": f"{camera} face in view",
            "device_class": "occupancy",
            "state_topic": people,
            "value_template": "{{ 'ON' if value | trim else 'OFF' }}",
            **watched,
        },
        "people": {
            "p": "sensor",
            "name": f"{camera} people",
            "state_topic": people,
            "icon": "mdi:account-group",
            **watched,
        },
        "enabled": {
            "p": "switch",
            "name": f"{camera} recognition",
            "command_topic": topics.enabled_set(camera),
            "state_topic": topics.enabled_state(camera),
            "icon": "mdi:eye",
        },
        "problem": {
            "p": "binary_sensor",
            "name": f"{camera} problem",
            "device_class": "problem",
            "entity_category": "diagnostic",
            "state_topic": topics.camera_status(camera),
            "value_template": "{{ 'OFF' if value in ['online', 'disabled'] else 'ON' }}",
        },
        "fps": _diagnostic(topics, camera, "fps", unit="fps"),
        "age": {**_diagnostic(topics, camera, "age", unit="s"), "device_class": "duration"},
        "drops": {**_diagnostic(topics, camera, "drops", unit="frames"), "state_class": "total_increasing"},
    }


def _while_watched(topics: Topics, camera: str) -> Component:
    """Available while the daemon is there and the camera gives pictures."""
    gives = "{{ 'online' if value == 'online' else 'offline' }}"
    status = {"topic": topics.camera_status(camera), "value_template": gives}
    return {"availability": [{"topic": topics.status}, status], "availability_mode": "all"}


def _diagnostic(topics: Topics, camera: str, key: str, *, unit: str) -> Component:
    return {
        "p": "sensor",
        "name": f"{camera} {key}",
        "entity_category": "diagnostic",
        "state_class": "measurement",
        "state_topic": topics.state,
        "unit_of_measurement": unit,
        "value_template": f"{{{{ value_json.cameras['{camera}'].{key} }}}}",
    }


def _temperature(topics: Topics) -> Component:
    return {
        "p": "sensor",
        "name": "temperature",
        "device_class": "temperature",
        "entity_category": "diagnostic",
        "state_class": "measurement",
        "state_topic": topics.state,
        "unit_of_measurement": "°C",
        "value_template": "{{ value_json.temperature }}",
    }
