"""The door's readers and its controller: what is shown is sealed and sent at once, or dropped and counted."""

from __future__ import annotations

import base64
import json
import logging
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edgeface.access.factor_messages import CardFactor, PinFactor, ReaderFactor, ShownFactor, open_factor, read_message
from edgeface.access.protocol import Nonces
from edgeface.cli import main
from edgeface.core.clock import SystemClock
from edgeface.door.controller import Controller
from edgeface.door.factors import FactorPublisher
from edgeface.door.readers.keypad import KeypadSettings
from edgeface.door.readers.service import QUEUE, ReaderService
from edgeface.door.readers.simulated import SimulatedReader
from edgeface.door.relays.log import LogRelay
from edgeface.door.settings import DoorSettings, SealSettings
from edgeface.mqtt.settings import Mqtt
from tests.door.test_controller import CHALLENGE, PUBLIC, STATE, STATUS
from tests.support.broker import Listener, until
from tests.support.threaded import threaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edgeface.demo.mosquitto import Mosquitto

FACTOR = "edgeface/doors/front/factor"
KEYS = {"porch": X25519PrivateKey.generate(), "yard": X25519PrivateKey.generate()}
SEAL = tuple(
    SealSettings(device=name, kid="k", key=base64.b64encode(key.public_key().public_bytes_raw()).decode())
    for name, key in KEYS.items()
)


_TYPED = ("918273", "564738", "736452", "827364", "04a2b3c4", "alice", "nonsense", "zz99")
"""Words that no log may have."""


