"""A reader that types like a keyboard: recorded event streams of the kernel through a fake device node.

A named pipe stands for the node, and takes no exclusive use; where /dev/uinput exists, a real device is used too.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.access.factor_messages import CardFactor, is_valid
from edgeface.core.clock import SystemClock
from edgeface.door.readers import keyboard
from edgeface.door.readers.base import Key, ReaderInput, Unreadable
from edgeface.door.readers.keyboard import CardNumber, KeyboardReader, Signs
from tests.support.broker import until

if TYPE_CHECKING:
    from collections.abc import Sequence

CODES = {**{sign: code for code, sign in enumerate("1234567890", 2)}, "\n": 28, "*": 55}
CODES |= dict(zip("abcdef", (30, 48, 46, 32, 18, 33), strict=True))


def event(kind: int, code: int, value: int) -> bytes:
    return struct.pack("@llHHi", 1_800_000_000, 0, kind, code, value)


def pressed(code: int) -> bytes:
    """A key as a USB keyboard reports it: scan code, press, report, release, report."""
    down = event(4, 4, 0x70000 + code) + event(1, code, 1) + event(0, 0, 0)
    return down + event(1, code, 0) + event(0, 0, 0)


def typing(text: str) -> bytes:
    return b"".join(pressed(CODES[sign]) for sign in text)


def test_events_become_signs() -> None:
    assert Signs().feed(typing("0123456789*abcdef\n")) == "0123456789*abcdef#"


@pytest.mark.parametrize(
    ("events", "signs"),
    [
        (event(1, 2, 1) + event(1, 2, 2) * 50 + event(1, 2, 0), "1"),
        (b"".join(pressed(code) for code in (79, 80, 81, 75, 76, 77, 71, 72, 73, 82, 96)), "1234567890#"),
        (event(1, 42, 1) + pressed(4) + pressed(9) + event(1, 42, 0) + pressed(4), "#*3"),
        (event(1, 54, 1) + event(1, 54, 2) + pressed(4) + event(1, 54, 0) + pressed(9), "#8"),
        (pressed(1) + pressed(14), "**"),
        (pressed(CODES["1"]) + event(0, 3, 0) + pressed(CODES["2"]), "1*2"),
        (pressed(59) + event(2, 2, 1) + event(3, 2, 1), ""),
        (pressed(CODES["1"]) + event(1, 3, 1)[:-1], "1"),
    ],
)
def test_only_presses_of_known_keys_count(events: bytes, signs: str) -> None:
    assert Signs().feed(events) == signs


@given(st.binary(max_size=600))
def test_any_bytes_give_known_signs_only(data: bytes) -> None:
    assert set(Signs().feed(data)) <= set("0123456789abcdef*#")


@pytest.mark.parametrize(
    ("number", "typed", "shown"),
    [
        ("decimal", "0077901234#", CardFactor("04a4b1b2")),
        ("decimal", "1#", CardFactor("00000001")),
        ("decimal", "1234567890123456789#", CardFactor("112210f47de98115")),
        ("decimal", "9" * 24 + "#", CardFactor("d3c21bcecceda0ffffff")),
        ("decimal", "9" * 25 + "#", Unreadable("not the number of a card")),
        ("decimal", "04a2#", Unreadable("not the number of a card")),
        ("decimal", "#", None),
        ("decimal", "12*", None),
        ("hex", "04a2b3c4d5e6f7#", CardFactor("04a2b3c4d5e6f7")),
        ("hex", "04a2b3c#", Unreadable("not the UID of a card")),
        ("hex", "0" * 22 + "#", Unreadable("not the UID of a card")),
    ],
)
def test_what_a_card_reader_types(number: str, typed: str, shown: ReaderInput | None) -> None:
    reading = CardNumber(number)  # type: ignore[arg-type]  # both values are allowed
    found = [reading.feed(sign, 0.0) for sign in typed]
    if number == "decimal" and typed == "9" * 24 + "#":
        shown = CardFactor(int("9" * 24).to_bytes(10, "big").hex())
    if typed == "0077901234#":
        shown = CardFactor((77_901_234).to_bytes(4, "big").hex())
    assert found[-1] == shown
    assert not any(found[:-1])


def test_a_pause_separates_two_cards() -> None:
    reading = CardNumber("decimal")
    for sign in "12345":
        assert reading.feed(sign, 0.0) is None
    for sign in "77":
        assert reading.feed(sign, 1.1) is None
    assert reading.feed("#", 1.2) == CardFactor("0000004d")


@given(st.lists(st.sampled_from("0123456789abcdef*#"), max_size=100), st.sampled_from(["decimal", "hex"]))
def test_any_signs_give_valid_cards_only(signs: list[str], number: str) -> None:
    reading = CardNumber(number)  # type: ignore[arg-type]  # both values are allowed
    for sign in signs:
        found = reading.feed(sign, 0.0)
        assert found is None or isinstance(found, Unreadable) or is_valid(found)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A named pipe in place of /dev/input/event0, which cannot be grabbed."""
    os.mkfifo(tmp_path / "event0")
    monkeypatch.setattr(keyboard, "grab", lambda _handle: None)
    return tmp_path / "event0"


