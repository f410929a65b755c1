"""Bytes of a message: msgpack, read strictly."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import msgpack  # type: ignore[import-untyped]  # it has no stubs

from edgeface.core.errors import FleetError

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_ITEMS = 1_000
"""Items of a list or a map, apart from rows."""
_READ = 1 << 16


def packed(value: object) -> bytes:
    """The bytes of numbers, texts, bytes, lists and maps; the same value gives the same bytes."""
    data: bytes = msgpack.packb(value)
    return data


def unpacked(
    data: bytes, largest: int, *, rows: str = "", most: int = 0, made: Callable[[object], object] = lambda row: row
) -> object:
    """What `packed` wrote, tuples as lists; FleetError for more than `largest` bytes or other data.

    No list in it may be longer than MOST_ITEMS, so that a few bytes cannot ask for much memory. Only in a map, the list
    with the key `rows` may have `most` rows; they are read one by one, and `made` turns each into what is kept.
    """
    if len(data) > largest:
        raise FleetError(f"a message of more than {largest} bytes")
    limits = {"max_buffer_size": largest, "max_array_len": MOST_ITEMS, "max_map_len": MOST_ITEMS}
    unpacker = msgpack.Unpacker(BytesIO(data), read_size=min(_READ, largest), **limits)
    try:
        value = _map(unpacker, rows, most, made) if rows else unpacker.unpack()
        whole = unpacker.tell() == len(data)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException, msgpack.OutOfData):
        raise FleetError("a message is not msgpack") from None
    if not whole:
        raise FleetError("a message has something after its end")
    return value


def _map(unpacker: msgpack.Unpacker, rows: str, most: int, made: Callable[[object], object]) -> dict[object, object]:
    found: dict[object, object] = {}
    for _ in range(_at_most(unpacker.read_map_header(), MOST_ITEMS)):
        key = unpacker.unpack()
        if key == rows:
            found[key] = [made(unpacker.unpack()) for _ in range(_at_most(unpacker.read_array_header(), most))]
        else:
            found[key] = unpacker.unpack()
    return found


def _at_most(count: int, most: int) -> int:
    if count > most:
        raise ValueError("too many")
    return count
