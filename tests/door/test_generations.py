"""A door remembers how new the data folder of a device was, with a real broker, controller, publisher and watch."""

from __future__ import annotations

import base64
import json
import shutil
import stat
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgeface.access.policy import AccessPolicy, Door
from edgeface.cli.main import main
from edgeface.core.clock import SystemClock
from edgeface.daemon.integrity_watch import IntegrityWatch
from edgeface.door import generations
from edgeface.door.controller import Controller
from edgeface.door.generations import MAX_KEYS, GenerationMemory, verify
from edgeface.door.relay import in_this_process
from edgeface.door.relays.log import LogRelay
from edgeface.door.settings import DoorSettings
from edgeface.door.verifier import Reject
from edgeface.journal.journal import Journal
from edgeface.mqtt import generation
from edgeface.mqtt.connection import Message
from edgeface.mqtt.mqtt_publisher import MqttPublisher
from edgeface.mqtt.settings import Mqtt
from edgeface.mqtt.topics import Topics
from edgeface.security import signing_keys
from edgeface.security.signing_keys import Signer, sign
from edgeface.security.vault import open_vault
from tests.support.broker import until
from tests.support.clock import FixedClock
from tests.support.data_folders import fill, use
from tests.support.threaded import threaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edgeface.demo.mosquitto import Mosquitto
    from tests.support.broker import Listener

KEY = Ed25519PrivateKey.generate()
MARK = "0" * 32
TOLD, REMEMBERED = "edgeface/cam/generation", "edgeface/doors/front/generation"
POLICY = AccessPolicy({"front": Door.model_validate({"camera": "porch", "allow": [{"group": "everyone"}]})})


