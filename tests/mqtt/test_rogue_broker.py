"""A broker that cannot be trusted gets no data."""

from __future__ import annotations

import logging
import os
import resource
import socket
import ssl
import threading
from contextlib import ExitStack, closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from edgeface.core.clock import SystemClock
from edgeface.core.errors import BrokerError, ConfigError
from edgeface.journal.journal import Journal
from edgeface.mqtt.connection import Connection, Waker
from edgeface.mqtt.mqtt_publisher import MqttPublisher
from edgeface.mqtt.settings import Mqtt, Tls
from edgeface.mqtt.topics import Topic
from tests.support.broker import until
from tests.support.certificates import Authority
from tests.support.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgeface.demo.mosquitto import Mosquitto

pytestmark = pytest.mark.broker
CLOCK = SystemClock()
WILL = Topic("edgeface/front/status", qos=1, retain=True)
SECRET = "correct-horse-battery"  # noqa: S105 - a password to search for
OURS = (SECRET.encode(), b"edgeface-front", b"edgeface/front", b"offline", b"MQTT")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("other") / "ca")


@pytest.fixture
def settings(tmp_path: Path, authority: Authority) -> Mqtt:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    return Mqtt(username="front", password_file=secret, tls=authority.tls("edgeface-front"))


def at(settings: Mqtt, port: int, **changes: Any) -> Mqtt:
    return settings.model_copy(update={"port": port, **changes})


def attempt(settings: Mqtt) -> str:
    """Open one connection; returns why it ended, or `accepted` if the broker accepted it."""
    waker = Waker()
    connection = None
    try:
        connection = Connection(settings, "edgeface-front", WILL, CLOCK)
        while not connection.ready:
            connection.wait(1, waker.socket)
    except BrokerError as error:
        return str(error)
    finally:
        if connection is not None:
            connection.drop()
        waker.close()
    return "accepted"


def answering(certificate: tuple[Path, Path], **changes: Any) -> list[str]:
    lines = {
        "allow_anonymous": "true",
        "certfile": certificate[0],
        "keyfile": certificate[1],
        **changes,
    }
    return [f"{key} {value}" for key, value in lines.items()]


class Rogue:
    """Accepts connections, answers each with `answer`, and keeps what it was sent."""

    def __init__(self, answer: Callable[[socket.socket], bytes]) -> None:
        self._answer = answer
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._server.getsockname()[1])
        self.heard: list[bytes] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Rogue:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)

    def _run(self) -> None:
        while True:
            try:
                peer, _ = self._server.accept()
            except OSError:
                return
            peer.settimeout(5)
            with peer:
                try:
                    self.heard.append(self._answer(peer))
                except OSError as error:
                    self.heard.append(str(error).encode())


def assert_nothing_was_said(sent: list[bytes]) -> None:
    assert sent
    for data in sent:
        assert not any(ours in data for ours in OURS)


def one_line(text: str) -> None:
    assert text.startswith(("the broker 127.0.0.1:", "no TLS with the broker 127.0.0.1:"))
    assert "\n" not in text
    assert len(text) < 200
    assert SECRET not in text


@pytest.mark.parametrize("case", ["wrong CA", "wrong host", "expired"])
def test_a_broker_with_a_wrong_certificate_gets_nothing(
    case: str,
    settings: Mqtt,
    authority: Authority,
    other: Authority,
    make_broker: Callable[..., Mosquitto],
) -> None:
    certificates = {
        "wrong CA": (other.broker(), "is not trusted"),
        "wrong host": (authority.broker("broker.example"), "IP address mismatch"),
        "expired": (authority.broker(expired=True), "certificate has expired"),
    }
    certificate, says = certificates[case]
    broker = make_broker(*answering(certificate))
    with Proxy(broker.port) as proxy:
        why = attempt(at(settings, proxy.port))
        one_line(why)
        assert says in why
        assert_nothing_was_said(proxy.sent("up"))
    assert "edgeface-front" not in broker.log
    assert "New client connected" not in broker.log


def test_a_trusted_broker_gets_everything_and_the_network_sees_none_of_it(
    settings: Mqtt, authority: Authority, make_broker: Callable[..., Mosquitto]
) -> None:
    broker = make_broker(*answering(authority.broker()))
    with Proxy(broker.port) as proxy:
        assert attempt(at(settings, proxy.port)) == "accepted"
        assert_nothing_was_said(proxy.sent("up"))
    assert "edgeface-front" in broker.log


@pytest.mark.parametrize("ours", [None, "expired", "other"])
def test_a_broker_that_does_not_know_us_says_so_in_one_line(
    ours: str | None, settings: Mqtt, authority: Authority, other: Authority, make_broker: Callable[..., Mosquitto]
) -> None:
    broker = make_broker(*answering(authority.broker(), cafile=authority.ca, require_certificate="true"))
    tls = authority.tls(None if ours is None else "edgeface-front", expired=ours == "expired")
    if ours == "other":
        certificate, key = other.client("edgeface-front")
        tls = Tls(ca=authority.ca, certificate=certificate, key=key)
    with Proxy(broker.port) as proxy:
        why = attempt(at(settings, proxy.port, tls=tls))
        assert_nothing_was_said(proxy.sent("up"))
    one_line(why)
    assert "client certificate" in why
    assert "New client connected" not in broker.log


