"""A PN532 module: the real library, at a pseudo-terminal with a chip that answers as the PN532 user manual has it."""

from __future__ import annotations

import os
import pty
import select
import sys
import threading
import tty
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgeface.access.factor_messages import CardFactor
from edgeface.core.clock import SystemClock
from edgeface.core.errors import ConfigError
from edgeface.door.readers.pn532 import AWAY_SECONDS, Pn532Reader
from tests.support.broker import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.door.readers.base import OpenReader, ReaderInput

ACK = bytes.fromhex("0000ff00ff00")


def answer(command: int, data: bytes) -> bytes:
    """A normal information frame of the chip (PN532 user manual, 6.2.1.1)."""
    body = bytes([0xD5, command + 1]) + data
    return bytes([0, 0, 0xFF, len(body), -len(body) & 255]) + body + bytes([-sum(body) & 255, 0])


class Chip:
    """A PN532 in HSU mode at the other end of a serial port."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.path = Path(os.ttyname(self.slave))
        self.uid: bytes | None = None
        self.garbled = False
        self._stop = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop = True
        self._thread.join(2)
        os.close(self.master)
        os.close(self.slave)

    def _run(self) -> None:
        data = b""
        while not self._stop:
            if not select.select([self.master], [], [], 0.05)[0]:
                continue
            data += os.read(self.master, 512)
            at = data.find(b"\x00\x00\xff")
            if at < 0 or len(data) < at + 7 or len(data) < at + 7 + data[at + 3]:
                continue
            body, data = data[at + 5 : at + 5 + data[at + 3]], data[at + 7 + data[at + 3] :]
            self._reply(body[1])

    def _reply(self, command: int) -> None:
        known = {0x02: bytes.fromhex("32010607"), 0x14: b""}
        if command == 0x4A and self.uid is not None:
            known[0x4A] = bytes([1, 1, 0, 4, 8, len(self.uid)]) + self.uid
        reply = ACK + (answer(command, known[command]) if command in known else b"")
        os.write(self.master, os.urandom(40) if self.garbled else reply)


@pytest.fixture
def chip() -> Iterator[Chip]:
    pytest.importorskip("adafruit_pn532.uart", reason="needs the extra door-nfc")
    made = Chip()
    yield made
    made.close()


@pytest.fixture
def reader(chip: Chip) -> Iterator[OpenReader]:
    opened = Pn532Reader(device=chip.path).open(SystemClock())
    yield opened
    opened.close()


def shown(reader: OpenReader) -> list[ReaderInput]:
    found: list[ReaderInput] = []

    def read() -> bool:
        found.extend(reader.read(0.25))
        return bool(found)

    until(read)
    return found


@pytest.mark.parametrize("uid", ["04a2b3c4", "04a2b3c4d5e6f7"])
def test_a_card_in_the_field_is_shown_once(chip: Chip, reader: OpenReader, uid: str) -> None:
    assert list(reader.read(0.25)) == []
    chip.uid = bytes.fromhex(uid)
    assert shown(reader) == [CardFactor(uid)]
    assert [one for _ in range(3) for one in reader.read(0.25)] == []


def test_another_card_and_one_that_comes_back_are_shown(chip: Chip, reader: OpenReader) -> None:
    chip.uid = bytes.fromhex("04a2b3c4")
    assert shown(reader) == [CardFactor("04a2b3c4")]
    chip.uid = bytes.fromhex("04a2b3c5")
    assert shown(reader) == [CardFactor("04a2b3c5")]
    chip.uid = None
    clock = SystemClock()
    until_away = clock.monotonic() + AWAY_SECONDS + 0.1
    while clock.monotonic() < until_away:
        assert list(reader.read(0.25)) == []
    chip.uid = bytes.fromhex("04a2b3c5")
    assert shown(reader) == [CardFactor("04a2b3c5")]


def test_garbage_is_an_os_error(chip: Chip, reader: OpenReader) -> None:
    chip.garbled = True
    with pytest.raises(OSError, match="PN532"):
        shown(reader)


def test_a_module_that_does_not_answer_is_an_os_error(tmp_path: Path) -> None:
    pytest.importorskip("adafruit_pn532.uart", reason="needs the extra door-nfc")
    master, slave = pty.openpty()
    with pytest.raises(OSError, match="PN532"):
        Pn532Reader(device=Path(os.ttyname(slave))).open(SystemClock())
    os.close(master)
    os.close(slave)
    with pytest.raises(OSError, match="none"):
        Pn532Reader(device=tmp_path / "none").open(SystemClock())


def test_a_missing_library_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "adafruit_pn532", None)
    monkeypatch.setitem(sys.modules, "adafruit_pn532.uart", None)
    with pytest.raises(ConfigError, match=r"pip install -e .*\[door-nfc\]"):
        Pn532Reader(device=Path("/dev/serial0")).require()
