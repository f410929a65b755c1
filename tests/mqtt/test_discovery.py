import json
from typing import Any, get_args

import pytest

from edgeface.core.types import EventType
from edgeface.mqtt.discovery import discovery
from edgeface.mqtt.settings import Mqtt
from edgeface.mqtt.topics import DISCOVERY, Topics

TOPICS = Topics.of_device(Mqtt(discovery_prefix="ha"), "front")
# home-assistant.io/integrations/<platform>.mqtt: what each platform cannot do without.
REQUIRED = {
    "event": {"state_topic", "event_types"},
    "image": {"image_topic"},
    "binary_sensor": {"state_topic"},
    "sensor": {"state_topic"},
    "switch": {"command_topic"},
}


def payload(*cameras: str, snapshots: bool = True) -> dict[str, Any]:
    return dict(json.loads(discovery(TOPICS, "front", cameras, snapshots=snapshots)))


def test_it_is_a_device_with_components() -> None:
    said = payload("porch", "gate")
    assert TOPICS(DISCOVERY).name == "ha/device/edgeface_front/config"
    assert set(said) == {"dev", "o", "cmps", "availability", "qos"}
    assert said["dev"]["ids"] == ["edgeface_front"]
    assert said["o"]["name"] == "edgeface"
    assert said["availability"] == [{"topic": "edgeface/front/status"}]
    for component in said["cmps"].values():
        assert REQUIRED[component["p"]] <= set(component)
    ids = [component["unique_id"] for component in said["cmps"].values()]
    assert len(ids) == len(set(ids)) == 2 * 9 + 1


def test_the_event_entity_takes_every_event() -> None:
    event = payload("porch")["cmps"]["porch_event"]
    assert event["state_topic"] == "edgeface/front/porch/event"
    assert set(get_args(EventType)) <= set(event["event_types"])


def test_the_switch_is_there_when_the_camera_is_not() -> None:
    said = payload("porch")["cmps"]
    assert "availability" not in said["porch_enabled"]
    assert "availability" not in said["porch_problem"]
    assert said["porch_event"]["availability_mode"] == "all"
    assert said["porch_enabled"]["command_topic"] == "edgeface/front/porch/enabled/set"


def test_pictures_only_when_they_are_published() -> None:
    assert payload("porch")["cmps"]["porch_image"]["image_topic"] == "edgeface/front/porch/snapshot"
    assert "porch_image" not in payload("porch", snapshots=False)["cmps"]


@pytest.mark.parametrize("key", ["fps", "age", "drops"])
def test_diagnostics_read_the_state(key: str) -> None:
    sensor = payload("porch")["cmps"][f"porch_{key}"]
    assert sensor["state_topic"] == "edgeface/front/state"
    assert sensor["value_template"] == "{{ value_json.cameras['porch']." + key + " }}"
    assert sensor["entity_category"] == "diagnostic"
