"""PINs, numbers, cards and codes: what is accepted, drawn and compared."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.core.errors import EdgefaceError, GalleryError
from edgeface.security.pins import (
    COST,
    Cost,
    StoredPin,
    card_uid,
    check_number,
    check_pin,
    draw_code,
    draw_number,
    is_weak,
    slow_hash,
)


@pytest.mark.parametrize(
    "pin", ["0000", "1111111", "1234", "123456", "7890", "9876", "4321", "2468", "1212", "123123", "90129012"]
)
def test_a_pin_that_is_guessed_first_is_refused_and_not_quoted(pin: str) -> None:
    with pytest.raises(GalleryError, match="guessed first") as caught:
        check_pin(pin)
    assert pin not in str(caught.value)


@pytest.mark.parametrize("pin", ["4711", "1357902", "1213", "864200", "11112"])
def test_any_other_pin_is_accepted(pin: str) -> None:
    check_pin(pin)


@pytest.mark.parametrize(
    "pin", ["", "471", "4711471147110", "47a1", "\u0664\u0667\u0661\u0661", "4711\n", " 4711", "-471"]
)
def test_what_has_no_4_to_12_digits_is_no_pin(pin: str) -> None:
    with pytest.raises(GalleryError, match="4 to 12 digits"):
        check_pin(pin)


@given(st.text("0123456789", min_size=2, max_size=6), st.integers(2, 3))
def test_a_repeated_group_is_weak(group: str, times: int) -> None:
    assert is_weak(group * times)


@pytest.mark.parametrize("number", ["", "12345678901", "1a", "\u0661"])
def test_a_number_has_1_to_10_digits(number: str) -> None:
    check_number("0042")
    with pytest.raises(GalleryError, match="1 to 10 digits"):
        check_number(number)


def test_a_stored_pin_knows_the_pin_the_duress_pin_and_no_other() -> None:
    stored = StoredPin.of("4711")
    assert (stored.is_duress("4711"), stored.is_duress("4712"), stored.is_duress("")) == (False, None, None)
    both = StoredPin(stored.salt, stored.pin, slow_hash("8315", stored.salt))
    assert (both.is_duress("4711"), both.is_duress("8315"), both.is_duress("0815")) == (False, True, None)
    assert StoredPin.of("4711").pin != stored.pin
    assert StoredPin.of_no_one().is_duress("4711") is None
    assert "4711" not in repr(stored)
    assert stored.pin.hex() not in repr(stored)


def test_the_hash_is_argon2id_with_the_parameters_of_the_decision() -> None:
    """The value is what OpenSSL computes, through cryptography (Argon2id, 3 iterations, 64 MiB, 1 lane, 32 bytes)."""
    assert COST == (65_536, 3, 1)
    found = slow_hash("4711", b"saltsaltsaltsalt").hex()
    assert found == "44bd5806d8608331386a8e7e03cf058450f68e035c0e9e916582004794d90d55"


def test_a_hash_that_cannot_be_computed_is_an_error_of_one_line_without_the_secret() -> None:
    with pytest.raises(EdgefaceError, match="a PIN or a code cannot be compared") as caught:
        slow_hash("4711", b"saltsaltsaltsalt", Cost(memory=1, passes=1, lanes=1))
    assert "4711" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "uid"),
    [("04A2B3C4", "04a2b3c4"), ("04:a2:b3:c4:d5:e6:f7", "04a2b3c4d5e6f7"), ("04 A2-b3 c4", "04a2b3c4")],
)
def test_a_uid_may_be_written_as_readers_print_it(text: str, uid: str) -> None:
    assert card_uid(text) == uid


@pytest.mark.parametrize("text", ["", "04a2b3", "04a2b3c", "04a2b3c4d5e6f708091011", "04a2b3cg", "4294967295x"])
def test_what_is_no_uid_is_refused(text: str) -> None:
    with pytest.raises(GalleryError, match="4 to 10 bytes"):
        card_uid(text)


def test_a_code_is_drawn_from_a_thousand_for_each_that_exists() -> None:
    assert re.fullmatch("[0-9]{8}", draw_code([]))
    assert re.fullmatch("[0-9]{6}", draw_code([8] * 999, 6))
    for digits, existing in ((6, [6] * 1000), (6, [8] * 1000), (8, [6] + [8] * 999)):
        with pytest.raises(GalleryError, match="of 6 digits are for 1,000 people at most, and 1,000 codes exist"):
            draw_code(existing, digits)
    assert draw_code([8] * 1000, 8)
    for digits in (5, 13):
        with pytest.raises(GalleryError, match="6 to 12 digits"):
            draw_code([], digits)


def test_codes_and_numbers_are_random() -> None:
    codes = [draw_code([], 6) for _ in range(500)]
    assert len(set(codes)) > 495
    assert not any(is_weak(code) for code in codes)
    digits = Counter("".join(codes))
    assert min(digits.values()) > 200
    assert {len(draw_number(90)), len(draw_number(100)), len(draw_number(1000))} == {4, 5, 6}
