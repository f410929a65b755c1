"""What is wrong with an RTSP address, by servers that answer anything."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from edgeface.cameras.network import faults, rtsp_probe
from edgeface.core.clock import SystemClock
from edgeface.core.errors import CameraAddressError, CameraLoginError
from tests.support.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CLOCK = SystemClock()
VIDEO = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 {}/90000\r\n"


def answer(status: str, sdp: str = "", *headers: str) -> bytes:
    lines = [f"RTSP/1.0 {status}", "CSeq: 1", f"Content-Length: {len(sdp)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n" + sdp).encode()


@contextmanager
def served(
    reply: Callable[[bytes], bytes | None], tls: ssl.SSLContext | None = None, drip: float = 0.0
) -> Iterator[tuple[str, list[bytes]]]:
    """An address, and what its server has received; None closes the connection, and b"" leaves it silent."""
    seen: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def talk(plain: socket.socket) -> None:
        try:
            with tls.wrap_socket(plain, server_side=True) if tls is not None else plain as connection:
                while request := connection.recv(4096):
                    seen.append(request)
                    if (said := reply(request)) is None:
                        return
                    for n in range(len(said)) if drip else range(1):
                        connection.sendall(said[n : n + 1] if drip else said)
                        time.sleep(drip)
        except OSError:
            return  # the client has gone

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    try:
        yield f"{'rtsp' if tls is None else 'rtsps'}://{{}}127.0.0.1:{port}/door", seen
    finally:
        # Closing alone does not wake accept.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def told(address: str, *, verify: bool = True) -> str | None:
    found = rtsp_probe.diagnose(address, "the camera", CLOCK, verify=verify)
    return None if found is None else str(found).removeprefix("the camera ")


CODEC_FAULT = faults.CODEC.format(codec="X-SECRET")


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (answer("200 OK", VIDEO.format("H264")), None),
        (answer("200 OK", VIDEO.format("h265")), None),
        (answer("200 OK", "m=video 0 RTP/AVP 26\r\n"), None),
        (answer("200 OK", "m=audio 0 RTP/AVP 0\r\nm=video 0 RTP/AVP 97\r\na=rtpmap:97 H265/90000\r\n"), None),
        (answer("200 OK", VIDEO.format("X-SECRET")), CODEC_FAULT),
        (answer("200 OK", "m=video 0 RTP/AVP 99\r\n"), faults.CODEC.format(codec="payload type 99")),
        (answer("200 OK", VIDEO.format("\x1b[2J")), faults.CODEC.format(codec="[2J")),
        (answer("200 OK", "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 H264/90000\r\n"), faults.NO_VIDEO),
        (answer("200 OK"), faults.NO_VIDEO),
        (answer("401 Unauthorized", "", 'WWW-Authenticate: Basic realm="x"'), faults.NEEDS_LOGIN),
        (answer("403 Forbidden"), faults.FORBIDDEN),
        (answer("404 Not Found"), faults.NO_PATH),
        (answer("454 Session Not Found"), faults.NO_PATH),
        (answer("453 Not Enough Bandwidth"), faults.BUSY),
        (answer("302 Moved", "", "Location: rtsp://u:pw@elsewhere/"), faults.REDIRECT),
        (answer("500 Internal"), faults.STATUS.format(protocol="RTSP", status=500)),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", faults.HTTP_NOT_RTSP),
        (b"<!DOCTYPE HTML>\n", faults.HTTP_NOT_RTSP),
        (b"SSH-2.0-OpenSSH_9.2\r\n", faults.OTHER_PROTOCOL.format(protocol="RTSP", port=554)),
        (b"\xff" * 5000, faults.OTHER_PROTOCOL.format(protocol="RTSP", port=554)),
        (b"RTSP/1.0 200 OK\r\n" + b"a: b\r\n" * 500 + b"\r\n", faults.OTHER_PROTOCOL.format(protocol="RTSP", port=554)),
        (b"RTSP/1.0 200 OK\r\nContent-Length: -5\r\n\r\n", faults.NO_VIDEO),
        (None, faults.OTHER_PROTOCOL.format(protocol="RTSP", port=554)),
    ],
)
def test_each_answer_has_its_line(said: bytes | None, fault: str | None) -> None:
    with served(lambda _: said) as (address, seen):
        assert told(address.format("")) == fault
    assert len(seen) == 1
    assert seen[0].startswith(b"DESCRIBE rtsp://127.0.0.1:")


def test_a_server_that_says_nothing_or_drips_is_left_after_two_seconds() -> None:
    for said, drip in ((b"", 0.0), (b"RTSP/1.0 200 OK\r\n" + b"a" * 500, 0.05)):
        with served(lambda _: said, drip=drip) as (address, _):  # noqa: B023 - called at once
            began = time.monotonic()
            assert told(address.format("")) == faults.MUTE.format(protocol="RTSP", port=554)
            assert 1.5 < time.monotonic() - began < 15


def test_a_body_of_any_stated_length_is_read_up_to_a_limit() -> None:
    flood = b"RTSP/1.0 200 OK\r\nContent-Length: 999999999\r\n\r\n" + b"m=video 0 RTP/AVP 26\r\n" * 100_000
    with served(lambda _: flood) as (address, _):
        assert told(address.format("")) is None


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ('Digest realm="r", nonce="n"', b'Digest username="viewer", realm="r", nonce="n"'),
        ('Basic realm="r"', b"Basic dmlld2VyOm9wZW46c2VzYW1l"),
    ],
)
def test_a_login_is_sent_once_and_refused(asked: str, shown: bytes) -> None:
    with served(lambda _: answer("401 Unauthorized", "", f"WWW-Authenticate: {asked}")) as (address, seen):
        found = rtsp_probe.diagnose(address.format("viewer:open%3Asesame@"), "the camera", CLOCK, verify=True)
    assert isinstance(found, CameraLoginError)
    assert str(found) == f"the camera {faults.WRONG_LOGIN}"
    assert len(seen) == 2
    assert b"Authorization" not in seen[0]
    assert b"\r\nAuthorization: " + shown in seen[1]
    assert not any(b"sesame" in request or b"viewer:" in request for request in seen)


def test_a_login_that_is_accepted_leads_to_what_else_is_wrong() -> None:
    def reply(request: bytes) -> bytes:
        if b"Authorization" in request:
            return answer("404 Not Found")
        return answer("401 Unauthorized", "", 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"')

    with served(reply) as (address, _):
        assert told(address.format("viewer:x@")) == faults.NO_PATH


@pytest.mark.parametrize(
    ("said", "sure"),
    [
        (answer("200 OK", VIDEO.format("X-SECRET")), True),
        (answer("200 OK"), True),
        (b"SSH-2.0-OpenSSH_9.2\r\n", True),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", True),
        (answer("401 Unauthorized", "", 'WWW-Authenticate: Basic realm="x"'), True),
        (b"", True),
        (answer("200 OK", VIDEO.format("H264")), False),
        (answer("453 Not Enough Bandwidth"), False),
        (answer("404 Not Found"), False),
        (None, False),
    ],
)
def test_a_slow_opening_is_only_given_up_if_the_camera_is_not_merely_busy(said: bytes | None, sure: bool) -> None:  # noqa: FBT001 - a parameter
    with served(lambda _: said) as (address, _):
        found = rtsp_probe.certain_fault(address.format("viewer:x@"), "the camera", CLOCK, verify=True)
    assert (found is not None) == sure


def test_a_camera_that_takes_only_one_connection_is_not_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"rtsp://127.0.0.1:{taken.getsockname()[1]}/x"
    assert rtsp_probe.certain_fault(address, "the camera", CLOCK, verify=True) is None


def test_what_cannot_be_reached_has_its_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert told(f"rtsp://127.0.0.1:{port}/x") == faults.NOTHING_LISTENS.format(protocol="RTSP")
    assert told("rtsp://no-such-host.invalid/x") == faults.NO_HOST
    assert told(f"rtsp://{'a' * 70}.invalid/x") == faults.NO_HOST


def test_a_certificate_is_verified_where_the_stream_verifies_it(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*Authority(tmp_path).broker())
    with served(lambda _: answer("404 Not Found"), context) as (address, _):
        assert told(address.format(""), verify=False) == faults.NO_PATH
        assert told(address.format("")) == faults.UNTRUSTED_RTSPS
    with served(lambda _: answer("404 Not Found")) as (address, _):
        assert told(address.format("").replace("rtsp:", "rtsps:")) == faults.NO_TLS.format(plain="rtsp")


def test_every_fault_is_one_printable_line_that_differs_from_the_others() -> None:
    texts = [value for name, value in vars(faults).items() if name.isupper() and isinstance(value, str)]
    assert len(set(texts)) == len(texts) > 15
    assert all(text.isprintable() for text in texts)
    assert issubclass(CameraLoginError, CameraAddressError)
