"""A Wiegand reader at two pins of a Raspberry Pi: cards of 26 and 34 bits, keys of 4 and 8 bits."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Literal

from pydantic import model_validator

from edgeface.core.errors import ConfigError
from edgeface.core.settings import Settings
from edgeface.core.text import counted
from edgeface.door.readers.base import Key, OpenReader, ReaderInput, Unreadable, card
from edgeface.door.switches import Pin, quiet_gpiozero

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.access.factor_messages import CardFactor
    from edgeface.core.clock import Clock

FRAME_GAP = 0.05
"""Seconds without a pulse that end a frame; pulses within one come every 0.2 to 20 ms."""

_CARD_BITS = (26, 34)
_KEY_BITS, _CHECKED_KEY_BITS = 4, 8
_MAX_BITS = 64
_KEYS = "0123456789*#"


class WiegandReader(Settings):
    """A Wiegand reader or keypad; its 5 V outputs need a level shifter (docs/doors.md)."""

    type: Literal["wiegand"] = "wiegand"
    data0: Pin
    """BCM number of the pin with D0."""
    data1: Pin
    """BCM number of the pin with D1."""

    @model_validator(mode="after")
    def _two_pins(self) -> WiegandReader:
        if self.data0 == self.data1:
            raise ValueError("data0 and data1 are two pins")
        return self

    def require(self) -> None:
        """Raise ConfigError if gpiozero is missing."""
        try:
            import gpiozero  # noqa: F401 - imported again when the reader is opened
        except ImportError as error:
            raise ConfigError("readers: type: wiegand needs gpiozero: pip install 'edgeface[door]'") from error

    def open(self, clock: Clock) -> OpenReader:
        """Open both pins; raises OSError."""
        try:
            with quiet_gpiozero():
                return _Lines(self, clock)
        except Exception as error:  # each pin factory of gpiozero raises its own errors
            raise OSError(f"GPIO{self.data0} and GPIO{self.data1} cannot be used: {error}") from error


class _Lines:
    """The two data lines; gpiozero's thread notes each pulse."""

    def __init__(self, settings: WiegandReader, clock: Clock) -> None:
        from gpiozero import DigitalInputDevice

        self._clock = clock
        self._pulses: deque[int] = deque(maxlen=_MAX_BITS + 1)
        self._pulsed_at = float("-inf")
        self._pulsed = threading.Event()
        self._devices: list[Any] = []
        try:
            for bit, pin in enumerate((settings.data0, settings.data1)):
                device = DigitalInputDevice(pin, pull_up=True)
                self._devices.append(device)
                device.when_activated = self._pulse_of(bit)
        except BaseException:
            self.close()
            raise

    def read(self, seconds: float) -> Sequence[ReaderInput]:
        """The key or card of one frame."""
        if not self._pulsed.wait(seconds):
            return ()
        while (rest := self._pulsed_at + FRAME_GAP - self._clock.monotonic()) > 0:
            # A line that never rests is noise, and gives one long frame.
            if len(self._pulses) > _MAX_BITS:
                break
            self._clock.sleep(rest)
        self._pulsed.clear()
        bits = [self._pulses.popleft() for _ in range(len(self._pulses))]
        return (decode(bits),) if bits else ()

    def close(self) -> None:
        """Release both pins."""
        while self._devices:
            self._devices.pop().close()

    def _pulse_of(self, bit: int) -> Any:
        def pulse() -> None:
            self._pulses.append(bit)
            self._pulsed_at = self._clock.monotonic()
            self._pulsed.set()

        return pulse


def decode(bits: Sequence[int]) -> Key | CardFactor | Unreadable:
    """What a frame means; its first bit is the first that the reader sent.

    A card has an even parity bit over the first half and an odd one over the second (SIA AC-01); a key of 8 bits has
    the complement of its 4 bits first.
    """
    number = int("".join(map(str, bits)) or "0", 2)
    if len(bits) in _CARD_BITS:
        half = len(bits) // 2
        if sum(bits[:half]) % 2 or not sum(bits[half:]) % 2:
            return Unreadable("a Wiegand frame with wrong parity")
        return card((number >> 1) & ((1 << len(bits) - 2) - 1))
    if len(bits) == _CHECKED_KEY_BITS and number >> 4 != ~number & 15:
        return Unreadable("a Wiegand key with a wrong check")
    if len(bits) in {_KEY_BITS, _CHECKED_KEY_BITS} and number & 15 < len(_KEYS):
        return Key(_KEYS[number & 15])
    return Unreadable(f"a Wiegand frame of {counted(min(len(bits), _MAX_BITS), 'bit')}")
