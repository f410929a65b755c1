"""What is retained under earlier names is cleared, and what is of others stays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from edgeface.cli import main
from edgeface.core.clock import SystemClock
from edgeface.journal.journal import Journal
from edgeface.mqtt.connection import Message, PublishResult, Tag
from edgeface.mqtt.leftovers import FILE, MAX_PLACES, Leftovers, Named, Place, Retained, read_places, write_places
from edgeface.mqtt.mqtt_publisher import MqttPublisher
from edgeface.mqtt.outgoing import RetainedQueue
from edgeface.mqtt.settings import Mqtt
from tests.support.broker import Listener, until
from tests.support.clock import FixedClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edgeface.demo.mosquitto import Mosquitto

    Listen = Callable[..., Listener]

FRONT = Place("edgeface", "homeassistant", "front")
CLOCK = SystemClock()


def retained(broker: Mosquitto, listen: Listen) -> dict[str, bytes]:
    """Everything that the broker retains now."""
    listener = listen(broker, "edgeface/#", "home/#", "homeassistant/#", "ha/#", "$SYS/#")
    until(lambda: any(heard.topic.startswith("$SYS") for heard in listener.heard))
    return {
        heard.topic: heard.payload for heard in listener.heard if heard.retained and not heard.topic.startswith("$")
    }


def present(listener: Listener) -> set[str]:
    """The topics whose last message is not empty."""
    return {topic for topic, payload in {heard.topic: heard.payload for heard in [*listener.heard]}.items() if payload}


def of(place: Place, found: dict[str, str]) -> Retained:
    taken = Retained(place)
    for topic, payload in found.items():
        taken.take(Message(topic, payload.encode(), retained=True))
    return taken


OURS = json.dumps({"availability": [{"topic": "edgeface/front/status"}]}).replace(": ", ":")
OTHERS = OURS.replace("edgeface/front", "other/front")


def test_what_the_configuration_names_stays() -> None:
    found = of(
        FRONT,
        {
            "edgeface/front/porch/enabled/state": "ON",
            "edgeface/front/yard/enabled/state": "OFF",
            "edgeface/front/people/alice/seen": "{}",
            "homeassistant/device/edgeface_front/camera_yard/config": OURS,
            "homeassistant/device/edgeface_front/camera_porch/config": OURS,
            "homeassistant/device/edgeface_front/door_back/config": OURS,
            "homeassistant/device/edgeface_front/person_alice/config": OURS,
        },
    )
    assert found.obsolete(Named(("porch",), ("back",))) == [
        "homeassistant/device/edgeface_front/camera_yard/config",
        "edgeface/front/yard/status",
        "edgeface/front/yard/people",
        "edgeface/front/yard/enabled/state",
    ]
    assert found.obsolete(Named(("porch", "yard"), (), people=())) == [
        "edgeface/front/people/alice/seen",
        "homeassistant/device/edgeface_front/door_back/config",
        "homeassistant/device/edgeface_front/person_alice/config",
    ]
    without = found.obsolete(Named(("porch", "yard"), ("back",), announced=False))
    assert len(without) == 4
    assert all(one.startswith("homeassistant/") for one in without)


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        # Another edgeface with the same device name below another prefix shares the discovery topics.
        ("homeassistant/device/edgeface_front/camera_yard/config", OTHERS),
        ("homeassistant/device/edgeface_front/camera_yard/config", "something else"),
        ("homeassistant/device/edgeface_front_2/camera_yard/config", OURS),
        ("homeassistant/device/shelly/config", OURS),
        # A device `x` below the prefix edgeface/front.
        ("edgeface/front/x/status", "online"),
        ("edgeface/front/x/state", "{}"),
        ("edgeface/front/x/porch/enabled/state", "ON"),
        ("edgeface/front/yard/enabled/state", "maybe"),
        ("edgeface/front/Yard/enabled/state", "ON"),
        ("edgeface/other/yard/enabled/state", "ON"),
        ("edgeface/doors/front-door/status", "online"),
        ("edgeface/doors/keys", "{}"),
    ],
)
def test_what_is_of_others_stays(topic: str, payload: str) -> None:
    assert of(FRONT, {topic: payload}).obsolete(Named(("porch",), people=())) == []
    assert set(of(FRONT, {topic: payload}).obsolete(None)) <= {
        f"edgeface/front/{one}" for one in ("status", "state", "generation")
    }


def test_only_what_is_retained_counts() -> None:
    found = Retained(FRONT)
    assert not found.take(Message("edgeface/front/yard/enabled/state", b"ON", retained=False))
    assert not found.take(Message("edgeface/front/yard/enabled/state", b"", retained=True))
    assert found.found == {}


def test_places_are_remembered_and_damage_is_no_error(tmp_path: Path) -> None:
    assert read_places(tmp_path) == ()
    places = [FRONT._replace(device=f"d{n}") for n in range(12)]
    write_places(tmp_path, places)
    assert read_places(tmp_path) == tuple(places[-MAX_PLACES - 1 :])
    for text in ("", "[]", "{", '{"places": [1]}', '{"places": [{"prefix": "#", "discovery": "a", "device": "b"}]}'):
        (tmp_path / FILE).write_text(text)
        assert read_places(tmp_path) == ()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Runs a publisher until it has no more to publish, as the daemon would with this configuration."""
    journal = Journal(tmp_path / "journal.db")
    journal.record("start", 0.0, {})

    def once(
        broker: Mosquitto,
        device: str,
        *cameras: str,
        done: Callable[[], bool] = lambda: True,
        knows: Callable[[int, str], bool] | None = None,
        **settings: Any,
    ) -> None:
        mqtt = Mqtt(port=broker.port, **settings)
        left = Leftovers(Place.of(mqtt, device), cameras, tmp_path, CLOCK, knows or journal.knows)
        publisher = MqttPublisher(
            mqtt, device, CLOCK, journal, on_enabled=lambda *_: None, cameras=cameras, leftovers=left
        )
        publisher.start()
        publisher.set(_status(cameras[0]), "online")
        publisher.set(_status(cameras[0]), {"cameras": {one: {} for one in cameras}, "problems": ()})
        until(lambda: publisher.connected and not publisher._retained and done(), 8)
        publisher.close()

    yield once
    journal.close()


