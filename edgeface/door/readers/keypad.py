"""What a person types at a keypad, key by key; a pure state machine."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edgeface.access.factor_messages import CodeFactor, PinFactor, ShownFactor, is_valid
from edgeface.core.settings import Settings

# More digits than any entry has; further ones make the entry invalid and are not kept.
_MAX_DIGITS = 13


class KeypadSettings(Settings):
    """How the door's keypads are used."""

    mode: Literal["pin", "code"] = "pin"
    """pin: a person number, #, a PIN, #. code: one code, #."""
    seconds: Annotated[float, Field(ge=2, le=60, strict=False)] = 10.0
    """Seconds without a key after which what was typed is discarded."""


class Keypad:
    """Collects the digits of one keypad; `#` ends an entry, `*` clears everything."""

    def __init__(self, settings: KeypadSettings) -> None:
        self._mode = settings.mode
        self._seconds = settings.seconds
        self._digits = ""
        self._number: str | None = None
        self._pressed = float("-inf")

    def press(self, sign: str, now: float) -> ShownFactor | None:
        """Process a key at monotonic seconds `now`; returns a factor when it is complete and well formed."""
        if now - self._pressed > self._seconds:
            self.clear()
        self._pressed = now
        if sign == "*":
            self.clear()
        elif sign == "#":
            return self._enter()
        elif len(self._digits) < _MAX_DIGITS:
            self._digits += sign
        return None

    def clear(self) -> None:
        """Discard what was typed."""
        self._digits, self._number = "", None

    def expire(self, now: float) -> None:
        """Discard what was typed too long ago."""
        if now - self._pressed > self._seconds:
            self.clear()

    def _enter(self) -> ShownFactor | None:
        entry, self._digits = self._digits, ""
        if self._mode == "pin" and self._number is None:
            self._number = entry or None
            return None
        factor = CodeFactor(entry) if self._number is None else PinFactor(self._number, entry)
        self.clear()
        return factor if is_valid(factor) else None
