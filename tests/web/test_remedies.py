"""How to fix a fault: the health page and the doctor give the same advice, for faults of a real broker."""

from __future__ import annotations

import dataclasses
import socket
import subprocess
import threading
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from edgeface.cameras import advice as camera_advice
from edgeface.config import loader
from edgeface.core.clock import SystemClock
from edgeface.core.errors import BrokerError
from edgeface.demo.mosquitto import free_port
from edgeface.doctor import broker as doctor_broker
from edgeface.doctor import cameras as doctor_cameras
from edgeface.mqtt import advice
from edgeface.mqtt.connection import Connection
from edgeface.web.languages.catalogues import catalogue, language
from edgeface.web.pages import faults
from tests.support.certificates import Authority
from tests.support.web import CAMERA, STATE, Stage, context, stage  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edgeface.config.configuration import Configuration
    from edgeface.demo.mosquitto import Mosquitto
    from edgeface.web.context import WebContext

    Broker = Callable[..., Mosquitto]

# Fixtures of tests/support/web.py are arguments here.
# ruff: noqa: F811


@contextmanager
def refused(_: Broker, __: Path) -> Iterator[str]:
    yield f"mqtt: {{port: {free_port()}}}"


@contextmanager
def no_such_name(_: Broker, __: Path) -> Iterator[str]:
    yield "mqtt: {host: broker.invalid, insecure: true}"


