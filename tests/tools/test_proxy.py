"""Each network fault of the proxy does what its name says."""

import socket
import time
from collections.abc import Iterator

import pytest

from tests.support.broker import until
from tests.support.proxy import Proxy


class Ends:
    """A client and a server with the proxy between them."""

    def __init__(self, proxy: Proxy, server: socket.socket) -> None:
        self.proxy = proxy
        self.client = socket.create_connection(("127.0.0.1", proxy.port), timeout=3)
        self.server, _ = server.accept()
        self.server.settimeout(3)


@pytest.fixture
def ends() -> Iterator[Ends]:
    with socket.create_server(("127.0.0.1", 0)) as server, Proxy(server.getsockname()[1]) as proxy:
        both = Ends(proxy, server)
        yield both
        both.client.close()
        both.server.close()


def test_it_passes_and_counts(ends: Ends) -> None:
    ends.client.sendall(b"ping")
    assert ends.server.recv(9) == b"ping"
    ends.server.sendall(b"pong!")
    assert ends.client.recv(9) == b"pong!"
    assert (ends.proxy.count("up"), ends.proxy.count("down")) == (4, 5)
    assert ends.proxy.find(b"in", "up") == [0]
    assert ends.proxy.find(b"in", "down") == []
    ends.client.close()
    assert ends.server.recv(9) == b""


def test_a_stall_holds_what_it_takes_and_lets_it_go_even_for_the_dead(ends: Ends) -> None:
    ends.proxy.stall()
    ends.client.sendall(b"old")
    until(lambda: ends.proxy.sent("up") == [b"old"])
    ends.client.close()
    time.sleep(0.1)
    assert ends.proxy.given("up") == [b""]
    ends.proxy.passes()
    assert ends.server.recv(9) == b"old"
    assert ends.server.recv(9) == b""


def test_a_half_open_connection_loses_one_way_and_ends_when_the_network_is_back(ends: Ends) -> None:
    ends.proxy.half_open("up")
    ends.client.sendall(b"lost")
    ends.server.sendall(b"heard")
    assert ends.client.recv(9) == b"heard"
    until(lambda: ends.proxy.count("up") == 4)
    assert ends.proxy.given("up") == [b""]
    ends.proxy.passes()
    with pytest.raises(ConnectionResetError):
        ends.server.recv(9)


def drain(sock: socket.socket) -> None:
    while sock.recv(100):
        continue


def test_a_trickle_is_slow_and_what_its_sender_takes_back_does_not_travel(ends: Ends) -> None:
    ends.proxy.trickle(100, "up")
    began = time.monotonic()
    ends.client.sendall(b"x" * 500)
    heard = ends.server.recv(1)
    while len(heard) < 40:
        heard += ends.server.recv(9)
    assert time.monotonic() - began > 0.3
    ends.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    ends.client.close()
    with pytest.raises(ConnectionResetError):
        drain(ends.server)
    assert len(ends.proxy.given("up")[0]) < 100


def test_a_cut_comes_after_so_many_bytes(ends: Ends) -> None:
    ends.proxy.cut_after(3)
    ends.client.sendall(b"abcdef")
    until(lambda: ends.proxy.given("up") == [b"abc"])
    with pytest.raises(ConnectionResetError):
        ends.client.recv(9)


def test_a_trap_stalls_at_the_worst_moment(ends: Ends) -> None:
    ends.proxy.stall_before(b"event")
    ends.client.sendall(b"hello")
    assert ends.server.recv(9) == b"hello"
    ends.client.sendall(b"event")
    until(lambda: ends.proxy.find(b"event") == [0])
    time.sleep(0.1)
    assert ends.proxy.given("up") == [b"hello"]


def test_nobody_is_there(ends: Ends) -> None:
    ends.proxy.refuse()
    with pytest.raises(ConnectionResetError):
        ends.client.recv(9)
    with pytest.raises(ConnectionResetError):
        knock(ends.proxy.port)
    until(lambda: ends.proxy.refused == 1)


def knock(port: int) -> None:
    # The reset may come before or after the connection is made.
    with socket.create_connection(("127.0.0.1", port), timeout=3) as sock:
        sock.recv(9)
