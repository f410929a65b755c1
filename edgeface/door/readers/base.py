"""What every reader has in common: its settings open it, and it returns keys and factors until its device fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from edgeface.access.factor_messages import CardFactor, ReaderFactor, is_valid

if TYPE_CHECKING:
    from collections.abc import Sequence

_MIN_UID_BYTES = 4


class Key(NamedTuple):
    """A key of a keypad: a digit, `*` or `#`."""

    sign: str


class Unreadable(NamedTuple):
    """Something that a reader sent and that is neither a key nor a card."""

    why: str
    """Without any of its content."""


ReaderInput = Key | CardFactor | ReaderFactor | Unreadable


class OpenReader(Protocol):
    """A reader whose device is open; one thread uses it."""

    def read(self, seconds: float) -> Sequence[ReaderInput]:
        """Wait at most about this long for input; raises OSError once the device is gone."""

    def close(self) -> None:
        """Release the device; never raises."""


def card(number: int) -> CardFactor | Unreadable:
    """The card with this number, as at least 4 bytes, the highest first."""
    return hex_card(number.to_bytes(max(_MIN_UID_BYTES, (number.bit_length() + 7) // 8), "big").hex())


def hex_card(text: str) -> CardFactor | Unreadable:
    """The card with this UID in hexadecimal."""
    found = CardFactor(text.lower())
    return found if is_valid(found) else Unreadable("not the UID of a card")
