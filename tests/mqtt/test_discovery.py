import json
from typing import Any, get_args

import pytest

from edgeface.core.event_kinds import DOOR_ALARMS
from edgeface.core.types import EventType
from edgeface.mqtt.discovery import Announcements, Discovery
from edgeface.mqtt.outgoing import RetainedQueue
from edgeface.mqtt.settings import Mqtt
from edgeface.mqtt.topics import Topics

TOPICS = Topics.of_device(Mqtt(discovery_prefix="ha"), "front")
MACHINE, PORCH, GATE = (f"ha/device/edgeface_front/{part}config" for part in ("", "camera_porch/", "door_gate/"))
# home-assistant.io/integrations/<platform>.mqtt: what each platform cannot do without.
REQUIRED = {
    "event": {"state_topic", "event_types"},
    "image": {"image_topic"},
    "binary_sensor": {"state_topic"},
    "sensor": {"state_topic"},
    "switch": {"command_topic"},
    "button": {"command_topic"},
}


def messages(*cameras: str, doors: tuple[str, ...] = (), **more: Any) -> dict[str, dict[str, Any]]:
    made = Discovery(TOPICS, "front", **{"snapshots": True, **more}).messages(cameras, doors)
    return {TOPICS(topic).name: json.loads(payload) for topic, payload in made.items()}


def camera(**more: Any) -> dict[str, Any]:
    return dict(messages("porch", **more)[PORCH]["cmps"])


def test_this_machine_each_camera_and_each_door_is_a_device() -> None:
    said = messages("porch", "yard", doors=("gate",))
    assert set(said) == {
        "ha/device/edgeface_front/config",
        "ha/device/edgeface_front/camera_porch/config",
        "ha/device/edgeface_front/camera_yard/config",
        "ha/device/edgeface_front/door_gate/config",
    }
    for topic, one in said.items():
        assert set(one) == {"dev", "o", "cmps", "availability", "qos"}
        assert one["dev"]["ids"][0].startswith("edgeface_front")
        assert one["o"]["name"] == "edgeface"
        assert one["dev"].get("via_device") == (None if topic == MACHINE else "edgeface_front")
        assert one["dev"]["mdl"]
    every = [one for each in said.values() for one in each["cmps"].values() if len(one) > 1]
    for component in every:
        assert REQUIRED[component["p"]] <= set(component)
    ids = [component["unique_id"] for component in every]
    assert len(ids) == len(set(ids)) == 2 * 11 + 4 + 1
    assert said[MACHINE]["availability"] == [{"topic": "edgeface/front/status"}]
    assert said[GATE]["availability"] == [{"topic": "edgeface/doors/gate/status"}]


COMMON = {"p", "name", "unique_id", "icon", "entity_category", "en", "availability", "availability_mode", "qos"}
# home-assistant.io/integrations/<platform>.mqtt, in 2025.4 and in 2025.10, which replaced object_id: neither is sent.
ALLOWED = {
    "event": {"state_topic", "event_types"},
    "image": {"image_topic", "content_type"},
    "binary_sensor": {"state_topic", "value_template", "device_class"},
    "sensor": {
        "state_topic",
        "value_template",
        "device_class",
        "state_class",
        "unit_of_measurement",
        "expire_after",
        "json_attributes_topic",
        "json_attributes_template",
    },
    "switch": {"command_topic", "state_topic"},
    "button": {"command_topic", "payload_press"},
    "device_automation": {"automation_type", "type", "subtype", "topic", "value_template", "payload"},
}


def test_only_keys_that_old_and_new_versions_of_home_assistant_know() -> None:
    person = json.loads(Discovery(TOPICS, "front", snapshots=True).person("alice", "Alice", ["porch"]))
    for said in (*messages("porch", doors=("gate",), page="https://e/").values(), person):
        assert set(said["dev"]) <= {"ids", "name", "mf", "mdl", "sw", "via_device", "cu"}
        assert set(said["o"]) <= {"name", "sw", "url"}
        for component in said["cmps"].values():
            assert set(component) <= COMMON | ALLOWED[component["p"]]
            assert component["p"] == "device_automation" or len(component) == 1 or "unique_id" in component


def test_what_version_0_1_announced_at_the_machine_is_removed_there() -> None:
    components = messages("porch")[MACHINE]["cmps"]
    assert components["porch_event"] == {"p": "event"}
    assert components["porch_fps"] == {"p": "sensor"}
    assert "unique_id" in components["temperature"]


