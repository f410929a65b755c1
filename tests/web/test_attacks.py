"""The page under attack, over real sockets: an admin at another address signs in and is served within two seconds."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from starlette.responses import StreamingResponse

from edgeface.config.configuration import Web, WebTls
from edgeface.web.auth import accounts
from edgeface.web.http.connections import LIMITS, ConnectionLimits
from tests.support.certificates import Authority
from tests.support.web import Stage, make_app, serving, with_routes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from edgeface.web.server import Server

PASSWORD = "correct horse battery"  # noqa: S105 - of a test
ADMIN = "127.0.0.200"
LIMIT = 2.0
FORM = "application/x-www-form-urlencoded"
SLOW = (
    b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 5000\r\n\r\nname=ro"
)


@pytest.fixture(autouse=True)
def _people(stage: Stage) -> None:
    for name, role in (("root", "admin"), ("anna", "viewer")):
        accounts.set_password(stage.data, name, "admin" if role == "admin" else "viewer", PASSWORD, 0.0)


def addresses(several: bool, count: int) -> list[str]:  # noqa: FBT001 - a parameter of the tests
    """As many different addresses of this machine, or always the same."""
    return [f"127.0.0.{2 + n % 190}" if several else "127.0.0.2" for n in range(count)]


def login(
    port: int, source: str, name: str, password: str, headers: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """Status, target and cookie of one try to sign in."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=15, source_address=(source, 0))) as connection:
        body = urlencode({"name": name, "secret": password})
        connection.request("POST", "/login", body, {"Content-Type": FORM, "Host": "localhost", **(headers or {})})
        answer = connection.getresponse()
        cookie = (answer.getheader("set-cookie") or "").partition(";")[0]
        return answer.status, answer.getheader("location") or "", cookie


def signs_in(port: int, source: str, name: str, password: str) -> bool:
    """Whether a try of an attacker, whose connection may be closed, signs in."""
    with suppress(OSError, http.client.HTTPException):
        return login(port, source, name, password)[1] == "/"
    return False


def status_of(port: int, source: str, cookie: str, path: str = "/people") -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=15, source_address=(source, 0))) as connection:
        connection.request("GET", path, headers={"Cookie": cookie, "Host": "localhost"})
        return connection.getresponse().status


def served(port: int) -> float:
    """Sign the admin in and load a page; gives the seconds, or raises what went wrong."""
    begun = time.monotonic()
    status, where, cookie = login(port, ADMIN, "root", PASSWORD)
    assert (status, where) == (303, "/"), (status, where)
    assert status_of(port, ADMIN, cookie) == 200
    return time.monotonic() - begun


def tries(port: int, seconds: float) -> list[float]:
    """Sign the admin in again and again for a while, and print how long that took."""
    took, until = list[float](), time.monotonic() + seconds
    while not took or time.monotonic() < until:
        took.append(served(port))
        time.sleep(0.1)
    print(f"signed in and served {len(took)} times; longest {max(took):.2f} s")  # noqa: T201 - a figure
    return took


@contextmanager
def half_sent(port: int, sources: list[str], text: bytes) -> Iterator[list[socket.socket]]:
    """Connections that have sent this much and no more."""
    with ExitStack() as stack:
        clients = []
        for source in sources:
            client = socket.create_connection(("127.0.0.1", port), 10, source_address=(source, 0))
            clients.append(stack.enter_context(client))
            client.sendall(text)
        yield clients


def ends(client: socket.socket) -> bool:
    """Whether the server ends a connection within 5 s, once everything has been read."""
    client.settimeout(5)
    until = time.monotonic() + 5
    try:
        with suppress(ConnectionResetError):
            while client.recv(1_000_000):
                if time.monotonic() > until:
                    return False
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize(
    ("count", "text", "several"),
    [(66, SLOW, False), (66, SLOW, True), (66, SLOW[:60], False), (66, b"", True), (201, SLOW, True)],
    ids=["bodies", "bodies of many", "headers", "silent ones of many", "201 bodies of many"],
)
def test_slow_sign_ins_keep_no_admin_out(server: Server, text: bytes, count: int, *, several: bool) -> None:
    with half_sent(server.port, addresses(several, count), text):
        assert max(tries(server.port, 1.0)) < LIMIT


@pytest.mark.parametrize(
    ("name", "several"), [("root", False), ("root", True), ("nobody", True), ("each", False), ("each", True)]
)
def test_wrong_passwords_keep_no_admin_out(server: Server, name: str, *, several: bool) -> None:
    with ThreadPoolExecutor(25) as pool:
        jobs = [
            pool.submit(signs_in, server.port, source, name if name != "each" else f"name-{n}", f"wrong {n}")
            for n, source in enumerate(addresses(several, 25))
        ]
        took = tries(server.port, 1.0)
        assert not any(job.result() for job in jobs)
    took += tries(server.port, 0.5)
    assert max(took) < LIMIT


