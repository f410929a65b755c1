from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from edgeface.core import systemd
from tests.support.clock import FixedClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@edgeface-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind("\0" + address[1:] if address[0] == "@" else address)
        channel.settimeout(2)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        yield channel


def test_assignments_arrive_as_one_datagram(manager: socket.socket) -> None:
    assert systemd.notify(systemd.READY, systemd.status("2 cameras"))
    assert manager.recv(4096) == b"READY=1\nSTATUS=2 cameras"


def test_the_watchdog_and_the_end(manager: socket.socket) -> None:
    assert systemd.notify(systemd.WATCHDOG)
    assert systemd.notify(systemd.STOPPING)
    assert [manager.recv(4096), manager.recv(4096)] == [b"WATCHDOG=1", b"STOPPING=1"]


def test_a_reload_carries_the_monotonic_time(manager: socket.socket) -> None:
    assert systemd.notify(*systemd.reloading(FixedClock(12.5)))
    assert manager.recv(4096) == b"RELOADING=1\nMONOTONIC_USEC=12500000"


def test_a_status_cannot_carry_a_second_assignment(manager: socket.socket) -> None:
    assert systemd.notify(systemd.status("porch\nWATCHDOG=1\x00\u2028é"))
    assert manager.recv(4096).decode() == "STATUS=porch WATCHDOG=1  é"


def test_a_full_socket_does_not_hold_up_the_caller(manager: socket.socket) -> None:
    sent = sum(systemd.notify(systemd.status("x" * 1000)) for _ in range(5000))
    assert 0 < sent < 5000
    assert manager.recv(4096).startswith(b"STATUS=x")


@pytest.mark.parametrize("address", ["", "/nonexistent/notify", "vsock:2:9999", "@edgeface-nobody"])
def test_without_a_listener_nothing_is_sent(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not systemd.notify(systemd.READY)


def test_the_watchdog_is_fed_twice_as_often_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    monkeypatch.setenv("WATCHDOG_USEC", "10000000")
    assert systemd.watchdog_seconds() == 5.0
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert systemd.watchdog_seconds() == 5.0
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert systemd.watchdog_seconds() is None


@pytest.mark.parametrize("period", ["", "0", "-5", "ten"])
def test_no_watchdog_without_a_period(period: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    monkeypatch.setenv("WATCHDOG_USEC", period)
    assert systemd.watchdog_seconds() is None
