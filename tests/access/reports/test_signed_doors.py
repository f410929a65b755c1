"""A device, a real broker and a real door controller: what the journal has of results and alarms."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from edgeface.access.protocol import MAX_MESSAGE_BYTES, read_result
from edgeface.access.reports.envelope import sign_report
from edgeface.core.errors import ConfigError
from edgeface.door.controller import Controller
from edgeface.door.inputs.simulated import SimulatedContact
from edgeface.door.relays.log import LogRelay
from edgeface.door.reports import Reports, public_text, result_key
from edgeface.door.settings import DoorSettings
from edgeface.door.verifier import Grant
from edgeface.mqtt import topics
from edgeface.mqtt.settings import Mqtt
from edgeface.security import signing_keys
from tests.access.test_issuer import (  # noqa: F401 - fixtures
    GRANT,
    RESULT,
    STATE,
    a_claim,
    a_door,
    data,
    door_state,
    heard,
    journal,
    policies,
    publish,
    result,
)
from tests.support.broker import until
from tests.support.threaded import threaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edgeface.demo.mosquitto import Mosquitto
    from edgeface.mqtt.mqtt_publisher import MqttPublisher
    from tests.access.test_issuer import Listen, Publish
    from tests.support.broker import Listener

DOOR_STATE, DOOR_STATUS = "edgeface/doors/front-door/state", "edgeface/doors/front-door/status"


class KeyedDoor:
    """A door with a key of its own and a simulated contact, and the trust of a device."""

    def __init__(self, port: int, folder: Path, device: Path) -> None:
        self.pipe = folder / "leaf"
        os.mkfifo(self.pipe)
        keys = {record.kid: record.public for record in signing_keys.read(device)}
        self.settings = DoorSettings(
            door="front-door",
            keys=keys,
            relay=LogRelay(seconds=0.5),
            contact=SimulatedContact(path=self.pipe),
            data=folder,
            mqtt=Mqtt(port=port),
        )
        self.public = str(public_text(result_key(self.settings)))

    def say(self, line: str) -> None:
        """Change the contact."""
        with self.pipe.open("w") as file:
            file.write(f"{line}\n")

    @contextmanager
    def run(self, listener: Listener) -> Iterator[None]:
        """Run the controller, from when it is online."""
        with threaded(Controller(self.settings)):
            until(lambda: listener.payloads(DOOR_STATUS)[-1:] == [b"online"], 10)
            yield


@pytest.fixture
def keyed(broker: Mosquitto, tmp_path: Path, data: Path) -> KeyedDoor:  # noqa: F811 - a fixture
    return KeyedDoor(broker.port, tmp_path, data)


def known(publisher: MqttPublisher, listener: Listener, condition: Callable[[dict[str, Any]], object]) -> None:
    """Wait until the device's state of the door is so; it is published when something changes."""

    def looked() -> bool:
        publisher.set(topics.STATE, {"version": "1"})
        return bool(listener.of(STATE)) and bool(condition(door_state(listener)))

    until(looked, 20)


@pytest.mark.broker
@pytest.mark.slow(seconds=8)
def test_only_what_the_door_has_signed_is_in_the_journal(
    broker: Mosquitto,
    listen: Listen,
    publish: Publish,  # noqa: F811 - a fixture
    keyed: KeyedDoor,
) -> None:
    listener = listen(broker, "edgeface/#")
    with keyed.run(listener):
        publisher = publish(broker.port, front_door=a_door(result_key=keyed.public, level="high"))
        known(publisher, listener, lambda door: door["nonce_age"] is not None)
        # Before the door has answered, someone else claims that it has opened.
        listener.publish(RESULT, result(1))
        publisher.claim(a_claim(frames=9))
        until(lambda: heard(listener, "opened"), 10)
        (opened,) = heard(listener, "opened")
        assert (opened["person"], opened["grant_seq"], opened["proven"]) == ("alice", 1, True)
        genuine = next(one.payload.decode() for one in listener.of(RESULT) if b"payload" in one.payload)
        # The same answer from a run of the door of which the device remembers nothing.
        outer, private = json.loads(genuine), result_key(keyed.settings)
        assert private is not None
        again = sign_report(outer, {**json.loads(outer["payload"]), "boot": "again"}, private)
        listener.publish(RESULT, again.decode())
        listener.publish(RESULT, genuine)
        listener.publish(RESULT, genuine.replace('\\"seq\\":', '\\"seq\\":9'))
        listener.publish(RESULT, json.dumps({**json.loads(genuine), "kid": "0" * 16}))
        # A state that comes before the door's first nonce is stale, and does not count here.
        known(
            publisher, listener, lambda door: Counter(door["unproven"]).total() - door["unproven"].get("stale", 0) == 4
        )
        door = door_state(listener)
        assert {**door["unproven"], "stale": 0} == {"unsigned": 1, "replayed": 1, "signature": 1, "key": 1, "stale": 0}
        assert door["opened"] == 1
        (line,) = listener.of(STATE)[-1].json["problems"]
        assert line == (
            "door front-door: result_key has not signed 4 of the door's reports, or they came twice (last: key)"
        )
    assert len(heard(listener, "opened")) == 1
    assert heard(listener, "rejected") == []


