"""The simulated reader: lines of a named pipe."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.access.factor_messages import CardFactor, ReaderFactor
from edgeface.core.clock import SystemClock
from edgeface.door.readers.base import Key, ReaderInput, Unreadable
from edgeface.door.readers.simulated import SimulatedReader, inputs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"12#\r", [Key("1"), Key("2"), Key("#")]),
        (b"card 04A2B3C4", [CardFactor("04a2b3c4")]),
        (b"card 04", [Unreadable("not the UID of a card")]),
        (b"person alice", [ReaderFactor("alice")]),
        (b"person Alice", [Unreadable("a line that is not known")]),
        (b"", []),
        (b"open sesame", [Unreadable("a line that is not known")]),
        (b"1" * 201, [Unreadable("a line that is too long")]),
        ("1\u0662#".encode(), [Unreadable("a line that is not known")]),
    ],
)
def test_a_line_and_what_it_stands_for(line: bytes, found: list[ReaderInput]) -> None:
    assert list(inputs(line)) == found


@given(st.binary(max_size=400))
def test_any_line_is_something(line: bytes) -> None:
    assert all(isinstance(one, Key | CardFactor | ReaderFactor | Unreadable) for one in inputs(line))


def test_lines_arrive_through_the_pipe_in_parts_and_from_several_writers(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "keys")
    opened = SimulatedReader(path=tmp_path / "keys").open(SystemClock())
    for part, keys in ((b"10", []), (b"4\ncard 04a2b3c4\n7", "104"), (b"\n", "7")):
        with (tmp_path / "keys").open("wb") as writer:
            writer.write(part)
        found = opened.read(0.5)
        assert [one.sign for one in found if isinstance(one, Key)] == list(keys)
    assert list(opened.read(0.0)) == []
    opened.close()


def test_only_a_named_pipe_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("1042#4711#\n")
    with pytest.raises(OSError, match="not a named pipe"):
        SimulatedReader(path=tmp_path / "file").open(SystemClock())
