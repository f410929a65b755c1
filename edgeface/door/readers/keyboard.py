"""A card reader or a keypad that types like a keyboard, read through the kernel's evdev interface."""

from __future__ import annotations

import fcntl
import os
import select
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from edgeface.core.settings import Settings
from edgeface.door.readers.base import Key, OpenReader, ReaderInput, Unreadable, card, hex_card

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.access.factor_messages import CardFactor
    from edgeface.core.clock import Clock

# struct input_event and the codes of linux/input.h and linux/input-event-codes.h, which the kernel never changes.
_EVENT = struct.Struct("@llHHi")
_EV_SYN, _EV_KEY = 0, 1
_SYN_DROPPED = 3
_RELEASED, _PRESSED = 0, 1
_SHIFTS = {42, 54}
_EVIOCGRAB = 0x40044590
_MAX_EVENTS = 64

_ENTER = {28, 96}
_CLEAR = {1, 14, 55}  # Escape, Backspace, * of the number pad
_SIGNS = {
    **dict(zip(range(2, 12), "1234567890", strict=True)),
    **dict(zip((82, 79, 80, 81, 75, 76, 77, 71, 72, 73), "0123456789", strict=True)),
    **dict(zip((30, 48, 46, 32, 18, 33), "abcdef", strict=True)),
}
_SHIFTED = {"3": "#", "8": "*"}

_GAP_SECONDS = 1.0
"""A reader types a UID without pauses: what follows a pause belongs to the next card."""
_MAX_SIGNS = 24


class KeyboardReader(Settings):
    """A card reader or a keypad that types like a keyboard; no other program receives what it types."""

    type: Literal["keyboard"] = "keyboard"
    device: Path = Field(strict=False)
    """The device, best by its id: /dev/input/by-id/...-event-kbd."""
    sends: Literal["card", "keys"] = "card"
    """card: the number of a card and Enter. keys: what someone types."""
    number: Literal["decimal", "hex"] = "decimal"
    """card: how the number is written."""

    def require(self) -> None:
        """Everything that it needs is in the kernel."""

    def open(self, clock: Clock) -> OpenReader:
        """Open the device for this process only; raises OSError."""
        return _Keyboard(self, clock)


class _Keyboard:
    """The device; another program that reads it gets nothing while it is open."""

    def __init__(self, settings: KeyboardReader, clock: Clock) -> None:
        self._clock = clock
        self._signs = Signs()
        self._card = None if settings.sends == "keys" else CardNumber(settings.number)
        self._handle = os.open(settings.device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            grab(self._handle)
        except OSError:
            self.close()
            raise

    def read(self, seconds: float) -> Sequence[ReaderInput]:
        """Keys, or cards."""
        if not select.select([self._handle], [], [], seconds)[0]:
            return ()
        data = os.read(self._handle, _EVENT.size * _MAX_EVENTS)
        if not data:
            raise OSError("the device has ended")
        found: list[ReaderInput] = []
        for sign in self._signs.feed(data):
            if self._card is None:
                # Letters have no meaning on a keypad.
                found += [Key(sign)] if sign in "0123456789*#" else []
            elif (shown := self._card.feed(sign, self._clock.monotonic())) is not None:
                found.append(shown)
        return found

    def close(self) -> None:
        """Release it; the kernel ends the exclusive use."""
        os.close(self._handle)


def grab(handle: int) -> None:
    """Keep the device's input from all other programs; raises OSError if another program has it already."""
    fcntl.ioctl(handle, _EVIOCGRAB, 1)


class Signs:
    """Turns the kernel's events into signs: 0-9, a-f, `*` (clear) and `#` (Enter)."""

    def __init__(self) -> None:
        self._shifts: set[int] = set()

    def feed(self, data: bytes) -> str:
        """The signs of whole events; a part of one at the end is ignored."""
        whole = len(data) - len(data) % _EVENT.size
        return "".join(self._sign(*event[2:]) for event in _EVENT.iter_unpack(data[:whole]))

    def _sign(self, kind: int, code: int, value: int) -> str:
        if (kind, code) == (_EV_SYN, _SYN_DROPPED):
            return "*"  # the kernel has lost events: what came before is incomplete
        if kind != _EV_KEY:
            return ""
        if code in _SHIFTS:
            (self._shifts.discard if value == _RELEASED else self._shifts.add)(code)
        # 2 is a key that repeats because it is held.
        if value != _PRESSED:
            return ""
        if code in _ENTER or code in _CLEAR:
            return "#" if code in _ENTER else "*"
        sign = _SIGNS.get(code, "")
        return _SHIFTED.get(sign, sign) if self._shifts else sign


class CardNumber:
    """Collects the number that a card reader types."""

    def __init__(self, number: Literal["decimal", "hex"]) -> None:
        self._digits = "0123456789" if number == "decimal" else "0123456789abcdef"
        self._typed = ""
        self._at = float("-inf")

    def feed(self, sign: str, now: float) -> CardFactor | Unreadable | None:
        """Process a sign at monotonic seconds `now`; returns the card at Enter."""
        typed = self._typed if now - self._at <= _GAP_SECONDS else ""
        self._at, self._typed = now, ""
        if sign == "*":
            return None
        if sign == "#":
            return self._shown(typed)
        self._typed = (typed + sign)[: _MAX_SIGNS + 1]
        return None

    def _shown(self, typed: str) -> CardFactor | Unreadable | None:
        if not typed:
            return None
        if len(typed) > _MAX_SIGNS or not set(typed) <= set(self._digits):
            return Unreadable("not the number of a card")
        return hex_card(typed) if "a" in self._digits else card(int(typed))
