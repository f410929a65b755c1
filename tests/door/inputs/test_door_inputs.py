"""The inputs of a door with a real controller, a real broker and gpiozero's own mock pins."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from edgeface.core.clock import SystemClock
from edgeface.core.errors import ConfigError
from edgeface.demo.mosquitto import free_port
from edgeface.door.controller import Controller
from edgeface.door.inputs import buttons
from edgeface.door.inputs.buttons import RING_PAUSE
from edgeface.door.inputs.contact import BOUNCE_SECONDS
from edgeface.door.inputs.gpio import GpioButton, GpioContact
from edgeface.door.inputs.mqtt import MqttButton, MqttContact
from edgeface.door.inputs.service import DoorInputs
from edgeface.door.inputs.simulated import SimulatedContact
from edgeface.door.relays.base import RelayReport
from edgeface.door.relays.process import BEAT_TIMEOUT
from edgeface.door.relays.supervisor import RelayProcess
from tests.door.test_controller import GRANT, STATE, STATUS, SigningDevice, guarded, process, settings, write
from tests.door.test_relay_process import Lock
from tests.support.broker import until
from tests.support.threaded import threaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gpiozero.pins.mock import MockFactory, MockPin

    from edgeface.demo.mosquitto import Mosquitto
    from edgeface.door.settings import DoorSettings
    from tests.support.broker import Listener

EVENT = "edgeface/doors/front/event"
SENSOR, BUTTON = "sensors/contact", "sensors/button"
CONTACT, BELL, EXIT = GpioContact(pin=5, held_seconds=1.0, grace_seconds=0.5), GpioButton(pin=6), GpioButton(pin=13)


@pytest.fixture
def lock(tmp_path: Path) -> Lock:
    return Lock(tmp_path)


@pytest.fixture
def exit_pin(pins: MockFactory) -> MockPin:
    """The pin of the exit button, on gpiozero's own mock hardware; the Pi's resistor pulls it up."""
    return pins.pin(13)


def wired(port: int, **changes: Any) -> DoorSettings:
    return settings(port, **{"contact": CONTACT, "doorbell": BELL, "exit_button": EXIT, **changes})


@contextmanager
def online(listener: Listener, wanted: DoorSettings) -> Iterator[Controller]:
    with guarded(wanted) as controller:
        until(lambda: listener.payloads(STATUS)[-1:] == [b"online"], 10)
        yield controller


def state(listener: Listener) -> dict[str, Any]:
    found = listener.of(STATE)
    return found[-1].json if found else {}


def words(listener: Listener) -> list[str]:
    """The words of the contact in the states, without repetitions."""
    found = [heard.json["contact"] for heard in listener.of(STATE)]
    return [word for n, word in enumerate(found) if n == 0 or found[n - 1] != word]


def press(pin: MockPin, counted: Callable[[], object]) -> None:
    """Press until it is counted, and release; a press while it was not yet known to be released does not count."""

    def tried() -> bool:
        pin.drive_low()
        deadline = time.monotonic() + 2
        while not counted() and time.monotonic() < deadline:
            time.sleep(0.005)
        pin.drive_high()
        # Longer than a level must last.
        time.sleep(0.15)
        return bool(counted())

    until(tried, 10)


def has_opened(controller: Controller, times: int) -> bool:
    """Whether the exit button has opened the door so many times."""
    return controller.inputs.report.exits == times


def kinds(listener: Listener) -> list[str]:
    return [heard.json["event_type"] for heard in listener.of(EVENT)]


@pytest.mark.broker
def test_a_door_that_opens_without_a_grant_is_forced_and_with_one_it_is_not(
    broker: Mosquitto, listen: Callable[..., Listener], pins: MockFactory
) -> None:
    contact = pins.pin(5)
    listener = listen(broker, "edgeface/doors/#")
    with online(listener, wired(broker.port, contact=CONTACT.model_copy(update={"held_seconds": 60.0}))):
        until(lambda: state(listener).get("contact") == "open")
        assert state(listener)["alarms"] == {"held": 0, "forced": 0}
        contact.drive_low()
        until(lambda: state(listener)["contact"] == "shut")
        time.sleep(BOUNCE_SECONDS)
        contact.drive_high()
        until(lambda: state(listener)["contact"] == "forced")
        assert state(listener)["alarms"] == {"held": 0, "forced": 1}
        until(lambda: kinds(listener) == ["forced"])
        contact.drive_low()
        until(lambda: state(listener)["contact"] == "shut")
        device = SigningDevice(listener)
        assert device.ask(device.fresh())["accepted"]
        contact.drive_high()
        until(lambda: state(listener)["contact"] == "open")
        contact.drive_low()
        until(lambda: state(listener)["contact"] == "shut")
    assert state(listener)["alarms"]["forced"] == 1
    event = listener.of(EVENT)[0]
    assert (event.retained, event.expiry) == (False, 3)
    assert {key: event.json[key] for key in ("v", "door", "number")} == {"v": 1, "door": "front", "number": 1}


@pytest.mark.broker
def test_a_door_that_is_open_for_too_long_is_held_once(
    broker: Mosquitto, listen: Callable[..., Listener], pins: MockFactory
) -> None:
    listener = listen(broker, "edgeface/doors/#")
    with online(listener, wired(broker.port)):
        until(lambda: words(listener)[-2:] == ["open", "held"], 5)
        until(lambda: kinds(listener) == ["held"])
        pins.pin(5).drive_low()
        until(lambda: state(listener)["contact"] == "shut")
    assert state(listener)["alarms"] == {"held": 1, "forced": 0}
    assert kinds(listener) == ["held"]


@pytest.mark.broker
@pytest.mark.slow(seconds=6)
def test_the_doorbell_is_announced_at_once_or_never_and_opens_nothing(
    broker: Mosquitto, listen: Callable[..., Listener], pins: MockFactory
) -> None:
    bell, relay = pins.pin(6), pins.pin(17)
    listener = listen(broker, "edgeface/doors/#")
    with online(listener, wired(broker.port, contact=CONTACT.model_copy(update={"held_seconds": 60.0}))) as controller:
        until(lambda: state(listener).get("contact") == "open")
        press(bell, lambda: controller.inputs.report.rings == 1)
        until(lambda: kinds(listener) == ["doorbell"])
        until(lambda: state(listener)["doorbell"]["count"] == 1)
        broker.kill()
        time.sleep(RING_PAUSE)
        press(bell, lambda: controller.inputs.report.rings == 2)
        broker.start()
        until(lambda: listener.payloads(STATUS).count(b"online") >= 2, 15)
        until(lambda: state(listener)["doorbell"]["count"] == 2, 10)
        assert state(listener)["doorbell"]["age"] > 0
    assert kinds(listener) == ["doorbell"]
    assert len(relay.states) == 1


@pytest.mark.broker
@pytest.mark.usefixtures("pins")
def test_a_flood_of_rings_on_the_broker_is_counted_and_stays_small(
    broker: Mosquitto, listen: Callable[..., Listener]
) -> None:
    listener = listen(broker, "edgeface/doors/#")
    listener.publish(BUTTON, "single", retain=True)
    bell = MqttButton(topic=BUTTON, pressed="single")
    with online(listener, settings(broker.port, doorbell=bell)) as controller:
        began = time.monotonic()
        until(lambda: controller.inputs.report.rings == 0 and state(listener).get("doorbell"))

        def ring() -> bool:
            for _ in range(20):
                listener.client.publish(BUTTON, "single")
            time.sleep(0.2)
            return controller.inputs.report.rings_dropped >= 5

        until(ring, 30)
        elapsed = time.monotonic() - began
        assert 1 <= state(listener)["doorbell"]["count"] <= 1 + elapsed / RING_PAUSE
        assert len(kinds(listener)) <= 1 + elapsed / RING_PAUSE
        assert len(listener.of(STATE)) <= 3 + elapsed / 0.5


def test_the_exit_button_opens_without_a_broker_and_each_press_opens_once(pins: MockFactory, exit_pin: MockPin) -> None:
    relay = pins.pin(17)
    with guarded(wired(free_port())) as controller:
        until(lambda: controller.inputs.report.contact == "open")
        for _ in range(20):
            exit_pin.drive_low()
            exit_pin.drive_high()
        time.sleep(0.2)
        assert controller.inputs.report.exits == 0
        press(exit_pin, lambda: controller.inputs.report.exits == 1)
        until(lambda: len(relay.states) == 3 and not relay.state, 2)
        assert controller.inputs.report.exits == 1
        assert controller.inputs.report.forced == 0


@pytest.mark.broker
def test_the_exit_button_opens_while_the_broker_is_dead_stopped_or_back_and_is_no_forced_door(
    broker: Mosquitto, listen: Callable[..., Listener], pins: MockFactory, exit_pin: MockPin
) -> None:
    relay, contact = pins.pin(17), pins.pin(5)
    listener = listen(broker, "edgeface/doors/#")
    with online(listener, wired(broker.port)) as controller:
        contact.drive_low()
        until(lambda: controller.inputs.report.contact == "shut")
        for number, change in enumerate((broker.kill, broker.start, broker.pause, broker.resume), 1):
            change()
            press(exit_pin, partial(has_opened, controller, number))
            until(lambda: relay.state, 1)
            contact.drive_high()
            until(lambda: controller.inputs.report.contact == "open")
            contact.drive_low()
            until(lambda: not relay.state and controller.inputs.report.contact == "shut", 3)
        until(lambda: (state(listener).get("exit_button") or {}).get("count") == 4, 20)
        assert state(listener)["alarms"] == {"held": 0, "forced": 0}


@pytest.mark.broker
def test_the_exit_button_opens_while_someone_claims_to_be_another_controller_of_this_door(
    broker: Mosquitto, listen: Callable[..., Listener], pins: MockFactory, exit_pin: MockPin
) -> None:
    relay, listener = pins.pin(17), listen(broker, "edgeface/doors/#")
    claims = {"edgeface/doors/front/status": "online", "edgeface/doors/front/challenge": '{"nonce":"n","boot":"other"}'}
    for topic, payload in claims.items():
        listener.publish(topic, payload, retain=True)
    with guarded(wired(broker.port)) as controller:
        until(lambda: "(boot other): this one serves its exit button only" in (controller._problems.problem or ""))
        press(exit_pin, lambda: controller.inputs.report.exits == 1)
        until(lambda: relay.state, 1)
        until(lambda: not relay.state, 3)
        for topic in claims:
            listener.publish(topic, "", retain=True)
        until(lambda: listener.of(STATE), 20)
        assert state(listener)["exit_button"] == {"count": 1}


def test_a_stuck_exit_button_opens_once_and_is_reported(
    pins: MockFactory, exit_pin: MockPin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buttons, "STUCK_SECONDS", 0.5)
    relay = pins.pin(17)
    with guarded(wired(free_port())) as controller:
        until(lambda: controller.inputs.report.contact == "open")
        exit_pin.drive_low()
        until(lambda: controller.inputs.report.exits == 1)
        until(lambda: controller.inputs.report.problem == "exit_button: has been pressed for more than 30 s")
        until(lambda: not relay.state)
        assert controller.inputs.report.exits == 1
        exit_pin.drive_high()
        until(lambda: controller.inputs.report.problem is None)
        press(exit_pin, lambda: controller.inputs.report.exits == 2)


class MuteRelay:
    """A relay that obeys and has not reported yet that it is on."""

    is_open = False
    healthy = True
    report = RelayReport()

    def open(self, now: float) -> None:
        """Obey."""

    def shut(self) -> None:
        """Obey."""

    def close(self) -> None:
        """Obey."""


def test_the_exit_button_allows_an_opening_before_the_relay_has_reported(pins: MockFactory, exit_pin: MockPin) -> None:
    contact = pins.pin(5)
    inputs = DoorInputs(wired(1), SystemClock(), MuteRelay, lambda: None)
    inputs.start()
    try:
        # Opening the pin sets its level.
        until(lambda: inputs.report.contact == "open")
        contact.drive_low()
        until(lambda: inputs.report.contact == "shut")
        press(exit_pin, lambda: inputs.report.exits == 1)
        contact.drive_high()
        until(lambda: inputs.report.contact == "open")
        assert inputs.report.forced == 0
    finally:
        inputs.stop()


def test_an_exit_button_that_is_pressed_at_the_start_opens_nothing(exit_pin: MockPin) -> None:
    exit_pin.drive_low()
    with guarded(wired(free_port(), exit_button=GpioButton(pin=13, pull="none"))) as controller:
        until(lambda: controller.inputs.report.contact == "open")
        time.sleep(0.2)
        assert not exit_pin.state
        assert controller.inputs.report.exits == 0
        exit_pin.drive_high()
        press(exit_pin, lambda: controller.inputs.report.exits == 1)


@pytest.mark.usefixtures("pins")
@pytest.mark.slow(seconds=7)
def test_the_exit_button_opens_while_the_controller_waits_for_a_name_server(lock: Lock) -> None:
    one = RelayProcess(settings(1, relay=lock.relay(1.0)), SystemClock(), lambda: None)
    try:
        until(lambda: one.report.word == "off" and one.healthy)
        time.sleep(BEAT_TIMEOUT + 0.5)
        one.open(time.monotonic())
        until(lambda: lock.on, 2)
        until(lambda: not lock.on, 3)
    finally:
        one.close()


@pytest.mark.usefixtures("pins")
def test_an_exit_button_on_the_relay_of_another_process(lock: Lock, exit_pin: MockPin) -> None:
    controller = Controller(wired(free_port(), contact=None, relay=lock.relay(0.5)))
    with threaded(controller):
        until(lambda: controller.inputs.report.problem is None and controller.relay.report.word == "off")
        time.sleep(0.2)
        press(exit_pin, lambda: controller.inputs.report.exits == 1)
        until(lambda: controller.relay.is_open, 2)
        until(lambda: controller.relay.report.word == "off" and not lock.on, 5)


@pytest.mark.broker
@pytest.mark.usefixtures("pins")
def test_a_contact_on_the_broker_is_unknown_when_it_or_the_broker_is_gone(
    broker: Mosquitto, listen: Callable[..., Listener]
) -> None:
    listener = listen(broker, "edgeface/doors/#")
    health = f"{SENSOR}/availability"
    contact = MqttContact(topic=SENSOR, key="contact", open="false", shut="true", availability_topic=health)
    listener.publish(SENSOR, '{"contact":true}', retain=True)
    with online(listener, settings(broker.port, contact=contact)) as controller:
        until(lambda: state(listener).get("problem") == "contact: is not known to be online")
        assert state(listener)["contact"] == "unknown"
        listener.publish(health, "online", retain=True)
        until(lambda: state(listener)["contact"] == "shut")
        assert state(listener)["problem"] is None
        listener.publish(SENSOR, '{"contact":false}')
        until(lambda: state(listener)["contact"] == "forced")
        listener.publish(health, "offline", retain=True)
        until(lambda: state(listener)["contact"] == "unknown")
        assert state(listener)["problem"] == "contact: is not available"
        listener.publish(health, "online", retain=True)
        until(lambda: state(listener)["contact"] == "forced")
        broker.kill()
        until(lambda: controller.inputs.report.contact == "unknown", 10)
    assert controller.inputs.report.forced == 1


def pipe(path: Path) -> Callable[[str], None]:
    """Make a named pipe; returns what writes a line into it."""
    os.mkfifo(path)

    def say(line: str) -> None:
        with path.open("w") as file:
            file.write(f"{line}\n")

    return say


@pytest.mark.broker
@pytest.mark.slow(seconds=8)
def test_the_real_process_with_simulated_inputs(
    broker: Mosquitto, listen: Callable[..., Listener], tmp_path: Path
) -> None:
    listener = listen(broker, "edgeface/doors/#")
    config = write(tmp_path, broker.port)
    names = ("contact", "doorbell", "exit_button")
    with config.open("a") as file:
        file.writelines(f"{name}: {{type: simulated, path: {tmp_path / name}}}\n" for name in names)
    contact, bell, way = (pipe(tmp_path / name) for name in names)
    with process(config) as child:
        until(lambda: state(listener).get("contact") == "unknown", 20)
        assert state(listener)["problem"].startswith("contact: ")
        contact("shut")
        until(lambda: state(listener)["contact"] == "shut")
        bell("press")
        until(lambda: state(listener)["doorbell"]["count"] == 1)
        way("press")
        until(lambda: state(listener)["exit_button"]["count"] == 1)
        # The lock may be shut again when a busy machine looks.
        until(lambda: any(heard.json["open"] for heard in listener.of(STATE)))
        contact("open")
        until(lambda: state(listener)["contact"] == "open")
        contact("shut")
        until(lambda: state(listener)["contact"] == "shut" and not state(listener)["open"])
        contact("gone")
        until(lambda: state(listener)["contact"] == "unknown")
        listener.publish(GRANT, "open sesame")
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
    assert kinds(listener) == ["doorbell"]


def test_an_input_that_cannot_be_opened_leaves_the_others_working_and_is_tried_again(
    tmp_path: Path, pins: MockFactory, exit_pin: MockPin
) -> None:
    missing = SimulatedContact(path=tmp_path / "none")
    wanted = wired(free_port()).model_copy(update={"contact": missing})
    with guarded(wanted) as controller:
        until(lambda: controller.inputs.report.problem == "contact: No such file or directory")
        press(exit_pin, lambda: controller.inputs.report.exits == 1)
        until(lambda: len(pins.pin(17).states) >= 2)
        os.mkfifo(tmp_path / "none")
        until(lambda: "nothing was written" in str(controller.inputs.report.problem))


def test_a_missing_library_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gpiozero", None)
    with pytest.raises(ConfigError, match="needs gpiozero"):
        GpioButton(pin=13).require()


@pytest.mark.parametrize(("pull", "active", "resting"), [("up", "low", True), ("down", "high", False)])
@pytest.mark.parametrize("inverted", [False, True])
def test_a_pin_by_its_resistor_and_its_level(
    pins: MockFactory,
    pull: str,
    active: str,
    resting: bool,  # noqa: FBT001 - pytest names it
    inverted: bool,  # noqa: FBT001 - pytest names it
) -> None:
    word = {"low": "high", "high": "low"}[active] if inverted else active
    woken = threading.Event()
    one = GpioButton.model_validate({"pin": 13, "pull": pull, "pressed_is": word}).connect(woken.set)
    assert pins.pin(13).state is resting
    assert one.level(0.0) is inverted
    woken.clear()
    (pins.pin(13).drive_low if resting else pins.pin(13).drive_high)()
    assert one.level(0.0) is not inverted
    assert woken.is_set()
    one.close()


def test_a_pin_with_a_resistor_outside(pins: MockFactory) -> None:
    one = GpioContact(pin=5, pull="none", open_is="low").connect(lambda: None)
    pins.pin(5).drive_high()
    assert one.level(0.0) is False
    pins.pin(5).drive_low()
    assert one.level(0.0) is True
    one.close()