def test_the_page_is_the_address_of_the_devices_if_it_has_one() -> None:
    for one in messages("porch", doors=("gate",), page="https://edgeface.local:8099/").values():
        assert one["dev"]["cu"] == one["o"]["url"] == "https://edgeface.local:8099/"
    assert "cu" not in messages("porch")[MACHINE]["dev"]


def test_the_event_entity_takes_every_event() -> None:
    event = camera()["event"]
    assert event["state_topic"] == "edgeface/front/porch/event"
    assert set(get_args(EventType)) <= set(event["event_types"])


def test_the_switch_is_available_when_the_camera_is_not() -> None:
    said = camera()
    assert "availability" not in said["enabled"]
    assert "availability" not in said["problem"]
    assert said["event"]["availability_mode"] == "all"
    assert said["enabled"]["command_topic"] == "edgeface/front/porch/enabled/set"


def test_the_button_is_never_kept_for_later() -> None:
    button = camera()["ignore"]
    assert (button["p"], button["command_topic"]) == ("button", "edgeface/front/porch/ignore")
    assert (button["payload_press"], button["qos"]) == ("PRESS", 0)
    assert "retain" not in button


def test_pictures_only_when_they_are_published() -> None:
    assert camera()["image"]["image_topic"] == "edgeface/front/porch/snapshot"
    assert "image" not in camera(snapshots=False)


@pytest.mark.parametrize("key", ["fps", "age", "drops"])
def test_diagnostics_read_the_state_and_are_off_by_default(key: str) -> None:
    sensor = camera()[key]
    assert sensor["state_topic"] == "edgeface/front/state"
    assert sensor["value_template"] == "{{ value_json.cameras['porch']." + key + " }}"
    assert sensor["entity_category"] == "diagnostic"
    assert sensor["en"] is False


def test_a_door_has_its_state_its_alarms_and_the_last_decision() -> None:
    said = messages("porch", doors=("gate",))[GATE]["cmps"]
    assert sorted(said) == ["event", "last", "open", "problem"]
    assert said["open"]["device_class"] == "door"
    assert said["open"]["state_topic"] == said["problem"]["state_topic"] == "edgeface/doors/gate/state"
    assert said["event"]["event_types"] == list(DOOR_ALARMS)
    assert "value_json.doors['gate'].last" in said["last"]["value_template"]


def test_what_an_earlier_run_had_is_withdrawn() -> None:
    retained = RetainedQueue()
    announcements = Announcements(Discovery(TOPICS, "front", snapshots=False), TOPICS, ["porch"], retained)
    announcements.remove(
        {"cameras": {"porch": {}, "yard": {}, "../x": {}, 7: {}}, "doors": {"gate": {}, "shed": {}}}, ["gate"]
    )
    assert {topic.name: payload for topic, payload in retained._payloads.items()} == {
        "ha/device/edgeface_front/camera_yard/config": b"",
        "ha/device/edgeface_front/door_shed/config": b"",
    }
    for odd in ({"cameras": ["yard"]}, {"cameras": "yard", "doors": None}, {}):
        announcements.remove(odd, [])
    assert len(retained) == 2


def test_a_display_name_is_that_of_the_device_and_of_nothing_else() -> None:
    names = {"porch": "Haustür “vorn” 🚪"}
    before, after = messages("porch", "yard"), messages("porch", "yard", names=lambda: names)
    assert before[PORCH]["dev"]["name"] == "front porch"
    assert after[PORCH]["dev"]["name"] == names["porch"]
    after[PORCH]["dev"]["name"] = "front porch"
    assert after == before


def test_another_display_name_is_announced_once() -> None:
    names: dict[str, str] = {}
    retained = RetainedQueue()
    discovery = Discovery(TOPICS, "front", snapshots=False, names=lambda: dict(names))
    announcements = Announcements(discovery, TOPICS, ["porch"], retained)
    seen = [announcements.outdated]
    for name in ("Front door", "Front door", "Gate"):
        names["porch"] = name
        seen.append(announcements.outdated)
        announcements.publish([])
        seen.append(announcements.outdated)
    assert seen == [False, True, False, False, False, True, False]
    (payload,) = [one for topic, one in retained._payloads.items() if topic.name == PORCH]
    assert json.loads(payload)["dev"]["name"] == "Gate"
