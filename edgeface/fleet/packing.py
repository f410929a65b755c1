"""Bytes of a message: msgpack, read strictly."""

from __future__ import annotations

import msgpack  # type: ignore[import-untyped]  # it has no stubs

from edgeface.core.errors import FleetError


def packed(value: object) -> bytes:
    """The bytes of numbers, texts, bytes, lists and maps; the same value gives the same bytes."""
    data: bytes = msgpack.packb(value)
    return data


def unpacked(data: bytes, largest: int) -> object:
    """What `packed` wrote, tuples as lists; FleetError for more than `largest` bytes or other data."""
    if len(data) > largest:
        raise FleetError(f"a message of more than {largest} bytes")
    try:
        value: object = msgpack.unpackb(data)
    except (ValueError, msgpack.UnpackException):
        raise FleetError("a message is not msgpack") from None
    return value
