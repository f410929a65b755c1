from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edgeface.access.protocol import read_result
from edgeface.core import yaml_reader
from edgeface.core.clock import SystemClock
from edgeface.core.errors import ConfigError
from edgeface.demo.mosquitto import free_port
from edgeface.door import settings as door_settings
from edgeface.door.controller import Controller
from edgeface.door.inputs.gpio import GpioButton, GpioContact
from edgeface.door.readers.keyboard import KeyboardReader
from edgeface.door.readers.keypad import KeypadSettings
from edgeface.door.readers.pn532 import Pn532Reader
from edgeface.door.readers.wiegand import WiegandReader
from edgeface.door.relay import Relay, in_this_process
from edgeface.door.relays.gpio import GpioRelay
from edgeface.door.relays.log import LogRelay
from edgeface.door.settings import DoorSettings, MinimumSettings, SealSettings
from edgeface.door.turn_lamps import GpioTurnLamps
from edgeface.door.verifier import FACTORS, Minimum
from edgeface.mqtt.settings import Mqtt, Tls
from tests.support.broker import Listener, until
from tests.support.slack import Slack
from tests.support.threaded import threaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gpiozero.pins.mock import MockFactory, MockPin
    from pydantic import BaseModel

    from edgeface.demo.mosquitto import Mosquitto

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "door.yaml"
KEY = Ed25519PrivateKey.generate()
PUBLIC = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()
SEALING = base64.b64encode(X25519PrivateKey.generate().public_key().public_bytes_raw()).decode()
ZEROS = base64.b64encode(bytes(32)).decode()
SEAL = f"{{device: porch, kid: k, key: {SEALING}}}"
PIN, OPEN = 17, 0.4
CHALLENGE, GRANT, RESULT, STATUS, STATE = (
    f"edgeface/doors/front/{name}" for name in ("challenge", "grant", "result", "status", "state")
)


def signed(nonce: str, seq: int, **changes: Any) -> str:
    """An envelope as a device makes it."""
    payload = json.dumps({
        "v": 1, "aud": "front", "device": "porch", "boot": "b0", "seq": seq, "nonce": nonce, "person": "alice",
        "score": 7120, "level": "high", "age_ms": 140, "frames": 4, "liveness": "off", **changes,
    })  # fmt: skip
    sig = base64.b64encode(KEY.sign(payload.encode())).decode()
    return json.dumps({"payload": payload, "kid": "2026-11", "alg": "ed25519", "sig": sig})


class SigningDevice:
    """A device that receives a door's challenges and signs grants."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.seq = 0
        self.given: str | None = None

    def nonce(self) -> str:
        """The newest nonce that was not returned before."""
        until(lambda: self.latest() not in {None, self.given})
        self.given = self.latest()
        return str(self.given)

    def latest(self) -> str | None:
        return next((str(heard.json["nonce"]) for heard in reversed(self.listener.of(CHALLENGE))), None)

    def fresh(self, **changes: Any) -> str:
        self.seq += 1
        return signed(self.nonce(), self.seq, **changes)

    def unfit(self, **changes: Any) -> str:
        """Like `fresh`, for grants that are rejected and so do not use up the nonce."""
        return signed(str(self.latest()), 1000, **changes)

    def ask(self, envelope: str, *, retain: bool = False) -> dict[str, Any]:
        """Publish the envelope; returns the door's result."""
        count = len(self.listener.of(RESULT))
        self.listener.publish(GRANT, envelope, retain=retain)
        until(lambda: len(self.listener.of(RESULT)) > count)
        return self.listener.of(RESULT)[-1].json


def settings(port: int, **changes: Any) -> DoorSettings:
    known: dict[str, Any] = {"relay": GpioRelay(pin=PIN, seconds=OPEN), "mqtt": Mqtt(port=port), **changes}
    return DoorSettings(door="front", keys={"2026-11": PUBLIC}, **known)


@pytest.fixture
def pin(pins: MockFactory) -> MockPin:
    """The pin of the relay, on gpiozero's own mock hardware."""
    return pins.pin(PIN)