@pytest.mark.broker
@pytest.mark.slow(seconds=12)
def test_a_forced_door_is_recorded_once_whatever_reconnects_or_restarts(
    broker: Mosquitto,
    listen: Listen,
    publish: Publish,  # noqa: F811 - a fixture
    keyed: KeyedDoor,
) -> None:
    listener = listen(broker, "edgeface/#")
    with keyed.run(listener):
        publisher = publish(broker.port, front_door=a_door(result_key=keyed.public))
        keyed.say("shut")
        known(publisher, listener, lambda door: door["contact"] == "shut")
        keyed.say("open")
        known(publisher, listener, lambda door: door["contact"] == "forced")
        until(lambda: heard(listener, "door_forced"))
        (row,) = heard(listener, "door_forced")
        assert (row["door"], row["number"], row["proven"]) == ("front-door", 1, True)
        listener.publish(DOOR_STATE, json.dumps({"v": 1, "boot": "x", "contact": "shut", "alarms": {"held": 7}}))
        known(publisher, listener, lambda door: door["unproven"].get("unsigned") == 1)
        assert door_state(listener)["contact"] == "forced"
        broker.kill()
        broker.start()
        until(lambda: listener.payloads(DOOR_STATUS).count(b"online") >= 2, 20)
        publisher.close()
        count = len(listener.of(STATE))
        again = publish(broker.port, front_door=a_door(result_key=keyed.public))
        keyed.say("shut")
        known(again, listener, lambda door: len(listener.of(STATE)) > count and door["contact"] == "shut")
    assert len(heard(listener, "door_forced")) == 1
    assert heard(listener, "door_held") == []


@pytest.mark.broker
def test_without_a_key_results_count_as_before_and_are_marked(
    broker: Mosquitto,
    listen: Listen,
    publish: Publish,  # noqa: F811 - a fixture
    keyed: KeyedDoor,
) -> None:
    listener = listen(broker, "edgeface/#")
    with keyed.run(listener):
        publisher = publish(broker.port, front_door=a_door())
        known(publisher, listener, lambda door: door["nonce_age"] is not None)
        publisher.claim(a_claim(frames=9))
        until(lambda: heard(listener, "opened"), 10)
    assert heard(listener, "opened")[0]["proven"] is False
    until(lambda: listener.of(GRANT))


def command(config: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "edgeface.cli", "door", "--config", str(config), "--key"]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


def door_yaml(folder: Path, keyed: KeyedDoor) -> Path:
    config = folder / "door.yaml"
    (kid, key), *_ = (keyed.settings.keys or {}).items()
    config.write_text(f"door: front-door\nkeys: {{{kid}: {key}}}\nrelay: {{type: log}}\ndata: {folder / 'state'}\n")
    return config


def test_the_command_prints_the_same_key_each_time_and_only_its_user_may_read_the_file(
    tmp_path: Path, keyed: KeyedDoor
) -> None:
    config = door_yaml(tmp_path, keyed)
    folder = tmp_path / "state"
    missing = command(config)
    assert missing.returncode == 78
    assert "cannot be created (No such file or directory; data: in door.yaml)" in missing.stderr
    folder.mkdir()
    first, second = (command(config) for _ in range(2))
    assert (first.returncode, first.stdout) == (0, second.stdout)
    word, text = first.stdout.split()
    assert (word, len(base64.b64decode(text))) == ("result_key:", 32)
    assert (folder / "front-door.pem").stat().st_mode & 0o777 == 0o600


def test_a_key_that_others_may_use_or_that_is_none_is_a_config_error(keyed: KeyedDoor, tmp_path: Path) -> None:
    path = keyed.settings.data / "front-door.pem"
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="others may use it"):
        result_key(keyed.settings)
    path.chmod(0o600)
    assert result_key(keyed.settings) is not None
    for content in (b"", b"x" * 2000, signing_keys.sign(b"a", "k", result_key(keyed.settings))):  # type: ignore[arg-type]
        path.write_bytes(content)
        with pytest.raises(ConfigError, match="not an Ed25519 key in PEM"):
            result_key(keyed.settings)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"front-door\.pem"):
        result_key(keyed.settings)
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match=r"front-door\.pem"):
        result_key(keyed.settings)


def test_a_result_with_the_longest_ids_fits_into_a_message_of_version_1(keyed: KeyedDoor) -> None:
    grant = Grant("d" * 64, "e" * 64, "b" * 64, 2**53 - 1, "n" * 24, "p" * 64, 7000, "high", 100, 4, "off")
    reports = Reports("d" * 64, "0" * 16, result_key(keyed.settings), lambda: "n" * 24)
    text = reports.result(grant, "unknown_key")
    assert len(text) <= MAX_MESSAGE_BYTES
    assert read_result(text, "d" * 64) == (False, "unknown_key", "e" * 64, "b" * 64, 2**53 - 1)
