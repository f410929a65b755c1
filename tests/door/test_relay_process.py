"""What closes the door when a process stops, hangs or is killed; real processes, and the contact of a relay."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgeface.core.clock import SystemClock
from edgeface.core.errors import ConfigError
from edgeface.door import settings as door_settings
from edgeface.door.controller import Controller
from edgeface.door.relay import in_this_process
from edgeface.door.relays import supervisor
from edgeface.door.relays.base import RelayError
from edgeface.door.relays.command import CommandDriver, CommandRelay
from edgeface.door.relays.gpio import GpioRelay
from edgeface.door.relays.log import LogRelay
from edgeface.door.relays.process import BEAT_TIMEOUT
from edgeface.door.relays.supervisor import SILENCE, RelayProcess
from edgeface.mqtt.connection import Connection, Waker
from edgeface.mqtt.settings import Mqtt
from edgeface.mqtt.topics import DOOR_CHALLENGE, DOOR_STATUS, Topics
from tests.door.test_controller import PUBLIC, REFERENCE, STATE, STATUS, SigningDevice, process, settings, write
from tests.support.broker import until
from tests.support.relays import WebRelay
from tests.support.slack import Slack
from tests.support.threaded import threaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgeface.demo.mosquitto import Mosquitto
    from tests.support.broker import Listener

BAR = 5.0
"""Seconds after its time within which a relay is off, whatever happens."""


class Lock:
    """A relay of files that commands switch: its contact is on while a file exists."""

    def __init__(self, folder: Path) -> None:
        self.contact = folder / "contact"
        self.pids = folder / "pids"

    @property
    def on(self) -> bool:
        return self.contact.exists()

    def relay(self, seconds: float) -> CommandRelay:
        return CommandRelay.model_validate({"seconds": seconds, **self.keys()})

    def keys(self) -> dict[str, list[str]]:
        shell = ["/bin/sh", "-c"]
        return {
            "on": [*shell, f"touch {self.contact}"],
            "off": [*shell, f"rm -f {self.contact}"],
            "state": [*shell, f"test -e {self.contact} && echo on || echo off"],
        }

    def yaml(self, seconds: float) -> str:
        return f"{{type: command, seconds: {seconds}, " + ", ".join(f"{k}: {v}" for k, v in self.keys().items()) + "}"


@pytest.fixture
def lock(tmp_path: Path) -> Lock:
    return Lock(tmp_path)


def relay_of(pid: int) -> int:
    """The process that the controller has started for its relay."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return next(int(one) for one in children if b"door.relays.process" in Path(f"/proc/{one}/cmdline").read_bytes())


@contextmanager
def opened(lock: Lock, seconds: float) -> Iterator[RelayProcess]:
    one = RelayProcess(settings(1, relay=lock.relay(seconds)), SystemClock(), lambda: None)
    try:
        until(lambda: one.report.word == "off" and one.healthy)
        one.open(time.monotonic())
        until(lambda: lock.on and one.healthy)
        yield one
    finally:
        one.close()


def off_after(lock: Lock, began: float, seconds: float, *, look: Callable[[], object] = lambda: None) -> float:
    """Seconds until the contact is off; fails the test after `seconds`."""

    def off() -> bool:
        look()
        return not lock.on

    until(off, seconds)
    return time.monotonic() - began


def test_a_pin_in_its_own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    one = RelayProcess(settings(1, relay=GpioRelay(pin=17, seconds=1.5)), SystemClock(), lambda: None)
    try:
        until(lambda: one.report.word == "off")
        with Slack() as slack:
            one.open(time.monotonic())
            began = time.monotonic()
            until(lambda: one.is_open, 1)
            assert one.report.word == "on"
            until(lambda: not one.is_open and one.healthy, 3)
        assert 1.3 < time.monotonic() - began < 1.5 + 0.6 + slack.late
    finally:
        one.close()
    assert one.report.word == "off"


def test_a_pin_that_cannot_be_opened_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "missing")
    with pytest.raises(ConfigError, match=r"relay\.pin: GPIO17 cannot be used"):
        RelayProcess(settings(1, relay=GpioRelay(pin=17)), SystemClock(), lambda: None)


def test_without_a_library_for_pins_there_is_one_line_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GPIOZERO_PIN_FACTORY", raising=False)
    program = "from edgeface.door.switches import open_pin; open_pin('relay.pin', 17, active_high=True)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 0:
        pytest.skip("this machine has pins")
    assert "Fallback" not in done.stderr
    way_out = "no library for pins works: sudo apt install python3-lgpio, and run it on the board"
    assert done.stderr.splitlines()[-1].endswith(f"relay.pin: GPIO17 cannot be used: {way_out}")