@contextmanager
def guarded(wanted: DoorSettings) -> Iterator[Controller]:
    controller = Controller(wanted, relay=in_this_process)
    with threaded(controller):
        yield controller


@pytest.fixture
def front(broker: Mosquitto, listen: Callable[..., Listener], pin: MockPin) -> Iterator[SigningDevice]:
    """A door with a relay at the pin, and a device."""
    listener = listen(broker, "edgeface/doors/#")
    with guarded(settings(broker.port)):
        until(lambda: listener.payloads(STATUS) == [b"online"])
        yield SigningDevice(listener)
    assert not pin.state


def opened_for(pin: MockPin) -> float:
    """Seconds that the relay was on, of a pin that has been on once and is off again."""
    (_, on, off) = pin.states
    assert (on.state, off.state) == (True, False)
    return float(off.timestamp)  # gpiozero's are the seconds since the state before


@pytest.mark.broker
def test_a_fresh_grant_opens_and_time_shuts(front: SigningDevice, pin: MockPin) -> None:
    assert not pin.state
    with Slack() as slack:
        answer = front.ask(front.fresh())
        until(lambda: len(pin.states) == 3, 2)
    assert OPEN - 0.1 < opened_for(pin) < OPEN + 0.3 + slack.late
    assert read_result(front.listener.of(RESULT)[0].payload, "front") == (True, None, "porch", "b0", 1)
    assert answer["accepted"] is True
    assert answer["reason"] is None
    assert (answer["v"], answer["door"], answer["device"]) == (1, "front", "porch")
    assert (answer["grant_boot"], answer["grant_seq"]) == ("b0", 1)
    until(lambda: [heard.json["open"] for heard in front.listener.of(STATE)][-3:] == [False, True, False])
    assert front.listener.of(STATE)[-1].json["accepted"] == 1


@pytest.mark.broker
def test_a_further_grant_extends_and_no_more(broker: Mosquitto, listen: Callable[..., Listener], pin: MockPin) -> None:
    seconds = 1.5
    device = SigningDevice(listen(broker, "edgeface/doors/#"))
    with guarded(settings(broker.port, relay=GpioRelay(pin=PIN, seconds=seconds))), Slack() as slack:
        nonces = [device.nonce(), device.nonce()]
        device.ask(signed(nonces[0], 1))
        time.sleep(0.3)
        sent = time.monotonic()
        assert device.ask(signed(nonces[1], 2))["accepted"]
        late = time.monotonic() - sent
        until(lambda: not pin.state, 4)
    # Longer than one grant, and no longer than the second: it shuts once.
    assert seconds + 0.2 < opened_for(pin) < seconds + 0.3 + late + 0.3 + slack.late


@pytest.mark.broker
def test_nothing_but_a_fresh_grant_for_this_door_opens_it(front: SigningDevice, pin: MockPin) -> None:
    good = front.fresh()
    assert front.ask(good)["accepted"]
    until(lambda: not pin.state and len(pin.states) > 2, 2)
    switched = len(pin.states)
    old, began = front.nonce(), time.monotonic()
    asked = {
        "replayed": front.ask(good),
        "retained": front.ask(front.unfit(), retain=True),
        "audience": front.ask(front.unfit(aud="back")),
        "nonce": front.ask(signed("n" * 24, 98)),
        "malformed": front.ask("open sesame"),
        "policy": front.ask(front.unfit(level="low")),
        "signature": front.ask(front.unfit().replace("alice", "bobby")),
        "unknown_key": front.ask(front.unfit().replace("2026-11", "2026-12")),
    }
    time.sleep(max(0.0, began + 3.0 - time.monotonic()))
    asked["stale"] = front.ask(signed(old, 99))
    assert {reason: answer["reason"] for reason, answer in asked.items()} == {reason: reason for reason in asked}
    assert not any(answer["accepted"] for answer in asked.values())
    assert all(read_result(heard.payload, "front") for heard in front.listener.of(RESULT))
    assert asked["signature"]["device"] is None
    assert asked["audience"]["grant_seq"] is not None
    assert len(pin.states) == switched
    until(lambda: front.listener.of(STATE)[-1].json["rejected"] == dict.fromkeys(asked, 1))
    assert front.listener.of(STATE)[-1].json["last_reason"] == "stale"