@contextmanager
def silent(_: Broker, __: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"mqtt: {{port: {server.getsockname()[1]}}}"


@contextmanager
def no_room_for_a_connection(_: Broker, __: Path) -> Iterator[str]:
    """The kernel answers no SYN once the queue of a listener is full, as a firewall that drops them."""
    with socket.socket() as server, closing(socket.socket()) as first, closing(socket.socket()) as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for one in (first, second):
            one.setblocking(False)
            one.connect_ex(server.getsockname())
        yield f"mqtt: {{port: {server.getsockname()[1]}}}"


@contextmanager
def no_tls(make_broker: Broker, folder: Path) -> Iterator[str]:
    yield f"mqtt: {{port: {make_broker().port}, tls: {{ca: {Authority(folder / 'own').ca}}}}}"


@contextmanager
def of_another_authority(make_broker: Broker, folder: Path) -> Iterator[str]:
    yield _with_tls(make_broker, folder, Authority(folder / "other", name="other"))


@contextmanager
def expired(make_broker: Broker, folder: Path) -> Iterator[str]:
    yield _with_tls(make_broker, folder, expired=True)


@contextmanager
def certificate_required(make_broker: Broker, folder: Path) -> Iterator[str]:
    yield _with_tls(make_broker, folder, options=("require_certificate true",))


@contextmanager
def no_such_file(_: Broker, folder: Path) -> Iterator[str]:
    yield f"mqtt: {{port: {free_port()}, tls: {{ca: {folder / 'missing.pem'}}}}}"


@contextmanager
def not_authorised(make_broker: Broker, _: Path) -> Iterator[str]:
    yield f"mqtt: {{port: {make_broker('allow_anonymous false').port}}}"


@contextmanager
def wrong_password(make_broker: Broker, folder: Path) -> Iterator[str]:
    file, secret = folder / "passwords", folder / "secret"
    command = ["mosquitto_passwd", "-b", "-c", str(file), "front", "right"]
    subprocess.run(command, check=True, capture_output=True)
    secret.write_text("wrong")
    secret.chmod(0o600)
    broker = make_broker("allow_anonymous false", f"password_file {file}")
    yield f"mqtt: {{port: {broker.port}, username: front, password_file: {secret}}}"


@contextmanager
def no_broker(_: Broker, __: Path) -> Iterator[str]:
    """What answers sends bytes that no client of MQTT 5 takes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, suppress(OSError):
                    # A client that has failed closes its socket only when it is collected.
                    connection.settimeout(1)
                    connection.recv(512)
                    connection.sendall(b"\x30\xff\xff\xff\x7f")
                    connection.recv(512)

        thread = threading.Thread(target=greet)
        thread.start()
        yield f"mqtt: {{port: {server.getsockname()[1]}}}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def _with_tls(
    make_broker: Broker, folder: Path, trusted: Authority | None = None, options: tuple[str, ...] = (), *,
    expired: bool = False,
) -> str:  # fmt: skip
    own = Authority(folder / "own")
    certificate, key = own.broker(expired=expired)
    for path in (folder, folder / "own", certificate, key, own.ca):
        path.chmod(0o755)
    files = (f"cafile {own.ca}", f"certfile {certificate}", f"keyfile {key}")
    broker = make_broker("allow_anonymous true", *files, *options)
    return f"mqtt: {{port: {broker.port}, tls: {{ca: {(trusted or own).ca}}}}}"


def configured(folder: Path, text: str) -> Configuration:
    return loader.parse(f"data: {folder}\ncameras: {{porch: {{type: replay, path: nowhere}}}}\n{text}\n".encode(), "c")


def problem_of(configuration: Configuration) -> str:
    """What the daemon reports of its broker."""
    assert configuration.mqtt is not None
    wake, other = socket.socketpair()
    with wake, other:
        try:
            connection = Connection(configuration.mqtt, "front", None, SystemClock())
            while not connection.ready:
                connection.wait(0.2, wake)
        except BrokerError as error:
            return str(error)
    raise AssertionError("the broker accepts the connection")


@pytest.mark.broker
@pytest.mark.parametrize(
    ("fault", "says", "remedy"),
    [
        (refused, "Connection refused", advice.START),
        (no_such_name, "cannot be reached", advice.NAME),
        (no_room_for_a_connection, "timed out", advice.SILENT),
        (silent, "has not answered in time", advice.SLOW),
        (no_tls, "", advice.TLS),
        (of_another_authority, "not trusted", advice.UNTRUSTED),
        (expired, "expired", advice.EXPIRED),
        (certificate_required, "", advice.TLS),
        (no_such_file, "cannot use", advice.FILES),
        (not_authorised, "Not authorized", advice.LOGIN),
        (wrong_password, "rejects the connection", advice.LOGIN),
        (no_broker, "does not support MQTT 5", advice.NO_MQTT),
    ],
    ids=lambda part: getattr(part, "__name__", ""),
)
def test_health_and_doctor_give_the_same_advice_about_the_broker(
    context: WebContext,
    tmp_path: Path,
    make_broker: Broker,
    fault: Callable[..., contextmanager[str]],  # type: ignore[valid-type]
    says: str,
    remedy: str,
) -> None:
    with fault(make_broker, tmp_path) as text:  # type: ignore[attr-defined]
        configuration = configured(tmp_path / "data", text)
        problem = problem_of(configuration)
        doctor = next(one for one in doctor_broker.findings(configuration) if one.what == "broker")
    assert says in problem
    context.hub.state = {**STATE, "problems": [], "mqtt": {"problem": problem, "lost": 0}}
    (health,) = faults.faults(dataclasses.replace(context, configuration=lambda: configuration))
    assert (doctor.mark, doctor.says, doctor.remedy) == ("bad", problem, remedy)
    assert (health.text, health.remedy) == (f"Broker: {problem}", remedy)


def test_a_broker_elsewhere_is_not_started_here(tmp_path: Path) -> None:
    mqtt = configured(tmp_path, "mqtt: {host: 192.168.1.2, insecure: true}").mqtt
    assert mqtt is not None
    assert advice.advice("the broker 192.168.1.2:1883 cannot be reached: Connection refused", mqtt) == advice.REFUSED
    denied = "the broker denies edgeface/front/state: Not authorized; its access list must allow x (and 2 more denials)"
    assert advice.advice(denied, mqtt) == advice.DENIED
    assert advice.advice("something new", mqtt) == advice.ELSE


def test_health_and_doctor_give_the_same_advice_about_a_camera(context: WebContext, tmp_path: Path) -> None:
    """Nothing listens at the address: the password is not the first thing to check."""
    address = f"http://127.0.0.1:{free_port()}/video"
    camera = f"cameras: {{porch: {{type: opencv, source: '{address}'}}}}\n"
    configuration = loader.parse(f"data: {tmp_path}\n{camera}".encode(), "c")
    (doctor,) = (one for one in doctor_cameras.findings(configuration) if one.what == "camera")
    problem = doctor.says.removeprefix("porch: ")
    camera_now = {**STATE["cameras"][CAMERA], "status": "offline", "problem": problem}
    context.hub.state = {**STATE, "problems": [], "cameras": {"porch": camera_now}}
    (health,) = faults.faults(context)
    assert (
        doctor.remedy == health.remedy == "Compare the port with the camera's menu, and switch on RTSP or HTTP there."
    )
    assert "in its password file" in camera_advice.advice("rtsp://10.0.0.9/1 refuses the user name or the password")
    running = "gives 0.4 pictures per second; at least 0.8 are needed to recognise people"
    context.hub.state = {**STATE, "problems": [], "cameras": {"porch": {**camera_now, "problem": running}}}
    assert "Raise fps" in faults.faults(context)[0].remedy


def test_the_advice_is_in_the_language_of_the_page_and_the_problem_as_the_device_reports_it(
    context: WebContext, tmp_path: Path
) -> None:
    problem = "rtsp://10.0.0.9 refuses the user name or the password"
    camera_now = {**STATE["cameras"][CAMERA], "status": "offline", "problem": problem}
    broker = {"problem": "the broker 10.0.0.8:1883 cannot be reached: timed out", "lost": 0}
    silent = {**camera_now, "problem": None}
    cameras = {"porch": camera_now, "yard": silent}
    context.hub.state = {**STATE, "problems": [], "cameras": cameras, "mqtt": broker}
    configuration = configured(tmp_path, "mqtt: {host: 10.0.0.8, insecure: true}")
    before = language.set("de")
    try:
        found = faults.faults(dataclasses.replace(context, configuration=lambda: configuration))
    finally:
        language.reset(before)
    own = catalogue("de")["remedies"]
    assert [one.remedy for one in found] == [
        own["CAMERA_ADVICE"]["refuses the user name"],
        own["CAMERA_ADVICE"]["delivers no image"],
        own["BROKER_ADVICE"]["silent"],
    ]
    assert problem in found[0].text
    assert "reopens" in faults.camera_remedy(None)


def test_every_advice_of_a_camera_and_of_the_broker_can_be_translated() -> None:
    """A text that the advice can give and the pages do not know would stay English in every language."""
    broker_texts = {text for name, text in vars(advice).items() if name.isupper() and isinstance(text, str)}
    assert set(advice.TEXTS.values()) == broker_texts
    problems = ("delivers no image", "refuses the user name", "cannot be opened", "hangs in its driver", "odd")
    assert {camera_advice.advice(problem) for problem in problems} <= set(camera_advice.TEXTS.values())
