from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from edgeface.cli.home_assistant_app import supervisor
from edgeface.core.errors import BrokerError, UsageError
from tests.support.clock import FixedClock
from tests.support.http_receiver import receiver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedIOBase

    from edgeface.core.clock import Clock
    from tests.support.http_receiver import Receiver

SERVICE = {
    "addon": "core_mosquitto",
    "host": "core-mosquitto",
    "port": 1883,
    "ssl": False,
    "username": "addons",
    "password": "p: \"'é",
    "protocol": "3.1.1",
}


def ok(data: Any) -> bytes:
    return json.dumps({"result": "ok", "data": data}).encode()


@pytest.fixture
def fake() -> Iterator[Receiver]:
    """A Supervisor that knows a broker."""
    with receiver() as made:
        made.answer = ok(SERVICE)
        yield made


def ask(fake: Receiver, clock: Clock | None = None, timeout: float = supervisor.SECONDS) -> supervisor.Broker | None:
    return supervisor.broker(f"http://127.0.0.1:{fake.port}", "secret-token", clock or FixedClock(), timeout)


def test_the_broker_is_what_the_supervisor_names(fake: Receiver) -> None:
    found = ask(fake)
    assert found is not None
    assert (found.host, found.port, found.ssl) == ("core-mosquitto", 1883, False)
    assert (found.username, found.password) == ("addons", SERVICE["password"])
    (request,) = fake.received
    assert request.path == "/services/mqtt"
    assert request.headers["Authorization"] == "Bearer secret-token"
    assert str(SERVICE["password"]) not in repr(found)


def test_no_service_is_no_broker_and_no_error(fake: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    fake.status, fake.answer = 400, b'{"result": "error", "message": "Service not\\nenabled"}'
    assert ask(fake) is None
    assert "no MQTT broker (Supervisor: Service not enabled)" in caplog.text


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_not_tried_again(fake: Receiver, status: int) -> None:
    fake.status, fake.answer = status, b""
    with pytest.raises(BrokerError, match=rf"refuses this app's token \(HTTP {status}\)"):
        ask(fake)
    assert len(fake.received) == 1


@pytest.mark.parametrize(
    ("status", "answer", "reason"),
    [
        (500, b"", "HTTP 500"),
        (400, b"<html>", "HTTP 400"),
        (200, b"<html>", "does not describe a broker"),
        (200, b'{"result": "ok", "data": [' + b"[" * 50_000, "does not describe a broker"),
        (200, ok({**SERVICE, "port": "1883; rm"}), "does not describe a broker"),
        (200, ok({**SERVICE, "port": 0}), "does not describe a broker"),
        (200, ok({**SERVICE, "host": "a\nb"}), "does not describe a broker"),
        (200, ok({**SERVICE, "password": "a\nb"}), "does not describe a broker"),
        (200, ok({**SERVICE, "password": "x" * 100_000}), "does not describe a broker"),
        (200, ok(None), "does not describe a broker"),
    ],
)
def test_garbage_is_asked_for_again_and_then_one_line(fake: Receiver, status: int, answer: bytes, reason: str) -> None:
    fake.status, fake.answer = status, answer
    with pytest.raises(BrokerError, match=f"does not name the MQTT broker: .*{reason}"):
        ask(fake)
    assert len(fake.received) == supervisor.TRIES


def test_a_redirect_gets_no_token(fake: Receiver) -> None:
    with receiver() as other:
        fake.status, fake.location = 302, f"http://127.0.0.1:{other.port}/"
        with pytest.raises(BrokerError, match="HTTP 302"):
            ask(fake)
        assert other.received == []


def test_a_proxy_of_the_environment_gets_no_token(fake: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as other:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{other.port}")
        assert ask(fake) is not None
        assert other.received == []


def test_a_slow_supervisor_is_asked_again(fake: Receiver) -> None:
    fake.slow, clock = 0.3, FixedClock()
    with pytest.raises(BrokerError, match="timed out"):
        ask(fake, clock, timeout=0.05)
    assert clock.monotonic() == (supervisor.TRIES - 1) * supervisor.SECONDS


def test_what_answers_without_http_is_one_line(fake: Receiver) -> None:
    def garbage(file: BufferedIOBase) -> None:
        file.write(b"\x00" * 100_000)

    fake.instead = garbage
    with pytest.raises(BrokerError, match=r"no HTTP answer|reset"):
        ask(fake)


def test_no_supervisor_is_one_line() -> None:
    with receiver() as gone:
        port = gone.port
    with pytest.raises(BrokerError, match="Connection refused"):
        supervisor.broker(f"http://127.0.0.1:{port}", "t", FixedClock())


def test_a_word_that_is_not_an_address_is_refused() -> None:
    with pytest.raises(UsageError, match="not an address"):
        supervisor.broker("supervisor", "t", FixedClock())