@pytest.mark.usefixtures("pin")
@pytest.mark.broker
def test_a_grant_that_a_broker_keeps_is_not_even_delivered(broker: Mosquitto, listen: Callable[..., Listener]) -> None:
    listener = listen(broker, "edgeface/doors/#")
    listener.publish(GRANT, signed("n" * 24, 1), retain=True)
    with guarded(settings(broker.port)):
        device = SigningDevice(listener)
        assert device.ask(device.fresh())["accepted"]
    assert len(listener.of(RESULT)) == 1


@pytest.mark.broker
def test_a_broker_that_dies_leaves_the_door_shut_and_comes_back(
    front: SigningDevice, pin: MockPin, broker: Mosquitto
) -> None:
    front.listener.publish(GRANT, front.fresh())
    until(lambda: pin.state, 1)
    broker.kill()
    until(lambda: not pin.state, 2)
    broker.start()
    until(lambda: front.listener.payloads(STATUS).count(b"online") >= 2, 15)
    assert front.ask(front.fresh())["accepted"]


@pytest.mark.broker
@pytest.mark.slow(seconds=6)
def test_what_a_stalled_broker_held_back_opens_nothing(front: SigningDevice, pin: MockPin, broker: Mosquitto) -> None:
    envelope = front.fresh()
    switched = len(pin.states)
    broker.pause()
    sent = front.listener.client.publish(GRANT, envelope, qos=1)
    time.sleep(12 if os.environ.get("EDGEFACE_HEAVY") else 4.5)
    broker.resume()
    sent.wait_for_publish(30)
    until(lambda: front.listener.payloads(STATUS).count(b"online") == 2, 15)
    until(lambda: [heard.json["reason"] for heard in front.listener.of(RESULT)] == ["stale"])
    # Challenges from before the stall arrived late, too.
    front.given = front.latest()
    assert front.ask(front.fresh())["accepted"]
    until(lambda: len(pin.states) == switched + 2, 4)
    assert not pin.state


@pytest.mark.broker
def test_a_grant_opens_at_once(front: SigningDevice, pin: MockPin) -> None:
    spent = []
    with Slack() as slack:
        for _ in range(3):
            until(lambda: not pin.state)
            envelope, count = front.fresh(), len(pin.states)
            began = time.monotonic()
            front.listener.client.publish(GRANT, envelope, qos=1)
            until(lambda: len(pin.states) > count, 2)  # noqa: B023 - called at once
            spent.append(time.monotonic() - began)
    # A few milliseconds on a quiet machine.
    assert min(spent) < 0.1 + slack.late, spent


@pytest.mark.broker
def test_a_network_thread_that_hangs_leaves_the_relay_to_its_time(
    broker: Mosquitto, listen: Callable[..., Listener], pin: MockPin
) -> None:
    listener = listen(broker, "edgeface/doors/#")
    release = threading.Event()
    controller = Controller(settings(broker.port), relay=in_this_process)
    publish_result = controller._publish_result

    def hang(*arguments: Any) -> None:
        release.wait(5)
        publish_result(*arguments)

    controller._publish_result = hang  # type: ignore[assignment]
    thread = threading.Thread(target=controller.run)
    thread.start()
    listener.publish(GRANT, SigningDevice(listener).fresh())
    until(lambda: pin.state, 2)
    until(lambda: not pin.state, 2)
    assert not release.is_set()
    controller.stop()
    release.set()
    thread.join(5)
    assert not thread.is_alive()


