"""Writes FlatBuffers, the form of .tflite files, front to back; the same tables give the same bytes.

The form is that of flatbuffers.dev/internals. The package flatbuffers is not used: tflite-runtime does not bring it,
and the hashes of the files that we write are pinned, so that they must not change with its version.
"""

from __future__ import annotations

import struct
from typing import Literal, NamedTuple, TypeAlias

# Bytes are at multiples of this many, as TFLite needs it for numbers.
_ALIGNMENT = 16
_REFERENCE = 4
_FORMS = {"Bool": "<?", "Int8": "<b", "Uint8": "<B", "Int32": "<i", "Uint32": "<I", "Float32": "<f"}


class Number(NamedTuple):
    """A number in a field."""

    form: Literal["Bool", "Int8", "Uint8", "Int32", "Uint32", "Float32"]
    value: float


class Table(dict[int, "Field"]):
    """A table: its fields by number."""


Field: TypeAlias = "Number | str | bytes | list[int] | list[Table] | Table"
"""What a field of a table is: a number, text, bytes, 32-bit integers, tables, or a table."""


def serialised(root: Table, identifier: bytes) -> bytes:
    """A file of a root table; `identifier` is four bytes that name the schema."""
    file = _File(bytes(_REFERENCE) + identifier)
    file.refer(0, file.put(root))
    return bytes(file.data)


class _File:
    """What is written so far; references go forward, and are filled in once their target has its place."""

    def __init__(self, head: bytes) -> None:
        self.data = bytearray(head)

    def refer(self, at: int, target: int) -> None:
        """Let the reference at a place lead to a later one."""
        struct.pack_into("<I", self.data, at, target - at)

    def put(self, value: str | bytes | list[int] | list[Table] | Table) -> int:
        """Write a value and what it refers to; returns its place."""
        if isinstance(value, Table):
            return self._put_table(value)
        if isinstance(value, list):
            return self._put_list(value)
        if isinstance(value, str):
            return self._put_bytes(value.encode() + b"\0", len(value.encode()), _REFERENCE)
        return self._put_bytes(value, len(value), _ALIGNMENT)

    def _put_bytes(self, value: bytes, count: int, alignment: int) -> int:
        place = self._aligned(alignment, _REFERENCE)
        self.data += struct.pack("<I", count) + value
        return place

    def _put_list(self, values: list[int] | list[Table]) -> int:
        place = self._aligned(_REFERENCE)
        self.data += struct.pack("<I", len(values))
        tables = [value for value in values if isinstance(value, Table)]
        numbers = [0 if isinstance(value, Table) else value for value in values]
        first = len(self.data)
        self.data += struct.pack(f"<{len(numbers)}i", *numbers)
        for number, table in enumerate(tables):
            self.refer(first + _REFERENCE * number, self._put_table(table))
        return place

    def _put_table(self, table: Table) -> int:
        places, inline = _layout(table)
        offsets = [places.get(number, 0) for number in range(1 + max(table, default=-1))]
        directory = struct.pack(f"<{2 + len(offsets)}H", 4 + 2 * len(offsets), inline, *offsets)
        # The directory ends where the table begins.
        place = self._aligned(_REFERENCE, len(directory)) + len(directory)
        self.data += directory + struct.pack("<i", len(directory)) + bytes(inline - _REFERENCE)
        for number, field in table.items():
            if isinstance(field, Number):
                form = _FORMS[field.form]
                number_or_flag = field.value if form == "<f" else int(field.value)
                struct.pack_into(form, self.data, place + places[number], number_or_flag)
        for number, field in table.items():
            if not isinstance(field, Number):
                self.refer(place + places[number], self.put(field))
        return place

    def _aligned(self, alignment: int, before: int = 0) -> int:
        """Fill up with zeros, so that what comes `before` bytes later is aligned; returns the next place."""
        self.data += bytes(-(len(self.data) + before) % alignment)
        return len(self.data)


def _layout(table: Table) -> tuple[dict[int, int], int]:
    """Where in a table its fields are, the large ones first, and the size of all."""
    places, at = {}, _REFERENCE
    for number in sorted(table, key=lambda number: (-_size(table[number]), number)):
        places[number] = at
        at += _size(table[number])
    return places, at


def _size(field: Field) -> int:
    return struct.calcsize(_FORMS[field.form]) if isinstance(field, Number) else _REFERENCE