def _status(camera: str) -> Any:
    from edgeface.mqtt.topics import CAMERA_STATUS

    return CAMERA_STATUS.at(camera=camera)


def about(found: dict[str, bytes], *words: str) -> list[str]:
    return [topic for topic in found if any(word in topic for word in words)]


@pytest.mark.broker
def test_a_renamed_camera_is_cleared_at_the_next_start(
    broker: Mosquitto, listen: Listen, run: Callable[..., None]
) -> None:
    run(broker, "front", "porch", "yard")
    assert about(retained(broker, listen), "yard")
    watch = listen(broker, "edgeface/#", "homeassistant/#")
    run(broker, "front", "porch", "garden", done=lambda: not [one for one in present(watch) if "yard" in one])
    found = retained(broker, listen)
    assert not about(found, "yard")
    assert {"edgeface/front/porch/enabled/state", "edgeface/front/garden/enabled/state"} <= set(found)


@pytest.mark.broker
@pytest.mark.parametrize(
    ("device", "settings"), [("back", {}), ("front", {"prefix": "home/faces"}), ("front", {"discovery_prefix": "ha"})]
)
def test_a_renamed_device_leaves_nothing_behind(
    broker: Mosquitto, listen: Listen, run: Callable[..., None], tmp_path: Path, device: str, settings: dict[str, str]
) -> None:
    run(broker, "front", "porch")
    old = retained(broker, listen)
    assert json.loads(old["edgeface/front/state"])["journal"]["head"]
    assert len(read_places(tmp_path)) == 1
    # Another device is not touched, and neither is what is not of edgeface.
    other = listen(broker, "none")
    other.publish("edgeface/hall/porch/enabled/state", "ON", retain=True)
    other.publish("homeassistant/device/shelly/config", "{}", retain=True)
    discovered = {one for one in old if one.startswith("homeassistant/")}
    assert len(discovered) == 2
    # With another prefix of its own, the device announces itself at the same place, so that must stay.
    gone = {"discovery_prefix": discovered, "prefix": {*old} - discovered}.get(next(iter(settings), ""), {*old})

    watch = listen(broker, "edgeface/front/#", "homeassistant/#")
    until(lambda: {*gone} <= present(watch))
    run(broker, device, "porch", done=lambda: not {*gone} & present(watch), **settings)
    assert not {*gone} & {*retained(broker, listen)}
    until(lambda: len(read_places(tmp_path)) == 1)
    found = retained(broker, listen)
    assert {"edgeface/hall/porch/enabled/state", "homeassistant/device/shelly/config"} <= set(found)
    root, discovery = settings.get("prefix", "edgeface"), settings.get("discovery_prefix", "homeassistant")
    assert {
        f"{root}/{device}/status",
        f"{root}/{device}/porch/enabled/state",
        f"{discovery}/device/edgeface_{device}/config",
        f"{discovery}/device/edgeface_{device}/camera_porch/config",
    } <= set(found)