@pytest.mark.usefixtures("pin")
def test_the_watchdog_is_fed_without_a_broker_while_the_relay_keeps_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "200000")
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
        with guarded(settings(free_port())) as controller:
            assert manager.recv(4096) == b"READY=1"
            assert manager.recv(4096).startswith(b"WATCHDOG=1\nSTATUS=")
            assert b"cannot be reached" in manager.recv(4096)
            controller.relay.close()
            until(lambda: not controller.relay.healthy)


class Board:
    """A switch whose hardware fails."""

    def __init__(self, failing: str) -> None:
        self.calls: list[str] = []
        self.failing = failing

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name == self.failing:
            raise OSError("the board does not answer")

    def on(self) -> None:
        self._call("on")

    def off(self) -> None:
        self._call("off")

    def close(self) -> None:
        self._call("close")


@pytest.mark.parametrize("failing", ["on", "off"])
def test_a_relay_that_fails_is_switched_off_and_ends_the_controller(failing: str) -> None:
    board = Board(failing)

    class Failing(LogRelay):
        def switch(self) -> Board:
            return board

    controller = Controller(settings(1, relay=LogRelay()))
    controller.relay.close()
    controller.relay = Relay(Failing(seconds=0.2), SystemClock(), lambda: None)
    controller.relay.open(time.monotonic())
    until(lambda: not controller.relay.healthy)
    assert board.calls[-2:] == ["off", "close"]
    assert controller.run() == 70


@pytest.mark.parametrize("active_high", [True, False])
def test_the_relay_is_off_from_the_first_moment_on_either_board(pin: MockPin, active_high: bool) -> None:  # noqa: FBT001 - pytest names it
    relay = Relay(GpioRelay(pin=PIN, active_high=active_high, seconds=5), SystemClock(), lambda: None)
    assert bool(pin.state) is not active_high
    relay.open(time.monotonic())
    until(lambda: relay.is_open, 1)
    assert bool(pin.state) is active_high
    relay.close()
    assert bool(pin.states[-1].state) is not active_high
    relay.open(time.monotonic())
    assert not relay.is_open


@pytest.mark.usefixtures("pin")
def test_a_pin_that_is_taken_is_a_config_error() -> None:
    relay = Relay(GpioRelay(pin=PIN), SystemClock(), lambda: None)
    with pytest.raises(ConfigError, match="GPIO17 cannot be used"):
        GpioRelay(pin=PIN).switch()
    relay.close()


def write(folder: Path, port: int, relay: str = "{type: log, seconds: 0.5}", name: str = "door.yaml") -> Path:
    path = folder / name
    path.write_text(f"door: front\nkeys: {{2026-11: {PUBLIC}}}\nrelay: {relay}\nmqtt: {{port: {port}}}\n")
    return path


@contextmanager
def process(config: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "edgeface.cli", "door", "--config", str(config)]
    environment = {**os.environ, "GPIOZERO_PIN_FACTORY": "mock"}
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
    try:
        yield child
    finally:
        child.send_signal(signal.SIGCONT)
        child.kill()
        child.communicate()


@pytest.mark.broker
def test_a_killed_controller_knows_no_old_nonce_and_sigterm_ends_in_order(
    broker: Mosquitto, listen: Callable[..., Listener], tmp_path: Path
) -> None:
    listener = listen(broker, "edgeface/doors/#")
    device, config = SigningDevice(listener), write(tmp_path, broker.port, "{type: gpio, pin: 17, seconds: 30}")
    with process(config) as child:
        old = device.fresh()
        child.send_signal(signal.SIGKILL)
        child.wait(60)
    until(lambda: listener.payloads(STATUS)[-1:] == [b"offline"], 15)
    with process(config) as child:
        device.nonce()
        assert device.ask(old)["reason"] == "nonce"
        assert device.ask(device.fresh())["accepted"]
        until(lambda: listener.of(STATE)[-1].json["open"], 2)
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
        until(lambda: not listener.of(STATE)[-1].json["open"] and listener.payloads(STATUS)[-1] == b"offline")


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        door_settings.parse(text.encode(), "door.yaml")
    return str(caught.value).splitlines()


