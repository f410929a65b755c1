"""The table of topics, and the contract in docs/events.md."""

import re
from pathlib import Path

import pytest

from edgeface.mqtt import topics
from edgeface.mqtt.topics import EVENT, PEOPLE, STATUS, Topic, Topics

EVENTS = (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8")
CONTRACT = EVENTS.partition("## Topics")[2].partition("\n## ")[0]
TABLE = tuple(value for value in vars(topics).values() if isinstance(value, Topic))
IDS = {
    "prefix": "edgeface",
    "discovery": "homeassistant",
    "device": "DEVICE",
    "camera": "CAMERA",
    "door": "DOOR",
    "person": "PERSON",
    "site": "SITE",
}
RETAINED = {"yes": True, "no": False, "**never**": False}


def test_the_contract_has_every_topic_with_its_qos_and_retain_flag() -> None:
    rows = re.findall(r"^\| `(\S+)` \| (\S+) \| ([01]) \|", CONTRACT, re.MULTILINE)
    documented = {name: (RETAINED[retained], int(qos)) for name, retained, qos in rows}
    assert len(rows) == len(TABLE) == len(documented)
    assert {topic.at(**IDS).name: (topic.retain, topic.qos) for topic in TABLE} == documented


@pytest.mark.parametrize("topic", TABLE, ids=lambda topic: topic.name)
def test_an_id_that_is_missing_is_an_error(topic: Topic) -> None:
    with pytest.raises(KeyError):
        Topics()(topic)
    assert "{" not in Topics(**IDS)(topic).name


def test_ids_come_from_the_caller_and_the_client() -> None:
    device = Topics(prefix="home/faces", device="front", discovery="homeassistant")
    assert device(STATUS) == Topic("home/faces/front/status", qos=1, retain=True)
    assert device(PEOPLE.at(camera="porch")) == device(PEOPLE, camera="porch")
    assert device(EVENT, camera="porch") == Topic("home/faces/front/porch/event", qos=1)


@pytest.mark.parametrize(
    ("name", "door"),
    [
        ("home/faces/doors/gate/challenge", ("gate", "challenge")),
        ("home/faces/doors/gate/a/b", ("gate", "a/b")),
        ("home/faces/doors", None),
        ("home/faces/front/porch/event", None),
        ("edgeface/doors/gate/challenge", None),
    ],
)
def test_the_door_of_a_topic(name: str, door: tuple[str, str] | None) -> None:
    assert Topics(prefix="home/faces").door_of(name) == door