@pytest.mark.broker
def test_an_earlier_name_that_another_device_has_now_is_not_touched(
    broker: Mosquitto, listen: Listen, run: Callable[..., None], tmp_path: Path
) -> None:
    run(broker, "front", "porch")
    before = retained(broker, listen)
    # The state there does not continue in our journal: another device has taken the name.
    run(broker, "back", "porch", knows=lambda *_: False)
    # Or it is online.
    listen(broker, "none").publish("edgeface/front/status", "online", retain=True)
    run(broker, "back", "porch")
    after = retained(broker, listen)
    assert set(before) <= set(after)
    assert [one.device for one in read_places(tmp_path)] == ["front", "back"]


CONFIG = """\
device: {device}
data: {data}
cameras: {{{camera}: {{type: opencv, source: 0}}}}
mqtt: {{port: {port}}}
"""


@pytest.mark.broker
def test_clean_lists_and_clears(
    broker: Mosquitto, listen: Listen, run: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(broker, "front", "porch", "yard")
    run(broker, "back", "porch", knows=lambda *_: False)
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(device="back", data=tmp_path, camera="porch", port=broker.port))
    before = retained(broker, listen)

    def clean(*options: str) -> tuple[int, list[str]]:
        status = main.main(["mqtt", "clean", "--config", str(path), *options])
        return status, capsys.readouterr().out.splitlines()

    status, lines = clean("--dry-run")
    assert status == 0
    assert "edgeface/front/yard/people: would be cleared" in lines
    assert not [line for line in lines if "/back/" in line or "edgeface_back" in line]
    assert retained(broker, listen) == before
    # A device that is online keeps what it has.
    listener = listen(broker, "none")
    listener.publish("edgeface/front/status", "online", retain=True)
    status, lines = clean("--device", "front")
    assert status == 1
    assert lines[0].startswith("edgeface/front: a device is online under this name, so its topics stay")
    listener.publish("edgeface/front/status", "offline", retain=True)
    status, lines = clean("--device", "front")
    assert status == 0
    assert "edgeface/front/yard/people: cleared" in lines
    assert not about(retained(broker, listen), "front")
    assert [one.device for one in read_places(tmp_path)] == ["back"]
    assert clean() == (0, ["nothing is left over"])
    # A camera that was renamed while the daemon did not run.
    path.write_text(path.read_text().replace("porch", "gate"))
    status, lines = clean()
    assert "edgeface/back/porch/status: cleared" in lines
    assert "homeassistant/device/edgeface_back/camera_porch/config: cleared" in lines
    assert not about(retained(broker, listen), "porch")


def test_what_is_denied_is_no_problem_of_the_device(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_places(tmp_path, [FRONT])
    clock, queue = FixedClock(), RetainedQueue()
    left = Leftovers(FRONT._replace(device="back"), ("porch",), tmp_path, clock, lambda *_: True)
    asked: list[str] = []

    class Subscribing:
        def subscribe(self, names: list[str], *, retained: bool) -> None:
            assert retained
            asked.extend(names)

    left.subscribe(Subscribing())  # type: ignore[arg-type]
    assert "edgeface/front/+/enabled/state" in asked
    for name in asked:
        assert not left.on_result(PublishResult(Tag("subscribe", name), None, 0.0), queue)
    head = json.dumps({"journal": {"seq": 1, "head": "0" * 16}})
    for topic, payload in {"edgeface/front/state": head, "edgeface/front/yard/enabled/state": "ON"}.items():
        assert left.on_message(Message(topic, payload.encode(), retained=True))
    left.review((), queue, announced=True)
    assert len(queue) == 0, "more may arrive"
    clock.now += 1
    left.review((), queue, announced=True)
    assert len(queue) == 6
    for name in ("edgeface/front/yard/status", "edgeface/front/state"):
        assert left.on_result(PublishResult(Tag("retained", name), "Not authorized", 0.0), queue)
    assert caplog.text.count("edgeface mqtt clean") == 1
    assert not left.on_result(PublishResult(Tag("retained", "edgeface/back/status"), "Not authorized", 0.0), queue)
    for name in ("yard/people", "yard/enabled/state", "status", "generation"):
        assert not left.on_result(PublishResult(Tag("retained", f"edgeface/front/{name}"), None, 0.0), queue)
    assert FRONT in read_places(tmp_path), "not everything is cleared"


@pytest.mark.parametrize("text", ["device: back\ncameras: {porch: {type: opencv, source: 0}}\n"])
def test_clean_needs_a_broker(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    assert main.main(["mqtt", "clean", "--config", str(path)]) == 2
    assert "has no section mqtt" in capsys.readouterr().err