def test_every_mistake_of_door_yaml_is_listed_with_its_line() -> None:
    zeros = base64.b64encode(bytes(32)).decode()
    text = f"""\
door: Front Door
keys:
  2026-11: AAAA
  2026-12: "*"
  2027-01: {zeros}
relay: {{type: gpio, pin: 40, second: 3}}
minimum: {{level: highest}}
"""
    assert mistakes(text) == [
        "door.yaml:1: door: not an id: small letters, digits, - and _, at most 64, a letter or digit first",
        "door.yaml:3: keys.2026-11: a public key has 32 bytes, not 3",
        "door.yaml:4: keys.2026-12: not base64; `edgeface keys show` prints the key as it belongs here",
        "door.yaml:5: keys.2027-01: not a public key: it fits forged signatures",
        "door.yaml:6: relay.pin: should be from 0 to 27",
        "door.yaml:6: relay.second: unknown key (did you mean seconds?)",
        "door.yaml:7: minimum.level: should be 'low', 'normal' or 'high'",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("relay: {type: bolt}", "door.yaml:3: relay: unknown type; known are gpio, mqtt, http, command, log"),
        ("relay: {seconds: 3}", "door.yaml:3: relay: needs a type: one of command, gpio, http, log, mqtt"),
        ("relay: {type: log}\nmqtt: {host: broker.lan}", "plaintext to broker.lan"),
        ("relay: {type: log}\nmqtt: {discovery: true}", "belongs in config.yaml"),
        ("relay: {type: log}\nreaders: [{type: retina}]", "readers.0: unknown type; known are keyboard, wiegand"),
        ("relay: {type: log}\nreaders: [{type: wiegand, data0: 4, data1: 4}]", "data0 and data1 are two pins"),
        ("relay: {type: log}\nreaders: [{type: simulated, path: a}]", "readers need seal"),
        ("relay: {type: log}\nseal: [{device: a, kid: k, key: AAAA}]", "seal.0.key: not a sealing key"),
        (f"relay: {{type: log}}\nseal: [{{device: a, kid: k, key: {ZEROS}}}]", "seal.0.key: not a sealing key"),
        (f"relay: {{type: log}}\nseal: [{SEAL}, {SEAL}]", "one key per device"),
        (f"relay: {{type: log}}\nseal: [{', '.join(SEAL.replace('porch', f'd{n}') for n in range(5))}]", "at most 4"),
        (
            f"relay: {{type: gpio, pin: 4}}\nseal: [{SEAL}]\nreaders: [{{type: simulated, path: a}}]",
            "type: simulated is for trials",
        ),
        (
            f"relay: {{type: gpio, pin: 4}}\nseal: [{SEAL}]\nreaders: [{{type: wiegand, data0: 4, data1: 5}}]",
            "a pin is used twice",
        ),
        ("relay: {type: log}\nowner: {o: PUBLIC}", "either keys, the public keys of the devices, or owner"),
        ("relay: {type: log}\nseal: [{device: a}]", "seal: a device needs kid and key"),
        (f"relay: {{type: log}}\nowner: {{o: {ZEROS}}}", "owner.o: not a public key: it fits forged signatures"),
        (
            "relay: {type: gpio, pin: 4}\ncontact: {type: gpio, pin: 5}\nexit_button: {type: gpio, pin: 5}",
            "relay, turn_lamps, readers and inputs: a pin is used twice",
        ),
        ("relay: {type: gpio, pin: 5}\ndoorbell: {type: gpio, pin: 5}", "a pin is used twice"),
        ("relay: {type: gpio, pin: 4}\nexit_button: {type: simulated, path: a}", "simulated is for trials"),
        ("relay: {type: gpio, pin: 4}\ncontact: {type: simulated, path: a}", "simulated is for trials"),
        (
            "relay: {type: log}\nexit_button: {type: mqtt, topic: a, pressed: b}",
            "exit_button: unknown type; known are gpio, simulated",
        ),
        ("relay: {type: log}\ncontact: {type: mqtt, topic: 'a/#', open: 1, shut: 0}", "contact.topic"),
        ("relay: {type: log}\ncontact: {type: mqtt, topic: a, open: 1}", "contact.shut: missing"),
        ("relay: {type: log}\ncontact: {type: mqtt, topic: a, open: 1, shut: '1'}", "open and shut are two values"),
        ("relay: {type: log}\ncontact: {type: gpio, pin: 4, held_seconds: 0}", "contact.held_seconds"),
        ("relay: {type: log}\nkeypad: {mode: word}", "should be 'pin' or 'code'"),
        ("relay: {type: log}\nminimum: {factor: [face]}", "minimum.factor"),
        ("relay: {type: log}\nminimum: {factor: []}", "minimum.factor"),
        (
            "relay: {type: log}\nminimum: {challenge_or_factor: [pin]}",
            "minimum: challenge_or_factor replaces a challenge that liveness_kind does not require",
        ),
        (
            "relay: {type: log}\nminimum: {liveness_kind: passive, challenge_or_factor: any}",
            "minimum: challenge_or_factor replaces a challenge that liveness_kind does not require",
        ),
        ("relay: {type: log}\nminimum: {liveness_kind: both, challenge_or_factor: [face]}", "challenge_or_factor.0"),
        ("relay: {type: log}\nturn_lamps: {device: a}", "turn_lamps: needs a type: one of gpio, log"),
        ("relay: {type: log}\nturn_lamps: {type: log, device: a}", "turn_lamps.camera: missing"),
        (
            "relay: {type: log}\nturn_lamps: {type: gpio, device: a, camera: b, left: 4, rigth: 5}",
            "turn_lamps.rigth: unknown key (did you mean right?)",
        ),
        ("relay: {type: log}\nturn_lamps: {type: gpio, device: a, camera: b, left: 4, right: 4}", "used twice"),
        (
            "relay: {type: gpio, pin: 5}\nturn_lamps: {type: gpio, device: a, camera: b, left: 4, right: 5}",
            "relay, turn_lamps, readers and inputs: a pin is used twice",
        ),
        (
            (
                f"relay: {{type: log}}\nseal: [{SEAL}]\nreaders: [{{type: wiegand, data0: 4, data1: 5}}]\n"
                "turn_lamps: {type: gpio, device: a, camera: b, left: 6, right: 5}"
            ),
            "a pin is used twice",
        ),
    ],
)
def test_mistakes_are_reported(text: str, expected: str) -> None:
    assert any(
        expected in line for line in mistakes(f"door: a\nkeys: {{k: {PUBLIC}}}\n{text.replace('PUBLIC', PUBLIC)}\n")
    )


