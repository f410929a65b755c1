"""A hostile or broken centre cannot exhaust a device: an answer takes memory as its length says, and no more."""

from __future__ import annotations

import gzip
import os
import socket
import threading
import tracemalloc
from http.client import HTTPResponse
from typing import TYPE_CHECKING

import msgpack  # type: ignore[import-untyped]  # it has no stubs
import pytest

from edgeface.core.errors import FleetError
from edgeface.fleet.device.client import _body
from edgeface.fleet.messages import Row, Rows
from edgeface.fleet.packing import unpacked

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
ROWS = b"\x81" + msgpack.packb("rows")


def array(count: int) -> bytes:
    """The head of a list that says it has so many items."""
    return b"\xdd" + count.to_bytes(4, "big")


def peak(do: Callable[[], object]) -> int:
    """The most bytes that were in use at once."""
    tracemalloc.start()
    try:
        do()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def listed(count: int) -> bytes:
    rows = tuple(
        Row(person=os.urandom(16), seq=n + 1, key=os.urandom(60), sealed=os.urandom(560)) for n in range(count)
    )
    return Rows(site="house", seq=count, epoch=1, rows=rows, digest="0" * 64, count=count).packed()


def test_a_list_takes_little_more_than_twice_its_length() -> None:
    body = listed(3_000)
    assert peak(lambda: Rows.read(body)) < 2.5 * len(body)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(ROWS + array(4_000_000) + b"\xc0" * 4_000_000, id="millions of rows"),
        pytest.param(ROWS + array(100_000) + b"\xc0" * 100_000, id="rows that are none"),
        pytest.param(ROWS + array(100_000) * 500 + b"\xc0" * 200_000, id="lists in lists"),
        pytest.param(ROWS + b"\x91" * 1_000_000, id="nested deeply"),
        pytest.param(ROWS + array(4_000_000_000), id="a count that is a lie"),
        pytest.param(b"\xdf" + array(4_000_000_000)[1:], id="a map that is a lie"),
        pytest.param(b"\x81" + b"\xdb" + b"\xff" * 8, id="a key that is a lie"),
        pytest.param(gzip.compress(listed(100)), id="compressed"),
        pytest.param(listed(1) + b"\xc0", id="something after the end"),
        pytest.param(listed(1)[:-1], id="cut"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_a_hostile_list_is_refused_and_takes_no_memory(body: bytes) -> None:
    def read() -> None:
        with pytest.raises(FleetError, match="not a Rows"):
            Rows.read(body)

    assert peak(read) < MIB


def test_no_other_list_is_longer_than_a_thousand() -> None:
    assert unpacked(msgpack.packb([0] * 1000), MIB) == [0] * 1000
    with pytest.raises(FleetError, match="not msgpack"):
        unpacked(msgpack.packb([0] * 1001), MIB)


def answer(*parts: bytes, most: int) -> bytes:
    """The body of an answer that a server sends so."""
    ours, theirs = socket.socketpair()

    def send() -> None:
        with theirs:
            for part in parts:
                theirs.sendall(part)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    with ours, HTTPResponse(ours) as response:
        response.begin()
        return _body(response, most)


OK = b"HTTP/1.1 200 OK\r\n"


def test_a_body_in_small_chunks_takes_no_more_memory_than_any_other() -> None:
    chunks = b"1\r\nx\r\n" * 60_000 + b"0\r\n\r\n"
    head = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    assert peak(lambda: answer(head, chunks, most=MIB)) < 2 * MIB
    assert len(answer(head, chunks, most=MIB)) == 60_000


@pytest.mark.parametrize(
    "head", [b"Content-Length: 10000000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n5\r\nxxxxx\r\n0\r\n\r\n"]
)
def test_a_body_that_is_too_long_is_not_read_to_its_end(head: bytes) -> None:
    with pytest.raises(FleetError, match="more than 3 bytes"):
        answer(OK + head + b"xx", most=3)


def test_a_body_of_the_greatest_length_is_read() -> None:
    assert answer(OK + b"Content-Length: 3\r\n\r\nxyz", most=3) == b"xyz"