def read_all(settings: KeyboardReader, node: Path, data: bytes) -> Sequence[ReaderInput]:
    writer = os.open(node, os.O_RDWR)
    opened = settings.open(SystemClock())
    try:
        os.write(writer, data)
        return [*opened.read(1.0), *opened.read(0.0)]
    finally:
        opened.close()
        os.close(writer)


def test_a_card_of_a_recorded_stream(node: Path) -> None:
    shown = read_all(KeyboardReader(device=node), node, typing("0001234567\n"))
    assert shown == [CardFactor("0012d687")]


def test_keys_of_a_recorded_stream(node: Path) -> None:
    keys = read_all(KeyboardReader(device=node, sends="keys"), node, typing("1a2*\n"))
    assert keys == [Key(sign) for sign in "12*#"]


def test_a_reader_that_is_pulled_out_raises(node: Path) -> None:
    writer = os.open(node, os.O_RDWR)
    opened = KeyboardReader(device=node).open(SystemClock())
    os.close(writer)
    with pytest.raises(OSError, match="ended"):
        opened.read(1.0)
    opened.close()


def test_a_device_that_is_missing_or_cannot_be_grabbed_raises_and_stays_closed(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        KeyboardReader(device=tmp_path / "none").open(SystemClock())
    os.mkfifo(tmp_path / "event0")
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match="ioctl"):
        KeyboardReader(device=tmp_path / "event0").open(SystemClock())
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.skipif(not os.access("/dev/uinput", os.W_OK), reason="needs /dev/uinput")
def test_a_real_device_of_the_kernel_is_grabbed_and_read() -> None:
    # linux/uinput.h: UI_SET_EVBIT, UI_SET_KEYBIT, UI_DEV_CREATE; struct uinput_user_dev has 1116 bytes.
    name = "edgeface test reader"
    with Path("/dev/uinput").open("wb", buffering=0) as made:
        fcntl.ioctl(made, 0x40045564, 1)
        for code in CODES.values():
            fcntl.ioctl(made, 0x40045565, code)
        made.write(name.encode().ljust(80, b"\0") + struct.pack("HHHHi", 3, 1, 1, 1, 0) + bytes(4 * 64 * 4))
        fcntl.ioctl(made, 0x5501)

        def found() -> list[Path]:
            names = Path("/sys/class/input").glob("event*/device/name")
            return [Path("/dev/input") / path.parts[-3] for path in names if path.read_text().strip() == name]

        until(lambda: bool(found()) and os.access(found()[0], os.R_OK))
        opened = KeyboardReader(device=found()[0]).open(SystemClock())
        with pytest.raises(OSError, match="busy"):
            KeyboardReader(device=found()[0]).open(SystemClock())
        made.write(typing("0001234567\n"))
        assert list(opened.read(1.0)) == [CardFactor("0012d687")]
    with pytest.raises(OSError, match="No such device"):
        opened.read(1.0)
    opened.close()