def test_a_broker_without_tls_gets_nothing(settings: Mqtt, broker: Mosquitto) -> None:
    with Proxy(broker.port) as proxy:
        why = attempt(at(settings, proxy.port))
        assert_nothing_was_said(proxy.sent("up"))
    one_line(why)
    assert "TLS" in why


def test_tls_1_1_is_not_spoken(settings: Mqtt, authority: Authority) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.broker())
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1

    def answer(peer: socket.socket) -> bytes:
        with context.wrap_socket(peer, server_side=True) as secure:
            return secure.recv(4096)

    with Rogue(answer) as rogue, Proxy(rogue.port) as proxy:
        why = attempt(at(settings, proxy.port))
        assert_nothing_was_said(proxy.sent("up"))
    one_line(why)
    assert [b"PROTOCOL" in heard for heard in rogue.heard] == [True], rogue.heard


def test_a_handshake_that_never_ends_is_left(settings: Mqtt) -> None:
    def answer(peer: socket.socket) -> bytes:
        heard = peer.recv(4096)
        peer.recv(1)
        return heard

    with Rogue(answer) as rogue:
        started = CLOCK.monotonic()
        why = attempt(at(settings, rogue.port, keepalive=600))
        assert CLOCK.monotonic() - started < 4
    one_line(why)
    assert_nothing_was_said(rogue.heard)


@pytest.mark.parametrize("host", ["192.0.2.1", "broker.example", "127.0.0.1.example"])
def test_plaintext_to_another_machine_is_refused_before_anything_is_opened(
    settings: Mqtt, host: str, tmp_path: Path
) -> None:
    journal = Journal(tmp_path / "journal.db")
    with pytest.raises(ConfigError, match="plaintext"):
        MqttPublisher(at(settings, 1883, host=host, tls=None), "front", CLOCK, journal, on_enabled=lambda *_: None)
    journal.close()


CONNACK = b"\x20\x03\x00\x00\x00"
RUDE = {
    "garbage": b"\x20\x06\x00\x00\x03\xff\xff\xff" + bytes(range(256)) * 20,
    "an oversize packet": CONNACK + b"\x30\xff\xff\xff\x7f" + b"x" * 300_000,
    "a length without end": CONNACK + b"\x30\xff\xff\xff\xff\xff\xff",
    "a flood of connacks": CONNACK * 20_000,
    "a refusal": b"\x20\x03\x00\x87\x00",
    "silence": b"",
    "a publish before the connack": b"\x30\x05\x00\x01a\x00x",
    "an answer to nothing": CONNACK + b"\x40\x02\x00\x07" * 1000,
}


def test_nonsense_is_a_problem_and_not_an_end(settings: Mqtt, tmp_path: Path) -> None:
    with ExitStack() as stack:
        rogues, publishers = {}, {}
        for number, (rude, data) in enumerate(RUDE.items()):
            rogues[rude] = stack.enter_context(Rogue(partial(answer_with, data)))
            journal = stack.enter_context(closing(Journal(tmp_path / f"{number}.db")))
            here = at(settings, rogues[rude].port, tls=None)
            publishers[rude] = MqttPublisher(here, "front", CLOCK, journal, on_enabled=lambda *_: None)
            stack.enter_context(closing(publishers[rude])).start()
        until(lambda: all(publisher.counters()["failures"] >= 2 for publisher in publishers.values()), 15)
        for publisher in publishers.values():
            one_line(publisher.problem or "")
            assert not publisher.connected
    for rogue in rogues.values():
        assert len(rogue.heard) >= 2
        assert all(heard.startswith(b"\x10") for heard in rogue.heard[:2])


def answer_with(data: bytes, peer: socket.socket) -> bytes:
    heard = peer.recv(4096)
    with suppress(OSError):
        peer.sendall(data)
    return heard


def test_a_packet_of_256_mb_is_not_waited_for(settings: Mqtt) -> None:
    taken = 0

    def answer(peer: socket.socket) -> bytes:
        nonlocal taken
        heard = peer.recv(4096)
        peer.sendall(b"\x30\xff\xff\xff\x7f")
        while taken < 200_000_000:
            taken += peer.send(bytes(1_000_000))
        return heard

    with Rogue(answer) as rogue:
        before = memory()
        why = attempt(at(settings, rogue.port, tls=None))
        assert memory() - before < 20_000_000
        until(lambda: rogue.heard)
    assert "does not support MQTT 5" in why
    assert taken < 50_000_000


def memory() -> int:
    """The peak memory of this process, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_fifty_attempts_leave_no_thread_no_socket_and_one_line_in_the_log(
    settings: Mqtt, other: Authority, make_broker: Callable[..., Mosquitto], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    broker = make_broker(*answering(other.broker()))
    attempt(at(settings, broker.port))
    threads, files = threading.active_count(), open_files()
    whys = {attempt(at(settings, broker.port)) for _ in range(50)}
    assert len(whys) == 1
    assert threading.active_count() == threads
    assert open_files() <= files
    assert SECRET not in caplog.text


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - Path.iterdir opens what it counts
