"""The lamps of a head-turn challenge, at gpiozero's own mock pins, and through a real broker."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.core.errors import ConfigError
from edgeface.door.relays.gpio import GpioRelay
from edgeface.door.turn_lamps import MAX_SECONDS, PAUSE, GpioTurnLamps, LogTurnLamps, TurnLamps, TurnSignal, read_turn
from tests.door.test_controller import GRANT, OPEN, RESULT, STATE, STATUS, SigningDevice, guarded, settings
from tests.support.broker import Listener, until
from tests.support.clock import FixedClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gpiozero.pins.mock import MockFactory, MockPin

    from edgeface.demo.mosquitto import Mosquitto
    from edgeface.door.controller import Controller

PIN, LEFT, RIGHT = 17, 27, 22
LAMPS = GpioTurnLamps(device="yard", camera="porch", left=LEFT, right=RIGHT)
CHALLENGE = "edgeface/yard/porch/challenge"
TICK = 0.6
"""Seconds within which a lamp follows a clock that was moved; it looks every 0.25 s."""


def asked(turn: Any, seconds: Any = 8.0, **changes: Any) -> bytes:
    """A message as a device publishes it."""
    until_, result = ("2026-11-22T08:15:02.412Z", None) if turn else (None, "passed")
    facts = {"v": 1, "turn": turn, "until": until_, "seconds": seconds, "track": 17, "result": result, **changes}
    return json.dumps({key: value for key, value in facts.items() if value is not ...}).encode()


ENDED = asked(None, None)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(100.0)


@pytest.fixture
def lamps(pins: MockFactory, clock: FixedClock) -> Iterator[TurnLamps]:
    made = TurnLamps(LAMPS, clock, lambda: None)
    yield made
    made.close()
    assert lit(pins) == []


def lit(pins: MockFactory) -> list[str]:
    return [name for name, pin in (("left", LEFT), ("right", RIGHT), ("relay", PIN)) if pins.pin(pin).state]


def show(lamps: TurnLamps, *payloads: bytes) -> None:
    for payload in payloads:
        lamps.on_message(payload, retained=False)


def switched(pin: MockPin) -> int:
    """How often it was switched on."""
    return sum(one.state for one in pin.states)


@pytest.mark.parametrize(
    ("payload", "signal"),
    [
        (asked("left", 7.4), TurnSignal("left", 7.4)),
        (asked("right", 8), TurnSignal("right", 8.0)),
        (asked("right", 0.0), TurnSignal("right", 0.0)),
        (asked("left", 3600), TurnSignal("left", MAX_SECONDS)),
        (asked("left", 10**300), TurnSignal("left", MAX_SECONDS)),
        (asked("left", more=[1, 2]), TurnSignal("left", 8.0)),
        (asked("left", until=..., track=..., result=...), TurnSignal("left", 8.0)),
        (ENDED, TurnSignal(None, 0.0)),
        (asked(None, 5.0, result="failed"), TurnSignal(None, 0.0)),
    ],
)
def test_what_a_message_asks_for(payload: bytes, signal: TurnSignal) -> None:
    assert read_turn(payload) == signal


HOSTILE = (
    b"",
    b"left",
    b'"left"',
    b"null",
    b"[]",
    b"{}",
    b"{" * 900,
    b"\xff\xfe",
    asked("up"),
    asked("LEFT"),
    asked("left "),
    asked(["left"]),
    asked({"left": 1}),
    asked(...),
    asked("left", None),
    asked("left", seconds=...),
    asked("left", seconds="8"),
    asked("left", seconds=True),
    asked("left", seconds=[8]),
    asked("left", -1),
    asked("left", v=2),
    asked("left", v=True),
    asked("left", v=1.0),
    asked("left", v="1"),
    asked("left", v=...),
    asked("left").replace(b"8.0", b"NaN"),
    asked("left").replace(b"8.0", b"Infinity"),
    asked("left").replace(b"8.0", b"1e999"),
    asked("left").replace(b'"turn"', b'"turn": "right", "turn"'),
    asked("left", more="x" * 1000),
    asked("left") + b"\0",
    asked("left") * 2,
)
"""Messages that break the contract."""


@pytest.mark.parametrize("payload", HOSTILE)
def test_a_message_that_breaks_the_contract_asks_for_nothing(payload: bytes) -> None:
    assert read_turn(payload) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(["left", "right"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["v", "turn", "seconds", "x"]), JSON).map(json.dumps) | st.text(max_size=200))
def test_no_message_raises_or_lights_a_lamp_for_longer_than_the_limit(text: str) -> None:
    signal = read_turn(text.encode(errors="surrogatepass"))
    assert signal is None or (signal.turn in {"left", "right", None} and 0 <= signal.seconds <= MAX_SECONDS)


def test_the_lamp_of_the_asked_side_is_lit_until_the_end(pins: MockFactory, lamps: TurnLamps) -> None:
    assert lit(pins) == []
    show(lamps, asked("left"))
    until(lambda: lit(pins) == ["left"])
    show(lamps, asked("right"))
    until(lambda: lit(pins) == ["right"])
    show(lamps, ENDED)
    until(lambda: lit(pins) == [])


@pytest.mark.parametrize(("seconds", "off_after"), [(2.0, 2.0), (3600, MAX_SECONDS)])
def test_a_lamp_goes_out_by_the_doors_own_clock_whatever_comes(
    pins: MockFactory, lamps: TurnLamps, clock: FixedClock, seconds: float, off_after: float
) -> None:
    show(lamps, asked("left", seconds))
    until(lambda: lit(pins) == ["left"])
    clock.now += off_after - 0.01
    show(lamps, *HOSTILE)
    time.sleep(TICK)
    assert lit(pins) == ["left"]
    clock.now += 0.02
    show(lamps, *HOSTILE)
    until(lambda: lit(pins) == [], TICK)


def test_a_turn_without_time_left_lights_nothing(pins: MockFactory, lamps: TurnLamps) -> None:
    show(lamps, asked("left"))
    until(lambda: lit(pins) == ["left"])
    show(lamps, asked("right", 0.0))
    until(lambda: lit(pins) == [])
    assert switched(pins.pin(RIGHT)) == 0


def test_a_second_turn_to_the_same_side_is_seen(pins: MockFactory, lamps: TurnLamps, clock: FixedClock) -> None:
    show(lamps, asked("left"))
    until(lambda: lit(pins) == ["left"])
    clock.now += 3.0
    show(lamps, asked("left", 8.0))
    until(lambda: lit(pins) == [])
    clock.now += PAUSE + 0.01
    until(lambda: lit(pins) == ["left"], TICK)
    clock.now += 7.5
    time.sleep(TICK)
    assert lit(pins) == ["left"]
    clock.now += 0.2
    until(lambda: lit(pins) == [], TICK)
    assert switched(pins.pin(LEFT)) == 2


def test_a_retained_message_lights_nothing(pins: MockFactory, lamps: TurnLamps) -> None:
    lamps.on_message(asked("left"), retained=True)
    time.sleep(0.1)
    assert switched(pins.pin(LEFT)) == 0


@pytest.mark.parametrize("active_high", [True, False])
def test_lamps_are_off_from_the_first_moment_on_either_board(pins: MockFactory, active_high: bool) -> None:  # noqa: FBT001 - pytest names it
    settings = LAMPS.model_copy(update={"active_high": active_high})
    made = TurnLamps(settings, FixedClock(), lambda: None)
    assert [bool(pins.pin(one).state) for one in (LEFT, RIGHT)] == [not active_high] * 2
    show(made, asked("right"))
    until(lambda: bool(pins.pin(RIGHT).state) is active_high)
    assert bool(pins.pin(LEFT).state) is not active_high
    made.close()
    assert bool(pins.pin(RIGHT).states[-1].state) is not active_high


def test_a_pin_that_is_taken_is_a_config_error_and_frees_the_other(pins: MockFactory) -> None:
    del pins
    taken = GpioRelay(pin=RIGHT).switch()
    with pytest.raises(ConfigError, match=r"turn_lamps.right: GPIO22 cannot be used"):
        TurnLamps(LAMPS, FixedClock(), lambda: None)
    GpioRelay(pin=LEFT).switch().close()
    taken.close()


def test_a_lamp_that_fails_is_a_problem_and_the_other_still_works(pins: MockFactory) -> None:
    class Board:
        def on(self) -> None:
            raise OSError("the board does not answer")

        def off(self) -> None: ...

        def close(self) -> None: ...

    class Failing(GpioTurnLamps):
        def switches(self) -> dict[Any, Any]:
            return {**super().switches(), "left": Board()}

    changed: list[int] = []
    made = TurnLamps(Failing(**LAMPS.model_dump()), FixedClock(), lambda: changed.append(1))
    assert made.problem is None
    show(made, asked("left"))
    until(lambda: made.problem == "turn_lamps.left: has failed")
    assert changed
    show(made, asked("right"))
    until(lambda: lit(pins) == ["right"])
    made.close()


def test_without_lamps_a_log_shows_them(caplog: pytest.LogCaptureFixture) -> None:
    made = TurnLamps(LogTurnLamps(device="yard", camera="porch"), FixedClock(), lambda: None)
    with caplog.at_level("INFO"):
        show(made, asked("left"))
        until(lambda: "the left lamp would be on" in caplog.text)
        show(made, asked("right"))
        until(lambda: "the right lamp would be on" in caplog.text)
        made.close()
    assert caplog.text.count("would be off") == 2


@pytest.fixture
def controller(broker: Mosquitto, pins: MockFactory) -> Iterator[Controller]:
    """A door with relay and lamps."""
    with guarded(settings(broker.port, relay=GpioRelay(pin=PIN, seconds=OPEN), turn_lamps=LAMPS)) as one:
        yield one
    assert lit(pins) == []


@pytest.fixture
def device(broker: Mosquitto, listen: Callable[..., Listener], controller: Controller) -> SigningDevice:
    del controller
    listener = listen(broker, "edgeface/#")
    until(lambda: listener.payloads(STATUS) == [b"online"])
    return SigningDevice(listener)


def publish(listener: Listener, payload: bytes, topic: str = CHALLENGE) -> None:
    listener.client.publish(topic, payload, qos=1).wait_for_publish(30)


@pytest.mark.broker
def test_a_challenge_lights_the_lamps_of_its_door(device: SigningDevice, pins: MockFactory) -> None:
    listener = device.listener
    publish(listener, asked("left"))
    until(lambda: lit(pins) == ["left"])
    publish(listener, asked("right"))
    until(lambda: lit(pins) == ["right"])
    publish(listener, ENDED)
    until(lambda: lit(pins) == [])
    for other in ("edgeface/yard/gate/challenge", "edgeface/front/porch/challenge", "edgeface/yard/porch/event"):
        publish(listener, asked("left"), other)
    publish(listener, asked("right"))
    until(lambda: lit(pins) == ["right"])
    assert switched(pins.pin(LEFT)) == 1


@pytest.mark.broker
def test_nothing_on_the_topic_of_the_lamps_opens_the_door_or_counts_as_a_grant(
    device: SigningDevice, pins: MockFactory
) -> None:
    listener = device.listener
    grant = device.fresh()
    publish(listener, grant.encode())
    for payload in HOSTILE:
        publish(listener, payload)
    listener.publish(CHALLENGE, asked("left").decode(), retain=True)
    publish(listener, asked("right"))
    until(lambda: lit(pins) == ["right"])
    assert switched(pins.pin(LEFT)) == 0
    assert listener.of(RESULT) == []
    assert pins.pin(PIN).states == pins.pin(PIN).states[:1]
    assert device.ask(grant)["accepted"], "the grant is good, and was not used up"
    until(lambda: lit(pins) == ["right", "relay"])
    assert listener.of(STATE)[-1].json["problem"] is None


@pytest.mark.broker
def test_a_lost_connection_puts_the_lamps_out(device: SigningDevice, pins: MockFactory, broker: Mosquitto) -> None:
    publish(device.listener, asked("left", 10.0))
    until(lambda: lit(pins) == ["left"])
    broker.kill()
    until(lambda: lit(pins) == [], 2)


@pytest.mark.broker
def test_a_stopped_controller_puts_the_lamps_out(
    device: SigningDevice, pins: MockFactory, controller: Controller
) -> None:
    publish(device.listener, asked("left", 10.0))
    until(lambda: lit(pins) == ["left"])
    controller.stop()
    until(lambda: lit(pins) == [], 3)


@pytest.mark.broker
def test_the_broker_keeps_no_turn_for_a_door_that_is_away(
    broker: Mosquitto, listen: Callable[..., Listener], pins: MockFactory
) -> None:
    listener, wanted = listen(broker, "edgeface/#"), settings(broker.port, turn_lamps=LAMPS)
    with guarded(wanted):
        until(lambda: listener.payloads(STATUS) == [b"online"])
    until(lambda: listener.payloads(STATUS)[-1] == b"offline")
    publish(listener, asked("left"))
    listener.publish(GRANT, "kept by the broker for the session")
    with guarded(wanted):
        until(lambda: [heard.json["reason"] for heard in listener.of(RESULT)] == ["malformed"])
        assert lit(pins) == []