def public(key: Ed25519PrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def told(gallery: int, journal: int, key: Ed25519PrivateKey = KEY, kid: str = "k", **changes: Any) -> bytes:
    """What a device publishes."""
    fields = {"v": 1, "device": "cam", "gallery": gallery, "journal": journal, "mark": MARK, **changes}
    return sign(json.dumps(fields).encode(), kid, key)


def settings(port: int, data: Path, keys: dict[str, str]) -> DoorSettings:
    return DoorSettings(door="front", keys=keys, relay=LogRelay(), mqtt=Mqtt(port=port), data=data)


@contextmanager
def door(wanted: DoorSettings) -> Iterator[Controller]:
    controller = Controller(wanted, relay=in_this_process)
    with threaded(controller):
        yield controller


@contextmanager
def device(folder: Path, port: int) -> Iterator[tuple[IntegrityWatch, Signer]]:
    """What a daemon starts of a device with one door."""
    vault, clock = open_vault(folder), SystemClock()
    watch = IntegrityWatch(folder, vault, clock, poll=0.05)
    signer = watch.signer = Signer(folder, vault, clock)
    with closing(Journal(folder / "journal.db")) as journal:
        publisher = MqttPublisher(
            Mqtt(port=port),
            "cam",
            clock,
            journal,
            on_enabled=lambda _camera, _on: None,
            policy=lambda: POLICY,
            signer=signer,
            recall=watch.recall,
            generation=watch.facts,
        )
        watch.start(journal)
        publisher.start()
        try:
            yield watch, signer
        finally:
            publisher.close()
            watch.stop()


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """The data folders of a device and of a door."""
    (tmp_path / "door").mkdir(mode=0o700)
    fill(tmp_path / "data")
    return tmp_path / "data", tmp_path / "door"


def key_of(folder: Path) -> dict[str, str]:
    return {record.kid: record.public for record in signing_keys.read(folder)}


def remembered(listener: Listener) -> list[int]:
    """The sum of the numbers in each message of the door about the device."""
    messages = [heard.json["devices"] for heard in listener.of(REMEMBERED) if heard.payload]
    return [one["gallery"] + one["journal"] for devices in messages for one in devices if one["device"] == "cam"]


def empty(listener: Listener) -> None:
    """Have the broker forget everything that it retains."""
    for topic in {heard.topic for heard in listener.heard}:
        listener.publish(topic, "", retain=True)


@pytest.mark.broker
def test_a_door_names_a_whole_folder_put_back_while_the_broker_has_forgotten_everything(
    broker: Mosquitto,
    listen: Callable[..., Listener],
    folders: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(generations, "ANSWER_SECONDS", 0.1)
    (folder, data), old = folders, tmp_path / "old"
    shutil.copytree(folder, old)
    use(folder)
    listener = listen(broker, "edgeface/#")
    with door(settings(broker.port, data, key_of(folder))):
        with device(folder, broker.port) as (watch, signer):
            until(lambda: remembered(listener))
            assert signer.withheld is None
        newest = remembered(listener)[-1]
        empty(listener)
        shutil.rmtree(folder)
        shutil.copytree(old, folder)
        with device(folder, broker.port) as (watch, signer):
            until(lambda: "generation: was put back" in (signer.withheld or ""))
            signer.refresh()
            assert signer.key is None
            assert remembered(listener)[-1] == newest
    # The door keeps it over a restart; so does the device, until it is accepted.
    assert stat.S_IMODE((data / "front.generations").stat().st_mode) == 0o600
    empty(listener)
    shutil.rmtree(folder)
    shutil.copytree(old, folder)
    with device(folder, broker.port) as (watch, signer), ExitStack() as stack:
        until(lambda: signer.withheld is None)
        stack.enter_context(door(settings(broker.port, data, key_of(folder))))
        until(lambda: "generation: was put back" in (signer.withheld or ""))
        assert main(["audit", "accept", "--data", str(folder)]) == 0
        until(lambda: signer.withheld is None)
        empty(listener)
        stack.close()
        with door(settings(broker.port, data, key_of(folder))):
            count = len(listener.of(REMEMBERED))
            until(lambda: len(listener.of(REMEMBERED)) > count)
            until(lambda: not watch.lines)
            assert signer.withheld is None


@pytest.mark.broker
def test_what_this_run_has_told_itself_raises_no_alarm(
    broker: Mosquitto, listen: Callable[..., Listener], folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generations, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(generation, "EVERY", 0.1)
    folder, data = folders
    listener = listen(broker, "edgeface/#")
    with (
        door(settings(broker.port, data, key_of(folder))),
        device(folder, broker.port) as (watch, signer),
        closing(Journal(folder / "journal.db")) as journal,
    ):
        for count in range(4):
            before = len({*remembered(listener)})
            journal.record("config", 1.0, {"n": count})
            until(lambda before=before: len({*remembered(listener)}) > before, 10)  # type: ignore[misc]
        # The door now remembers more than this run began with; so does a publisher that connects again.
        listener.publish(REMEMBERED, listener.payloads(REMEMBERED)[-1].decode())
        until(lambda: len(listener.of(REMEMBERED)) > before)
        assert watch.lines == ()
        assert signer.withheld is None


@pytest.mark.broker
def test_what_others_publish_changes_no_memory_and_raises_no_alarm(
    broker: Mosquitto, listen: Callable[..., Listener], folders: tuple[Path, Path]
) -> None:
    folder, data = folders
    listener = listen(broker, "edgeface/#")
    with (
        door(settings(broker.port, data, key_of(folder))),
        device(folder, broker.port) as (watch, signer),
    ):
        until(lambda: remembered(listener))
        newest = remembered(listener)[-1]
        genuine = listener.of(TOLD)[-1].payload
        forged = {"kid": "first", "device": "cam", "gallery": 2**50, "journal": 2**50, "mark": MARK}
        many = [forged] * 300
        for topic, payload in (
            (TOLD, told(2**50, 2**50, kid="first")),
            (TOLD, genuine.replace(b"gallery", b"gallerx")),
            (TOLD, b"\xff" * 100),
            (TOLD, b"x" * 100_000),
            (REMEMBERED, json.dumps({"v": 1, "devices": [forged]}).encode()),
            (REMEMBERED, json.dumps({"v": 1, "devices": many}).encode()),
            (REMEMBERED, json.dumps({"v": 1, "devices": [7, None, {"device": "cam"}]}).encode()),
            (REMEMBERED, b"[" * 30_000),
            # Half of a surrogate pair, which JSON can carry and no text can encode.
            (REMEMBERED, b'{"devices":[{"device":"cam","gallery":"\\ud800","journal":"\\ud800","mark":"\\ud800"}]}'),
            ("edgeface/cam/state", b'{"generation":{"gallery":"\\ud800","journal":1,"mark":"0"}}'),
        ):
            listener.publish(topic, payload.decode("latin-1") if payload.isascii() else "\x00", retain=True)
        listener.publish(TOLD, genuine.decode(), retain=True)
        # The door has read all of it once it answers a device that is older, which costs nothing else.
        key = signing_keys.active(signing_keys.read(folder), open_vault(folder))
        assert key is not None
        count = len(listener.of(REMEMBERED))
        listener.publish(TOLD, told(0, 0, key.private, key.kid).decode())
        until(lambda: len(listener.of(REMEMBERED)) > count)
        (answer,) = listener.of(REMEMBERED)[-1].json["devices"]
        assert (answer["kid"], answer["gallery"] + answer["journal"]) == (key.kid, newest)
        until(lambda: (watch.facts() or {}).get("problems") == [])
        assert (watch.lines, signer.withheld) == ((), None)


@pytest.mark.broker
def test_a_door_without_a_folder_works_and_says_that_it_forgets(
    broker: Mosquitto, listen: Callable[..., Listener], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generations, "STORE_SECONDS", 0.1)
    listener = listen(broker, "edgeface/#")
    with door(settings(broker.port, tmp_path / "none", {"k": public(KEY)})):
        until(lambda: listener.of(REMEMBERED))
        listener.publish(TOLD, told(3, 4).decode())
        until(lambda: remembered(listener) == [7])
        until(lambda: "cannot be written" in str(listener.of(REMEMBERED)[-1].json["problem"]))
        until(lambda: listener.of("edgeface/doors/front/challenge"))
        (tmp_path / "none").mkdir()
        until((tmp_path / "none" / "front.generations").exists)
        until(lambda: listener.of(REMEMBERED)[-1].json["problem"] is None)


class Broker:
    """What a memory needs of a connection."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def publish(self, _topic: object, payload: bytes) -> None:
        self.sent.append(json.loads(payload))


def memory(data: Path, *kids: str) -> GenerationMemory:
    keys = {kid: KEY.public_key().public_bytes_raw() for kid in kids or ("k",)}
    return GenerationMemory(
        settings(1, data, dict.fromkeys((kids or ("k",))[:16], public(KEY))),
        Topics(prefix="edgeface", door="front"),
        FixedClock(),
        lambda: keys,
    )


def message(payload: bytes) -> Message:
    return Message(TOLD, payload, retained=True)


def test_only_a_later_number_of_a_key_counts_and_the_number_of_keys_is_bounded(tmp_path: Path) -> None:
    kids = [f"k{number}" for number in range(MAX_KEYS + 9)]
    one = memory(tmp_path, *kids)
    for kid in kids:
        one.on_message(message(told(1, 1, kid=kid)))
    one.on_message(message(told(5, 5, kid=kids[-1])))
    one.on_message(message(told(4, 5, kid=kids[-1])))
    one.store()
    facts = memory(tmp_path, *kids)._facts()
    assert len(facts) == MAX_KEYS
    assert facts[-1] == {"kid": kids[-1], "device": "cam", "gallery": 5, "journal": 5, "mark": MARK}
    assert len(one._message()) < 32_768


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"[]",
        b"{" * 40_000,
        b'{"v":1,"newest":[{"kid":"k"}]}',
        b'{"v":1,"newest":[{"kid":"K!","device":"cam","gallery":1,"journal":1,"mark":"' + MARK.encode() + b'"}]}',
        b'{"v":1,"newest":[7]}',
        b'{"v":2,"newest":[]}',
        b'{"v":1,"newest":{}}',
    ],
)
def test_a_damaged_memory_is_named_and_starts_again(stored: bytes, tmp_path: Path) -> None:
    (tmp_path / "front.generations").write_bytes(stored)
    one = memory(tmp_path)
    assert one.problem is not None
    one.on_message(message(told(1, 1)))
    one.store()
    assert [len(memory(tmp_path)._facts()), one.problem] == [1, None]


@pytest.mark.parametrize(
    "payload",
    [
        told(1, 1, v=2),
        told(1, 1, v=True),
        told(True, 1),
        told(1, -1),
        told(1, 2**53),
        told(1, 1, device="Cam"),
        told(1, 1, device="cam\n"),
        told(1, 1, mark="0" * 31),
        told(1, 1, mark="G" * 32),
        told(1, 1, more=1),
        told(1, 1, kid="other"),
        told(1, 1, Ed25519PrivateKey.generate()),
        sign(b"[]", "k", KEY),
        sign(b'{"v":1}', "k", KEY),
        b"x" * 1001,
        b"",
    ],
)
def test_a_message_that_breaks_the_contract_is_rejected(payload: bytes) -> None:
    with pytest.raises(Reject):
        verify(payload, {"k": KEY.public_key().public_bytes_raw()})


def test_a_memory_is_written_and_published_no_more_often_than_it_may(tmp_path: Path) -> None:
    clock = FixedClock()
    one = GenerationMemory(
        settings(1, tmp_path, {"k": public(KEY)}),
        Topics(prefix="edgeface", door="front"),
        clock,
        lambda: {"k": KEY.public_key().public_bytes_raw()},
    )
    broker, path, writes = Broker(), tmp_path / "front.generations", set()
    for number in range(100):
        one.on_message(message(told(number, 1)))
        one.on_message(message(told(0, 0)))
        one.review(broker)  # type: ignore[arg-type]  # it only publishes
        writes.add(path.stat().st_ino)
        clock.sleep(0.1)
    assert len(broker.sent) == 10
    assert len(writes) == 1
    one.store()
    assert memory(tmp_path)._facts()[0]["gallery"] == 99