def test_a_process_that_does_not_start_in_time_is_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "START_TIMEOUT", 0.0)
    with pytest.raises(ConfigError, match="has not started within 0 s; is the machine overloaded"):
        RelayProcess(settings(1, relay=LogRelay()), SystemClock(), lambda: None)


@pytest.mark.slow(seconds=6)
def test_a_controller_that_gives_no_sign_of_life_loses_an_open_door(
    lock: Lock, record_property: Callable[[str, object], None]
) -> None:
    with opened(lock, 30) as one:
        began = time.monotonic()
        took = off_after(lock, began, BEAT_TIMEOUT + 1.5)
        record_property("off after seconds", took)
        # When it gives signs again, nothing opens by itself.
        until(lambda: one.healthy and one.report.word == "off")
        time.sleep(1)
        assert not lock.on


def test_an_order_that_arrives_late_opens_nothing(lock: Lock) -> None:
    one = RelayProcess(settings(1, relay=lock.relay(0.3)), SystemClock(), lambda: None)
    try:
        until(lambda: one.report.word == "off" and one.healthy)
        os.kill(one.pid, signal.SIGSTOP)
        one.open(time.monotonic())
        time.sleep(0.5)
        os.kill(one.pid, signal.SIGCONT)
        time.sleep(0.7)
        assert not lock.on
        assert one.report.word == "off"
    finally:
        one.close()


@pytest.mark.slow(seconds=6)
def test_a_stopped_relay_process_is_killed_and_another_one_switches_off(
    lock: Lock, record_property: Callable[[str, object], None]
) -> None:
    with opened(lock, 3) as one:
        began, killed = time.monotonic(), one.pid
        os.kill(killed, signal.SIGSTOP)
        until(lambda: not one.healthy, SILENCE + 1)
        # The controller ends now.
        one.close()
        took = off_after(lock, began, BAR)
        record_property("off after seconds", took)
        assert one.pid != killed
        assert one.report.word == "off"


def test_a_killed_relay_process_ends_the_controller_and_another_one_switches_off(
    lock: Lock, record_property: Callable[[str, object], None]
) -> None:
    with opened(lock, 30) as one:
        began = time.monotonic()
        os.kill(one.pid, signal.SIGKILL)
        until(lambda: not one.healthy, 1)
        one.close()
        record_property("off after seconds", off_after(lock, began, BAR))


@pytest.mark.broker
@pytest.mark.slow(seconds=8)
@pytest.mark.parametrize(("number", "seconds", "most"), [
    (signal.SIGSTOP, 3, 3 + BAR), (signal.SIGSTOP, 30, BEAT_TIMEOUT + 1.5), (signal.SIGKILL, 30, 2.0),
])  # fmt: skip
def test_a_controller_that_is_stopped_or_killed_while_open(
    broker: Mosquitto,
    listen: Callable[..., Listener],
    tmp_path: Path,
    lock: Lock,
    record_property: Callable[[str, object], None],
    number: signal.Signals,
    seconds: int,
    most: float,
) -> None:
    device = SigningDevice(listen(broker, "edgeface/doors/#"))
    with process(write(tmp_path, broker.port, lock.yaml(seconds))) as child:
        until(lambda: device.latest() is not None, 15)
        assert device.ask(device.fresh())["accepted"]
        until(lambda: lock.on, 2)
        began = time.monotonic()
        child.send_signal(number)
        record_property(f"{number.name}, seconds: {seconds}, off after", off_after(lock, began, most))