class Pipe:
    """A simulated reader's other end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plug()

    def plug(self) -> None:
        os.mkfifo(self.path)
        # Open for reading too: a writer must not wait for the reader.
        self.handle = os.open(self.path, os.O_RDWR)

    def write(self, text: str) -> None:
        os.write(self.handle, text.encode())


@pytest.fixture
def pipe(tmp_path: Path) -> Pipe:
    return Pipe(tmp_path / "reader")


def settings(port: int, pipe: Pipe, **changes: Any) -> DoorSettings:
    known: dict[str, Any] = {"relay": LogRelay(), "seal": SEAL[:1], "mqtt": Mqtt(port=port), **changes}
    return DoorSettings(door="front", keys={"k": PUBLIC}, readers=(SimulatedReader(path=pipe.path),), **known)


@pytest.fixture
def door(broker: Mosquitto, listen: Callable[..., Listener], pipe: Pipe) -> Iterator[Listener]:
    """A door with a simulated reader that seals to one device."""
    listener = listen(broker, "edgeface/doors/#")
    with threaded(Controller(settings(broker.port, pipe))):
        until(lambda: listener.payloads(STATUS) == [b"online"] and listener.of(STATE))
        yield listener


def opened(message: bytes, device: str = "porch") -> ShownFactor | None:
    sealed = read_message(message)
    assert sealed is not None
    assert (sealed.device, sealed.kid) == (device, "k")
    return open_factor(sealed, "front", KEYS[device].private_bytes_raw())


def state(listener: Listener) -> dict[str, Any]:
    return dict(listener.of(STATE)[-1].json)


@pytest.mark.broker
def test_what_is_shown_reaches_the_device_sealed_and_bound_to_the_newest_nonce(door: Listener, pipe: Pipe) -> None:
    nonces = Nonces()
    for number, (text, factor) in enumerate(
        [
            ("1042#4711#\n", PinFactor("1042", "4711")),
            ("card 04a2b3c4\n", CardFactor("04a2b3c4")),
            ("person alice\n", ReaderFactor("alice")),
        ],
        1,
    ):
        pipe.write(text)
        until(lambda number=number: len(door.of(FACTOR)) == number)  # type: ignore[misc]  # the default binds it
        heard = door.of(FACTOR)[-1]
        for challenge in door.of(CHALLENGE):
            nonces.on_message(challenge.payload, 10.0)
        assert opened(heard.payload) == factor
        assert not heard.retained
        assert nonces.take_for_factor(heard.json["nonce"], 10.1)
        assert heard.json["nonce"] == door.of(CHALLENGE)[-1].json["nonce"]
        time.sleep(0.3)
    assert not any(word in heard.payload for heard in door.of(FACTOR) for word in (b"1042", b"4711", b"04a2", b"alice"))
    until(lambda: state(door)["factors"] == {"published": 3, "offline": 0, "dropped": 0, "unreadable": 0})
    assert state(door)["readers"] == [{"type": "simulated", "problem": None}]


@pytest.mark.broker
def test_each_device_gets_a_message_of_its_own(broker: Mosquitto, listen: Callable[..., Listener], pipe: Pipe) -> None:
    listener = listen(broker, "edgeface/doors/#")
    with threaded(Controller(settings(broker.port, pipe, seal=SEAL))):
        until(lambda: listener.payloads(STATUS) == [b"online"])
        pipe.write("card 04a2b3c4\n")
        until(lambda: len(listener.of(FACTOR)) == 2)
    first, second = (heard.payload for heard in listener.of(FACTOR))
    assert opened(first) == opened(second, "yard") == CardFactor("04a2b3c4")
    assert json.loads(first)["nonce"] == json.loads(second)["nonce"]


@pytest.mark.broker
def test_what_is_shown_without_a_broker_is_dropped_and_never_sent(
    door: Listener, pipe: Pipe, broker: Mosquitto
) -> None:
    broker.kill()
    time.sleep(0.5)
    pipe.write("1042#4711#\ncard 04a2b3c4\n")
    time.sleep(1.2)
    broker.start()
    until(lambda: door.payloads(STATUS).count(b"online") >= 2, 15)
    until(lambda: state(door)["factors"]["offline"] == 2, 5)
    time.sleep(0.5)
    assert door.of(FACTOR) == []
    pipe.write("card 04a2b3c5\n")
    until(lambda: len(door.of(FACTOR)) == 1)
    assert opened(door.of(FACTOR)[0].payload) == CardFactor("04a2b3c5")


@pytest.mark.broker
def test_a_reader_that_is_pulled_out_is_a_problem_within_two_seconds_and_comes_back(
    broker: Mosquitto, listen: Callable[..., Listener], pipe: Pipe
) -> None:
    pipe.path.rename(pipe.path.with_name("away"))
    listener = listen(broker, "edgeface/doors/#")
    with threaded(Controller(settings(broker.port, pipe))):
        until(lambda: bool(listener.of(STATE)) and state(listener)["problem"] is not None, 2)
        assert state(listener)["problem"] == "reader 1 (simulated): No such file or directory"
        pipe.path.with_name("away").rename(pipe.path)
        until(lambda: state(listener)["problem"] is None, 2)
        pipe.write("card 04a2b3c4\n")
        until(lambda: len(listener.of(FACTOR)) == 1)


@pytest.mark.broker
def test_nothing_that_is_typed_is_in_the_log(door: Listener, pipe: Pipe, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    # Long enough to be in no port, time or nonce by chance.
    pipe.write("9182736450#564738291056#\n7364528190#827364\ncard 04a2b3c4d5e6\nperson alice\nnonsense99\ncard zz99\n")
    until(lambda: state(door)["factors"]["unreadable"] == 2)
    assert not [word for word in _TYPED if word in caplog.text]


class Broken(SimulatedReader):
    """A reader whose library fails in its own way."""

    def open(self, clock: object) -> Any:
        raise RuntimeError(f"secret 4711 {clock}")


def service(*readers: SimulatedReader) -> ReaderService:
    return ReaderService(readers, KeypadSettings(), SystemClock(), lambda: None)


def test_any_error_of_a_reader_leaves_the_others_working_and_its_text_out(
    pipe: Pipe, caplog: pytest.LogCaptureFixture
) -> None:
    readers = service(Broken(path=pipe.path), SimulatedReader(path=pipe.path))
    readers.start()
    until(lambda: readers.problem == "reader 1 (simulated): failed (RuntimeError)")
    pipe.write("card 04a2b3c4\n")
    until(lambda: readers._queue.qsize() == 1)
    assert [shown.factor for shown in readers.take()] == [CardFactor("04a2b3c4")]
    readers.stop()
    assert "4711" not in caplog.text


def test_a_flood_is_bounded_and_counted(pipe: Pipe) -> None:
    readers = service(SimulatedReader(path=pipe.path))
    readers.start()
    pipe.write("card 04a2b3c4\n" * 100)
    until(lambda: readers.counts["dropped"] == 100 - QUEUE)
    assert len(readers.take()) == QUEUE
    assert readers.take() == []
    readers.stop()


def test_a_flood_takes_no_more_than_four_nonces_a_second(pipe: Pipe) -> None:
    factors = FactorPublisher(settings(1, pipe), SystemClock(), lambda: None)
    for _ in range(QUEUE):
        factors.readers.put(CardFactor("04a2b3c4"))
    assert len(list(factors.messages(lambda: "n" * 24))) == 1
    assert factors.facts() == {"published": 1, "offline": 0, "dropped": QUEUE - 1, "unreadable": 0}


def test_what_is_dropped_is_counted_and_gone(pipe: Pipe) -> None:
    factors = FactorPublisher(settings(1, pipe), SystemClock(), lambda: None)
    factors.readers.put(CardFactor("04a2b3c4"))
    factors.drop()
    assert list(factors.messages(lambda: "n" * 24)) == []
    assert factors.facts()["offline"] == 1


def test_a_factor_that_waited_too_long_is_dropped(pipe: Pipe) -> None:
    class Later(SystemClock):
        offset = 0.0

        def monotonic(self) -> float:  # the machine's clock, and a step
            return time.monotonic() + self.offset

    clock = Later()
    factors = FactorPublisher(settings(1, pipe), clock, lambda: None)
    factors.readers.put(CardFactor("04a2b3c4"))
    clock.offset = 1.1
    assert list(factors.messages(lambda: "n" * 24)) == []
    assert factors.facts()["offline"] == 1


def test_a_missing_library_ends_the_controller_with_78_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "adafruit_pn532.uart", None)
    seal = f"{{device: porch, kid: k, key: {SEAL[0].key}}}"
    config = tmp_path / "door.yaml"
    config.write_text(
        f"door: front\nkeys: {{k: {PUBLIC}}}\nrelay: {{type: log}}\nseal: [{seal}]\n"
        "readers: [{type: pn532, device: /dev/serial0}]\n"
    )
    assert main.main(["door", "--config", str(config)]) == 78
    assert capsys.readouterr().err.count("\n") == 1
