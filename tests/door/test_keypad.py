"""The keypad's state machine: what is typed becomes a factor, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.access.factor_messages import CodeFactor, PinFactor, ShownFactor, is_valid
from edgeface.door.readers.keypad import Keypad, KeypadSettings

PIN, CODE = KeypadSettings(), KeypadSettings(mode="code")


def typed(keypad: Keypad, keys: str, at: float = 0.0) -> list[ShownFactor]:
    return [factor for sign in keys if (factor := keypad.press(sign, at)) is not None]


@pytest.mark.parametrize(
    ("settings", "keys", "factors"),
    [
        (PIN, "1042#4711#", [PinFactor("1042", "4711")]),
        (PIN, "99*1042#4711#", [PinFactor("1042", "4711")]),
        (PIN, "1042#99*1042#4711#", [PinFactor("1042", "4711")]),
        (PIN, "###1042#4711#", [PinFactor("1042", "4711")]),
        (PIN, "1#1111#2#2222#", [PinFactor("1", "1111"), PinFactor("2", "2222")]),
        (PIN, "1042#471#", []),
        (PIN, "1042##", []),
        (PIN, "12345678901#4711#", []),
        (PIN, f"1042#{'4' * 13}#", []),
        (PIN, f"1042#{'4' * 500}#1042#4711#", [PinFactor("1042", "4711")]),
        (CODE, "40819273#", [CodeFactor("40819273")]),
        (CODE, "4081*40819273#", [CodeFactor("40819273")]),
        (CODE, "12345#", []),
        (CODE, "#", []),
    ],
)
def test_what_is_typed(settings: KeypadSettings, keys: str, factors: list[ShownFactor]) -> None:
    assert typed(Keypad(settings), keys) == factors


def test_a_pause_of_ten_seconds_discards_what_was_typed() -> None:
    keypad = Keypad(PIN)
    assert typed(keypad, "1042#47", 0.0) == []
    assert typed(keypad, "11#", 10.1) == []
    assert typed(keypad, "1042#", 30.0) == []
    assert typed(keypad, "4711#", 39.9) == [PinFactor("1042", "4711")]


def test_nothing_typed_is_kept_after_its_time() -> None:
    keypad = Keypad(PIN)
    typed(keypad, "1042#4711", 0.0)
    keypad.expire(9.9)
    assert (keypad._number, keypad._digits) == ("1042", "4711")
    keypad.expire(10.1)
    assert (keypad._number, keypad._digits) == (None, "")


@given(st.text("0123456789*#", max_size=200), st.sampled_from([PIN, CODE]))
def test_any_keys_give_valid_factors_only_and_little_is_kept(keys: str, settings: KeypadSettings) -> None:
    keypad = Keypad(settings)
    assert all(is_valid(factor) for factor in typed(keypad, keys))
    assert len(keypad._digits) <= 13
