"""Wiegand frames, decoded and through gpiozero's own mock pins."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.access.factor_messages import CardFactor
from edgeface.core.clock import SystemClock
from edgeface.door.readers.base import Key, ReaderInput, Unreadable
from edgeface.door.readers.wiegand import WiegandReader, decode
from tests.support.clock import FixedClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gpiozero.pins.mock import MockFactory

    from edgeface.door.readers.base import OpenReader


def frame(number: int, bits: int) -> list[int]:
    """A card as a reader sends it: even parity, the number, odd parity."""
    middle = [number >> at & 1 for at in range(bits - 3, -1, -1)]
    half = (bits - 2) // 2
    return [sum(middle[:half]) % 2, *middle, 1 - sum(middle[half:]) % 2]


def key(value: int, bits: int = 4) -> list[int]:
    value = value if bits == 4 else (~value & 15) << 4 | value
    return [value >> at & 1 for at in range(bits - 1, -1, -1)]


@pytest.mark.parametrize(
    ("bits", "shown"),
    [
        # Facility 69, card 12345, as cards are printed: the frame 1 01000101 0011000000111001 0.
        ([int(bit) for bit in "10100010100110000001110011"], CardFactor("00453039")),
        (frame(0x453039, 26), CardFactor("00453039")),
        (frame(0xFFFFFF, 26), CardFactor("00ffffff")),
        (frame(0x04A2B3C4, 34), CardFactor("04a2b3c4")),
        (frame(0, 34), CardFactor("00000000")),
        (key(0), Key("0")),
        (key(9), Key("9")),
        (key(10), Key("*")),
        (key(11), Key("#")),
        (key(7, 8), Key("7")),
        (key(11, 8), Key("#")),
        (key(12), Unreadable("a Wiegand frame of 4 bits")),
        ([0, 0, 0, 0, 0, 1, 1, 1], Unreadable("a Wiegand key with a wrong check")),
        (frame(0x453039, 26)[:-1], Unreadable("a Wiegand frame of 25 bits")),
        ([1] * 64, Unreadable("a Wiegand frame of 64 bits")),
    ],
)
def test_a_frame_and_what_it_means(bits: list[int], shown: ReaderInput) -> None:
    assert decode(bits) == shown


@given(st.sampled_from([26, 34]), st.integers(0, 2**32 - 1), st.integers(0, 33))
def test_one_wrong_bit_is_noticed(bits: int, number: int, at: int) -> None:
    sent = frame(number % 2 ** (bits - 2), bits)
    assert isinstance(decode(sent), CardFactor)
    sent[at % bits] ^= 1
    assert decode(sent) == Unreadable("a Wiegand frame with wrong parity")


@given(st.lists(st.integers(0, 1), min_size=1, max_size=70))
def test_any_frame_is_a_key_a_card_or_nothing(bits: list[int]) -> None:
    shown = decode(bits)
    assert isinstance(shown, Unreadable) or len(bits) in {4, 8, 26, 34}


@pytest.fixture
def reader(pins: MockFactory) -> Iterator[OpenReader]:
    del pins
    opened = WiegandReader(data0=23, data1=24).open(SystemClock())
    yield opened
    opened.close()


def send(pins: MockFactory, bits: Sequence[int]) -> None:
    """Each bit is a short pulse to ground on its line."""
    for bit in bits:
        pin = pins.pin(24 if bit else 23)
        pin.drive_low()
        pin.drive_high()


def test_frames_at_the_pins(pins: MockFactory, reader: OpenReader) -> None:
    assert list(reader.read(0.01)) == []
    for sent, shown in ((frame(0x453039, 26), CardFactor("00453039")), (key(5), Key("5"))):
        send(pins, sent)
        assert list(reader.read(1.0)) == [shown]
    assert list(reader.read(0.01)) == []


def test_a_pause_within_a_frame_makes_two_of_it(pins: MockFactory, reader: OpenReader) -> None:
    sent = frame(0x453039, 26)
    send(pins, sent[:10])
    assert list(reader.read(1.0)) == [Unreadable("a Wiegand frame of 10 bits")]
    send(pins, sent[10:])
    assert list(reader.read(1.0)) == [Unreadable("a Wiegand frame of 16 bits")]
    send(pins, sent)
    assert list(reader.read(1.0)) == [CardFactor("00453039")]


def test_noise_without_end_is_bounded(pins: MockFactory) -> None:
    clock = FixedClock()
    with closing(WiegandReader(data0=23, data1=24).open(clock)) as reader:
        send(pins, [1, 0] * 2000)
        assert list(reader.read(1.0)) == [Unreadable("a Wiegand frame of 64 bits")]
        assert clock.now == 0.0, "it does not wait for the end"
        send(pins, frame(0x453039, 26))
        assert list(reader.read(1.0)) == [CardFactor("00453039")]


def test_a_pin_that_is_taken_is_an_error_and_frees_the_other(pins: MockFactory, reader: OpenReader) -> None:
    del pins, reader
    with pytest.raises(OSError, match="GPIO22 and GPIO23 cannot be used"):
        WiegandReader(data0=22, data1=23).open(SystemClock())
    WiegandReader(data0=22, data1=25).open(SystemClock()).close()