def test_mistakes_about_the_owner_are_reported() -> None:
    start = f"door: a\nowner: {{o: {PUBLIC}}}\nrelay: {{type: log}}\n"
    assert door_settings.parse(start.encode(), "door.yaml").rules().keys == {}
    assert "only the device: the owner's list has its key" in mistakes(f"{start}seal: [{SEAL}]\n")[0]
    assert "either keys" in mistakes("door: a\nrelay: {type: log}\n")[0]
    three = "".join(f"  o{number}: {PUBLIC}\n" for number in range(3))
    assert "at most 2" in mistakes(f"door: a\nowner:\n{three}relay: {{type: log}}\n")[0]


def test_the_factors_that_may_replace_a_challenge_reach_the_verifier() -> None:
    def minimum(text: str) -> Minimum:
        given = f"door: a\nkeys: {{k: {PUBLIC}}}\nrelay: {{type: log}}\nminimum: {text}\n"
        return door_settings.parse(given.encode(), "door.yaml").rules().minimum

    assert minimum("{factor: [card]}").challenge_or_factor == ()
    listed = minimum("{liveness_kind: challenge, challenge_or_factor: [pin, pass]}")
    assert (listed.liveness_kind, listed.challenge_or_factor, listed.factor) == ("challenge", ("pin", "pass"), ())
    assert minimum("{liveness_kind: both, challenge_or_factor: any}").challenge_or_factor == FACTORS