@pytest.mark.slow(seconds=25)
@pytest.mark.parametrize(("name", "several"), [("anna", False), ("anna", True), ("root", True)])
def test_201_sign_ins_of_others_neither_end_an_admins_session_nor_delay_one(
    server: Server, name: str, *, several: bool
) -> None:
    _, _, cookie = login(server.port, ADMIN, "root", PASSWORD)
    done = threading.Event()

    def others() -> int:
        try:
            with ThreadPoolExecutor(20) as pool:
                sources = addresses(several, 201)
                return sum(pool.map(lambda source: signs_in(server.port, source, name, PASSWORD), sources))
        finally:
            done.set()

    with ThreadPoolExecutor(1) as pool:
        job, took = pool.submit(others), list[float]()
        while not done.is_set():
            took.append(served(server.port))
            # Whoever has the admin's own password is no other.
            assert name == "root" or status_of(server.port, ADMIN, cookie) == 200
        assert job.result() > 0
    print(f"{job.result()} of 201 signed in; longest {max(took):.2f} s")  # noqa: T201 - a figure
    assert max(took) < LIMIT


def test_what_a_client_does_not_read_is_not_kept_for_it(stage: Stage) -> None:
    async def endless(_: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 100_000
                # As each stream of the web does: one that never waits would keep its event loop to itself.
                await asyncio.sleep(0)

        return StreamingResponse(parts())

    with_routes(stage, endless=endless)
    get = b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with (
        serving(stage, limits=ConnectionLimits(stalled_seconds=1)) as server,
        half_sent(server.port, ["127.0.0.2"], get) as (client,),
    ):
        time.sleep(3.5)
        assert ends(client), "what the kernel holds comes first"


def test_connections_that_wait_make_room_for_others(server: Server) -> None:
    with half_sent(server.port, addresses(several=True, count=180), SLOW) as clients:
        assert status_of(server.port, ADMIN, "", "/login") == 200
        assert ends(clients[0])
        clients[-1].setblocking(False)
        with pytest.raises(BlockingIOError):
            clients[-1].recv(1)


@pytest.mark.parametrize("text", [SLOW, b"GET "], ids=["bodies", "headers"])
def test_one_address_has_so_many_half_sent_requests(server: Server, text: bytes) -> None:
    sources = ["127.0.0.2"] * (LIMITS.half_sent + 1)
    with half_sent(server.port, ["127.0.0.3"], text) as (other,), half_sent(server.port, sources, text) as clients:
        assert ends(clients[0])
        for client in (other, *clients[1:]):
            client.setblocking(False)
            with pytest.raises(BlockingIOError):
                client.recv(1)


def test_one_address_has_so_many_connections(stage: Stage) -> None:
    assert LIMITS.half_sent < LIMITS.of_address < LIMITS.in_all
    with (
        serving(stage, limits=ConnectionLimits(of_address=5)) as server,
        half_sent(server.port, ["127.0.0.2"] * 5, b"GET "),
        half_sent(server.port, ["127.0.0.2"], b"") as (sixth,),
    ):
        assert ends(sixth)
        assert status_of(server.port, ADMIN, "", "/login") == 200


def test_a_tls_handshake_that_stands_still_is_ended(stage: Stage, tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path / "ca").broker("127.0.0.1")
    settings = Web(port=0, tls=WebTls(certificate=certificate, key=key))
    with (
        serving(stage, settings, limits=ConnectionLimits(handshake_seconds=0.5)) as server,
        half_sent(server.port, ["127.0.0.2"], b"\x16\x03\x01") as (client,),
    ):
        assert ends(client)


@pytest.mark.parametrize("order", [1, -1])
def test_a_request_with_two_lengths_is_refused(server: Server, order: int) -> None:
    lengths = [b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n"][::order]
    text = b"POST /login HTTP/1.1\r\nHost: localhost\r\n" + b"".join(lengths) + b"\r\n0\r\n\r\n"
    with half_sent(server.port, ["127.0.0.2"], text + b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n") as (
        client,
    ):
        answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert b"connection: close" in answer.lower()


def test_behind_a_proxy_each_client_is_counted_by_itself(stage: Stage) -> None:
    settings = Web(port=0, trusted_proxies=("127.0.0.9",))

    def attempt(client: str, secret: str, source: str = "127.0.0.9") -> str:
        return login(running.port, source, "root", secret, {"X-Forwarded-For": client})[1]

    with serving(stage, settings, make_app(stage.context, settings)) as running:
        assert [attempt("10.0.0.1", "wrong") for _ in range(5)] == ["/login?wrong=1"] * 5
        assert attempt("10.0.0.1", PASSWORD).startswith("/login?wait=")
        assert attempt("10.0.0.3, 10.0.0.1", PASSWORD).startswith("/login?wait="), "the client wrote what is left"
        assert attempt("10.0.0.2", PASSWORD) == "/"
        # Another machine may write what it likes.
        for number in range(5):
            attempt(f"10.0.1.{number}", "wrong", "127.0.0.8")
        assert attempt("10.0.2.1", PASSWORD, "127.0.0.8").startswith("/login?wait=")
