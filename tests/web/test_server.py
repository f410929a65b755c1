"""The server: TLS, ports, streams and connections, over real sockets."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
import time
import urllib.request
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from edgeface.config.configuration import Web, WebTls
from edgeface.web import server as web_server
from edgeface.web.http.connections import ConnectionLimits
from edgeface.web.server import Server
from tests.support.broker import until
from tests.support.certificates import Authority
from tests.support.web import Stage, serving, with_routes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.testclient import TestClient

    Make = Callable[..., TestClient]


def fetched(url: str, context: ssl.SSLContext | None = None) -> int:
    request = urllib.request.Request(url)  # noqa: S310 - it is ours
    with urllib.request.urlopen(request, timeout=60, context=context) as answer:  # noqa: S310 - as above
        return int(answer.status)


def test_the_page_is_served_by_tls(stage: Stage, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.broker("127.0.0.1")
    with serving(stage, Web(port=0, tls=WebTls(certificate=certificate, key=key))) as running:
        assert running.url.startswith("https://127.0.0.1:")
        assert fetched(f"{running.url}login", authority.context(None)) == 200
        old = authority.context(None)
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(OSError, match=r"(?i)ssl|tls"):
            fetched(f"{running.url}login", old)
        with pytest.raises(OSError, match=r"(?i)remote|reset|closed"):
            fetched(f"http://127.0.0.1:{running.port}/login")


@pytest.mark.parametrize("broken", ["missing", "garbage"])
def test_a_certificate_that_cannot_be_used_is_a_problem_in_one_line(
    stage: Stage, tmp_path: Path, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    if broken == "garbage":
        (tmp_path / "c").write_text("x")
        (tmp_path / "k").write_text("x")
    tls = WebTls(certificate=tmp_path / "c", key=tmp_path / "k")
    running = Server(stage.app, Web(port=0, tls=tls), stage.context.hub)
    running.start()
    until(lambda: running.problem is not None, 10)
    running.stop()
    assert running.problem is not None
    assert running.problem.startswith("web: ")
    assert "\n" not in running.problem
    assert [one.levelname for one in caplog.records] == ["ERROR"]


def test_a_port_that_is_taken_is_tried_again(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        running = Server(stage.app, Web(port=port), stage.context.hub, retry_seconds=0.1)
        running.start()
        until(lambda: running.problem is not None, 10)
        time.sleep(0.3)
    try:
        assert running.wait(60)
        assert running.problem is None
        assert fetched(f"{running.url}login") == 200
    finally:
        running.stop()
    (told,) = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
    assert told == f"web: 127.0.0.1:{port} cannot be served: Address already in use"


async def _events(request: Request) -> Response:
    from starlette.responses import StreamingResponse

    async def lines() -> AsyncIterator[bytes]:
        yield b"begin\n"
        async for wire in request.app.state.context.hub.events():
            yield json.dumps(wire).encode()

    return StreamingResponse(lines())


async def _for_ever(_: Request) -> Response:
    from starlette.responses import StreamingResponse

    async def parts() -> AsyncIterator[bytes]:
        while True:
            yield b"part\n"
            await asyncio.sleep(0.02)

    return StreamingResponse(parts())


@contextmanager
def streaming(port: int, path: str) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    with closing(connection), connection.getresponse() as answer:
        answer.fp.read(2)
        yield answer


def test_it_ends_in_time_whatever_streams(stage: Stage, server: Server) -> None:
    with_routes(stage, events=_events, ever=_for_ever)
    with streaming(server.port, "/api/events"), streaming(server.port, "/api/ever"):
        until(lambda: stage.context.hub.listeners == 1)
        until(server.stop, web_server.STOP_SECONDS)
    assert stage.context.hub.listeners == 0


def test_a_connection_that_says_nothing_is_closed(stage: Stage) -> None:
    with (
        serving(stage, limits=ConnectionLimits(idle_seconds=1)) as server,
        socket.create_connection(("127.0.0.1", server.port), 10) as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\nHost: local")
        assert client.recv(100) == b""


@pytest.mark.parametrize("text", [b"\x16\x03\x01\x00\xff garbage", b"GET / HTTP/9\r\n\r\n", b"GET " + b"x" * 70_000])
def test_garbage_gets_400_and_leaves_no_trace(server: Server, text: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.sendall(text)
        answer = client.recv(100)
    assert answer.startswith(b"HTTP/1.1 400 ")
    # The server logs its address in a thread of its own, possibly now.
    assert [one.message for one in caplog.records if not one.message.startswith("the web page is at ")] == []
    assert fetched(f"{server.url}login") == 200