def test_an_empty_door_yaml_names_the_reference() -> None:
    assert "docs/door.yaml" in mistakes("")[0]
    assert "door.yaml:2: keys: should not be empty" in mistakes("door: a\nkeys: {}\nrelay: {type: log}\n")


def test_a_wrong_door_yaml_ends_with_78_and_its_line(tmp_path: Path) -> None:
    config = write(tmp_path, 1, "{type: gpio}")
    command = [sys.executable, "-m", "edgeface.cli", "door", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)
    assert done.returncode == 78
    assert done.stderr == f"{config}:3: relay.pin: missing\n"


def uncommented() -> str:
    """The reference with every commented key active, except two of the three passwords."""
    lines = [re.sub(r"^(\s*)#(?! \S)", r"\1", line) for line in REFERENCE.read_text().splitlines()]
    return "\n".join(line for line in lines if "password_env:" not in line and "password_credential:" not in line)


def one_source(text: str, *, owner: bool) -> str:
    """The reference with the owner alone, or with the keys alone: they exclude each other."""
    loaded = yaml_reader.read(text.encode()).value
    del loaded["keys" if owner else "owner"]
    if owner:
        loaded["seal"] = [{"device": one["device"]} for one in loaded["seal"]]
    return json.dumps(loaded)


@pytest.mark.parametrize("owner", [False, True])
def test_the_reference_is_right_as_it_is_and_with_every_key(owner: bool) -> None:  # noqa: FBT001 - pytest names it
    assert door_settings.load(REFERENCE).door == "front-door"
    parsed = door_settings.parse(one_source(uncommented(), owner=owner).encode(), "door.yaml")
    assert (parsed.owner is None, parsed.keys is None) == (not owner, owner)


MODELS: dict[str, type[BaseModel]] = {
    "": DoorSettings, "minimum": MinimumSettings, "relay": GpioRelay, "mqtt": Mqtt, "mqtt.tls": Tls,
    "readers.0": KeyboardReader, "readers.1": WiegandReader, "readers.2": Pn532Reader,
    "keypad": KeypadSettings, "seal.0": SealSettings, "turn_lamps": GpioTurnLamps,
    "contact": GpioContact, "doorbell": GpioButton, "exit_button": GpioButton,
}  # fmt: skip


@pytest.mark.parametrize("path", MODELS)
def test_the_reference_names_every_key_with_the_default_that_the_code_has(path: str) -> None:
    given = yaml_reader.read(uncommented().encode()).value
    for step in filter(None, path.split(".")):
        given = given[int(step) if step.isdigit() else step]
    elsewhere = {"password_env", "password_credential", "discovery", "discovery_prefix"} | (
        {"people"} if path == "mqtt" else set()
    )
    model = MODELS[path]
    assert set(given) == set(model.model_fields) - elsewhere
    defaults = model.model_construct().model_dump(mode="json", warnings=False)
    for key, value in given.items():
        if defaults.get(key) is not None and not isinstance(defaults[key], dict | list):
            assert value == defaults[key], f"{key}: the reference has another default than the code"


def test_the_unit_is_hardened() -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    unit = ROOT / "systemd" / "edgeface-door.service"
    command = [analyze, "security", "--offline=true", "--threshold=20", "--no-pager", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


def test_a_signal_that_comes_while_the_main_thread_holds_its_locks_does_not_hang() -> None:
    public = base64.b64encode(Ed25519PrivateKey.generate().public_key().public_bytes_raw()).decode()
    script = f"""
import signal
from edgeface.door import settings as door_settings
from edgeface.door.controller import Controller
text = "door: front\\nkeys: {{k: '{public}'}}\\nrelay: {{type: log}}\\n"
controller = Controller(door_settings.parse(text.encode(), "door.yaml"))
signal.signal(signal.SIGTERM, lambda *_: controller.stop())
with controller.relay._switch._wake._cond:
    signal.raise_signal(signal.SIGTERM)
raise SystemExit(controller.run())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
