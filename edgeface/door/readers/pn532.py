"""A PN532 module at a serial port: contactless cards and tags of ISO/IEC 14443 type A."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from edgeface.core.errors import ConfigError
from edgeface.core.installed.place import add_part
from edgeface.core.settings import Settings
from edgeface.door.readers.base import OpenReader, ReaderInput, hex_card

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.core.clock import Clock

_BAUD = 115_200
_ANSWER_SECONDS = 0.1
_POLL_SECONDS = 0.25
AWAY_SECONDS = 1.0
"""A card that stays in the field is shown once; after this time without it, it counts as shown again."""


class Pn532Reader(Settings):
    """A PN532 module at a serial port."""

    type: Literal["pn532"] = "pn532"
    device: Path = Field(strict=False)
    """The serial port, such as /dev/serial0, or best by its id: /dev/serial/by-id/..."""

    def require(self) -> None:
        """Raise ConfigError if the library is missing."""
        try:
            import adafruit_pn532.uart  # noqa: F401 - as serial
            import serial  # noqa: F401 - it is imported again when the reader is opened
        except ImportError as error:
            needs = "readers: type: pn532 needs the PN532 library"
            raise ConfigError(f"{needs}: {add_part('door-nfc')}") from error

    def open(self, clock: Clock) -> OpenReader:
        """Open the port and wake the module; raises OSError."""
        return _Module(self, clock)


class _Module:
    """The module, which is asked for a card again and again."""

    def __init__(self, settings: Pn532Reader, clock: Clock) -> None:
        import serial
        from adafruit_pn532.uart import PN532_UART

        self._clock = clock
        self._last: bytes | None = None
        self._seen = float("-inf")
        # SerialException is an OSError.
        self._port = serial.Serial(str(settings.device), _BAUD, timeout=_ANSWER_SECONDS, exclusive=True)
        try:
            self._module = _asked(lambda: PN532_UART(self._port))
            _asked(self._module.SAM_configuration)
        except OSError:
            self.close()
            raise

    def read(self, seconds: float) -> Sequence[ReaderInput]:
        """The card that has come into the field."""
        uid = _asked(lambda: self._module.read_passive_target(timeout=min(seconds, _POLL_SECONDS)))
        now = self._clock.monotonic()
        if uid is None:
            return ()
        new = bytes(uid) != self._last or now - self._seen > AWAY_SECONDS
        self._last, self._seen = bytes(uid), now
        return (hex_card(bytes(uid).hex()),) if new else ()

    def close(self) -> None:
        """Close the port."""
        self._port.close()


def _asked(question: Any) -> Any:
    """The module's answer; raises OSError if there is none that makes sense."""
    try:
        return question()
    except OSError:
        raise
    except Exception as error:  # the library raises RuntimeError, BusyError and whatever garbled bytes lead to
        raise OSError(f"the PN532 does not answer ({type(error).__name__})") from error
