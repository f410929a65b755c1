"""A contact and a doorbell on the broker: what makers' reports mean, and when nothing is known."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.door.inputs.base import DEBOUNCE, OpenInput, UnknownLevelError
from edgeface.door.inputs.mqtt import MAX_BYTES, PRESS_SECONDS, MqttButton, MqttContact, value_of

TOPIC, HEALTH = "sensors/front", "sensors/front/availability"


def contact(**changes: Any) -> OpenInput:
    facts = {"topic": TOPIC, "key": "contact", "open": False, "shut": True, **changes}
    return MqttContact.model_validate({"type": "mqtt", **facts}).connect(lambda: None)


def level(one: OpenInput, now: float = 0.0) -> bool | str:
    try:
        return one.level(now)
    except UnknownLevelError as error:
        return str(error)


def report(one: OpenInput, payload: bytes, *, topic: str = TOPIC, retained: bool = False, now: float = 0.0) -> None:
    one.on_message(topic, payload, retained=retained, now=now)


@pytest.mark.parametrize(
    ("settings", "opened", "shut"),
    [
        # https://www.zigbee2mqtt.io/devices/MCCGQ11LM.html: true is contact, so shut.
        ({}, b'{"battery":97,"contact":false,"linkquality":150}', b'{"contact":true}'),
        # https://shelly-api-docs.shelly.cloud/gen1/#shelly-door-window-2-mqtt
        ({"key": None, "open": "open", "shut": "close"}, b"open", b"close"),
        # https://shelly-api-docs.shelly.cloud/gen2/ComponentsAndServices/Input: status/input:0
        ({"key": "state", "open": "true", "shut": "false"}, b'{"id":0,"state":true}', b'{"id":0,"state":false}'),
        # https://tasmota.github.io/docs/Buttons-and-Switches: SwitchMode with SetOption114
        (
            {"key": "Switch1.Action", "open": "ON", "shut": "OFF"},
            b'{"Switch1":{"Action":"ON"}}',
            b'{"Switch1":{"Action":"OFF"}}',
        ),
        ({"key": None, "open": 1, "shut": 0}, b"1\n", b" 0"),
        ({"key": None, "open": True, "shut": False}, b"True", b"false"),
    ],
)
def test_the_reports_of_the_makers(settings: dict[str, Any], opened: bytes, shut: bytes) -> None:
    one = contact(**settings)
    assert level(one) == "has not reported yet"
    report(one, opened)
    assert level(one) is True
    report(one, shut)
    assert level(one) is False
    one.disconnected()
    assert level(one) == "has not reported yet"


def test_a_report_of_something_else_changes_nothing_and_a_strange_value_is_unknown() -> None:
    one = contact()
    report(one, b'{"contact":true}')
    for payload in (b'{"battery":97}', b"", b"{", b'{"contact":null}', b'{"contact":[true]}', b" " * MAX_BYTES + b"{}"):
        report(one, payload)
        assert level(one) is False
    report(one, b'{"contact":false}', topic="sensors/back")
    assert level(one) is False
    report(one, b'{"contact":"unavailable"}')
    assert level(one) == "reports neither open nor shut"


def test_a_retained_report_counts_only_while_the_sensor_is_known_to_be_online() -> None:
    one = contact()
    report(one, b'{"contact":true}', retained=True)
    assert level(one) == "has not reported since the controller has connected"
    one = contact(availability_topic=HEALTH)
    report(one, b'{"contact":true}', retained=True)
    assert level(one) == "is not known to be online"
    for payload, known in (
        (b"online", True),
        (b"offline", False),
        (b'{"state":"online"}', True),
        (b'{"state":"offline"}', False),
        (b"Online", True),
        (b"true", True),
        (b"", False),
        (b"false", False),
    ):
        report(one, payload, topic=HEALTH, retained=True)
        assert level(one) == (False if known else "is not available"), payload


def test_a_sensor_that_is_silent_for_too_long_is_unknown() -> None:
    one = contact(stale_seconds=60)
    report(one, b'{"contact":true}', now=100.0)
    assert level(one, 159.9) is False
    assert level(one, 160.0) == "has not reported for 60 s"


def test_a_button_is_pressed_for_a_moment_and_never_by_a_retained_report() -> None:
    bell = MqttButton(topic=TOPIC, key="action", pressed="single").connect(lambda: None)
    report(bell, b'{"action":"single"}', retained=True, now=1.0)
    report(bell, b'{"action":"double"}', now=1.0)
    assert bell.level(1.0) is False
    report(bell, b'{"action":"single"}', now=2.0)
    assert bell.level(2.0 + 2 * DEBOUNCE) is True
    assert bell.level(3.0) is False
    # A machine that is busy reads late, and counts the press.
    report(bell, b'{"action":"single"}', now=4.0)
    assert [bell.level(now) for now in (5.0, 5.0 + DEBOUNCE, 5.0 + PRESS_SECONDS)] == [True, True, False]


@given(st.binary(max_size=300) | st.text(alphabet='[]{}":,0123456789.eE-nulltrfas\\', max_size=300).map(str.encode))
def test_any_bytes_have_a_value_or_none(data: bytes) -> None:
    assert isinstance(value_of(data, None), str)
    assert value_of(data, "a.b") is None or b"b" in data