@pytest.mark.broker
@pytest.mark.slow(seconds=6)
def test_both_processes_killed_leave_it_to_the_device_itself(
    broker: Mosquitto,
    listen: Callable[..., Listener],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    shelly = WebRelay("shelly-gen2").start()
    device = SigningDevice(listen(broker, "edgeface/doors/#"))
    config = write(tmp_path, broker.port, f"{{type: http, device: shelly-gen2, url: '{shelly.url}', seconds: 3}}")
    try:
        with process(config) as child:
            until(lambda: device.latest() is not None, 15)
            assert device.ask(device.fresh())["accepted"]
            until(lambda: shelly.contact.on, 2)
            began = shelly.contact.on_at()
            relay = relay_of(child.pid)
            child.send_signal(signal.SIGSTOP)
            os.kill(relay, signal.SIGKILL)
            child.send_signal(signal.SIGKILL)
            until(lambda: not shelly.contact.on, 3 + BAR)
            record_property("off after seconds", shelly.contact.off_at() - began)
    finally:
        shelly.stop()


@pytest.mark.broker
def test_signals_of_a_terminal_or_of_systemd_end_both_in_order(
    broker: Mosquitto, listen: Callable[..., Listener], tmp_path: Path, lock: Lock
) -> None:
    listener = listen(broker, "edgeface/doors/#")
    device = SigningDevice(listener)
    with process(write(tmp_path, broker.port, lock.yaml(30))) as child:
        until(lambda: device.latest() is not None, 15)
        assert device.ask(device.fresh())["accepted"]
        until(lambda: lock.on and listener.of(STATE)[-1].json["relay"] == "on", 2)
        relay = relay_of(child.pid)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(relay, number)
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
        assert not lock.on
        until(lambda: listener.of(STATE)[-1].json["relay"] == "off" and listener.payloads(STATUS)[-1] == b"offline")


@pytest.mark.broker
@pytest.mark.slow(seconds=6)
def test_a_stopped_relay_process_ends_the_controller_with_70(
    broker: Mosquitto, listen: Callable[..., Listener], tmp_path: Path, lock: Lock
) -> None:
    device = SigningDevice(listen(broker, "edgeface/doors/#"))
    with process(write(tmp_path, broker.port, lock.yaml(3))) as child:
        until(lambda: device.latest() is not None, 15)
        assert device.ask(device.fresh())["accepted"]
        until(lambda: lock.on, 2)
        began = time.monotonic()
        with Slack() as slack:
            os.kill(relay_of(child.pid), signal.SIGSTOP)
            assert child.wait(60) == 70
        assert time.monotonic() - began < 3 + BAR + slack.late
        assert not lock.on


@pytest.mark.broker
def test_the_state_reports_what_the_relay_cannot_confirm(
    broker: Mosquitto, listen: Callable[..., Listener], tmp_path: Path
) -> None:
    listener = listen(broker, "edgeface/doors/#")
    device = SigningDevice(listener)
    shelly = WebRelay("shelly-gen2").start()
    config = write(tmp_path, broker.port, f"{{type: http, device: shelly-gen2, url: '{shelly.url}', seconds: 1}}")
    try:
        with process(config):
            until(lambda: [heard.json["relay"] for heard in listener.of(STATE)][-1:] == ["off"], 15)
            shelly.status = 500
            assert device.ask(device.fresh())["accepted"]
            until(lambda: listener.of(STATE)[-1].json["problem"] == "relay: it answers HTTP 500", 5)
            assert listener.of(STATE)[-1].json["relay"] == "not confirmed"
            shelly.repair()
            until(
                lambda: (listener.of(STATE)[-1].json["relay"], listener.of(STATE)[-1].json["problem"]) == ("off", None)
            )
    finally:
        shelly.stop()


@pytest.mark.broker
def test_a_second_controller_on_this_machine_says_so_and_ends(
    broker: Mosquitto, listen: Callable[..., Listener], tmp_path: Path, lock: Lock
) -> None:
    listener = listen(broker, "edgeface/doors/#")
    device = SigningDevice(listener)
    config = write(tmp_path, broker.port, lock.yaml(1))
    with process(config) as first:
        until(lambda: device.latest() is not None, 15)
        with process(config) as second:
            assert second.wait(60) == 1
            assert second.stderr is not None
            assert second.stderr.read() == "edgeface: another controller of door front runs on this machine\n"
        assert device.ask(device.fresh())["accepted"]
        assert first.poll() is None
    assert listener.payloads(STATUS)[:1] == [b"online"]


@pytest.mark.broker
@pytest.mark.slow(seconds=5)
def test_a_second_controller_at_the_broker_says_so_and_ends_and_the_first_notices_nothing(
    broker: Mosquitto, listen: Callable[..., Listener], caplog: pytest.LogCaptureFixture
) -> None:
    listener = listen(broker, "edgeface/doors/#")
    device = SigningDevice(listener)
    with threaded(Controller(settings(broker.port, relay=LogRelay()), relay=in_this_process)):
        until(lambda: listener.payloads(STATUS) == [b"online"])
        second = Controller(settings(broker.port, relay=LogRelay()), relay=in_this_process)
        statuses: list[int] = []
        thread = threading.Thread(target=lambda: statuses.append(second.run()), daemon=True)
        thread.start()
        thread.join(8)
        second.stop()
        thread.join(5)
        assert statuses == [1]
        assert "another controller serves door front (boot " in caplog.text
        assert device.ask(device.fresh())["accepted"]
        assert listener.payloads(STATUS) == [b"online"]
    assert "has closed the connection" not in caplog.text


@pytest.mark.broker
@pytest.mark.slow(seconds=8)
def test_one_whose_connection_another_controller_takes_over_says_so_and_ends(
    broker: Mosquitto, listen: Callable[..., Listener], caplog: pytest.LogCaptureFixture
) -> None:
    listener = listen(broker, "edgeface/doors/#")
    topics, waker = Topics(prefix="edgeface", door="front"), Waker()
    one = Controller(settings(broker.port, relay=LogRelay()), relay=in_this_process)
    with threaded(one):
        until(lambda: listener.payloads(STATUS) == [b"online"])
        # A version that does not look first, or one that started at the same moment.
        taker = Connection(Mqtt(port=broker.port), "edgeface-door-front", topics(DOOR_STATUS), SystemClock())
        try:
            while not taker.ready:
                taker.wait(0.1, waker.socket)
            taker.publish(topics(DOOR_STATUS), b"online")
            until(lambda: _challenge(taker, topics, waker) or "another controller serves door front" in caplog.text, 8)
            assert taker.ready
        finally:
            taker.close()
            waker.close()


def _challenge(taker: Connection, topics: Topics, waker: Waker) -> bool:
    taker.publish(topics(DOOR_CHALLENGE), b'{"nonce":"n","boot":"0123","reads":[1,2]}')
    taker.wait(0.2, waker.socket)
    time.sleep(0.3)
    return False


def test_the_shipped_door_yaml_works_as_a_trial() -> None:
    text = REFERENCE.read_text().replace("  type: gpio\n  # BCM", "  type: log\n  # BCM")
    assert door_settings.parse(text.encode(), "door.yaml").relay.type == "log"
    with pytest.raises(ConfigError, match="unknown key"):
        door_settings.parse(text.replace("  pin: 17", "  pni: 17").encode(), "door.yaml")


def switched(driver: CommandDriver) -> bool:
    driver.on(3)
    return driver.is_on()


def test_the_examples_of_relays_in_the_reference_are_right() -> None:
    lines = [line[2:] for line in REFERENCE.read_text().splitlines() if line.startswith("# relay: ")]
    texts = [f"door: a\nkeys: {{k: {PUBLIC}}}\n{line}\n" for line in lines]
    types = [door_settings.parse(text.encode(), "door.yaml").relay.type for text in texts]
    assert types == ["http"] * 3 + ["mqtt"] * 5 + ["command"]


def test_the_examples_of_inputs_in_the_reference_are_right() -> None:
    lines = [
        line[2:] for line in REFERENCE.read_text().splitlines() if line.startswith(("# contact: ", "# doorbell: "))
    ]
    head = f"door: a\nkeys: {{k: {PUBLIC}}}\nrelay: {{type: log}}\n"
    assert len(lines) == 3
    for line in lines:
        found = door_settings.parse(f"{head}{line}\n".encode(), "door.yaml")
        assert "mqtt" in {one.type for one in (found.contact, found.doorbell) if one is not None}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"on": ["/bin/false"]}, "relay.on: it ended with 1"),
        ({"on": ["/missing"]}, "relay.on: /missing cannot be run"),
        ({"on": ["/bin/sh", "-c", "sleep 30 & sleep 30"]}, "relay.on: it took longer than 2 s and was killed"),
        ({"state": ["/bin/echo", "maybe"]}, "relay.state: it writes neither on nor off"),
    ],
)
def test_a_command_that_fails_is_reported(lock: Lock, change: dict[str, list[str]], problem: str) -> None:
    driver = CommandDriver(CommandRelay.model_validate({**lock.keys(), **change}))
    began = time.monotonic()
    with pytest.raises(RelayError, match=problem):
        switched(driver)
    assert time.monotonic() - began < 20
    driver.off()
    assert not lock.on


def test_without_a_state_command_the_exit_status_is_all(tmp_path: Path) -> None:
    seen = tmp_path / "seconds"
    on = ["/bin/sh", "-c", f"echo $EDGEFACE_RELAY_SECONDS > {seen}"]
    driver = CommandDriver(CommandRelay.model_validate({"on": on, "off": ["/bin/true"]}))
    driver.on(4)
    assert driver.is_on()
    assert seen.read_text() == "4.0\n"
    driver.off()
    assert not driver.is_on()
