"""What is wrong with an RTSP camera, by a real server and both programs that read RTSP.

EDGEFACE_HEAVY=1 prints the table of docs/cameras.md (-s).
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgeface.cameras.advice import ELSE, advice
from edgeface.cameras.capture import LOGIN_PAUSE_SECONDS, Capture
from edgeface.cameras.gstreamer import GstreamerCamera
from edgeface.cameras.mailbox import Mailbox
from edgeface.cameras.network import faults
from edgeface.cameras.network.rtsp import RtspCamera
from edgeface.cameras.opencv import OpencvCamera
from edgeface.core.clock import SystemClock
from edgeface.core.errors import CameraError
from tests.support import gst
from tests.support.broker import until
from tests.support.rtsp import Server
from tests.support.still_camera import StillCamera, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.cameras.base import CameraBase

REASON = gst.why_not() or gst.why_no_server()
PASSWORD = "p@ss:w/rd#1%41"  # noqa: S105 - of the test

pytestmark = [pytest.mark.needs_gstreamer, pytest.mark.skipif(REASON is not None, reason=str(REASON))]


def cameras(address: str) -> dict[str, CameraBase]:
    return {
        "opencv": OpencvCamera(source=address),
        "gstreamer": GstreamerCamera(preset="rtsp", url=address),
        "rtsp": RtspCamera(url=address),
    }


def fault(camera: CameraBase) -> tuple[str, float]:
    """What is wrong, without the address, and the seconds that it took."""
    began = time.monotonic()
    with pytest.raises(CameraError) as raised:
        next(camera.images())
    shown, _, text = str(raised.value).partition(" ")
    assert shown.startswith(("rtsp://127.0.0.1:", "http://127.0.0.1:"))
    assert "@" not in shown
    return text, time.monotonic() - began


@pytest.fixture(scope="module")
def open_server() -> Iterator[Server]:
    with Server().running() as server:
        yield server


@pytest.fixture(scope="module")
def guarded_server() -> Iterator[Server]:
    with Server(guard=("viewer", PASSWORD, "digest")).running() as server:
        yield server


@contextmanager
def silent_server() -> Iterator[int]:
    """A program that takes connections and waits for something that is not RTSP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@contextmanager
def ssh_server() -> Iterator[int]:
    """A program that speaks first, and another protocol."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:

        def greet() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                    stack.enter_context(connection).sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                except OSError:
                    return

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            # Closing alone does not wake accept.
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.slow(seconds=30)
def test_each_fault_has_its_own_line_within_5_s_and_both_programs_give_the_same(
    open_server: Server, guarded_server: Server
) -> None:
    with ExitStack() as stack:
        still = stack.enter_context(serving(StillCamera()))
        silent, ssh = stack.enter_context(silent_server()), stack.enter_context(ssh_server())
        renamed, closed = stack.enter_context(open_server.relayed(b"H267")), Server().port
        base = f"rtsp://127.0.0.1:{open_server.port}"
        cases = {
            "wrong password": (guarded_server.address("viewer:wrong@"), faults.WRONG_LOGIN),
            "no password": (guarded_server.address(), faults.NEEDS_LOGIN),
            "wrong path": (f"{base}/nothing", faults.NO_PATH),
            "nothing listens": (f"rtsp://127.0.0.1:{closed}/door", faults.NOTHING_LISTENS.format(protocol="RTSP")),
            "not RTSP: silence": (f"rtsp://127.0.0.1:{silent}/door", faults.MUTE.format(protocol="RTSP", port=554)),
            "not RTSP: SSH": (f"rtsp://127.0.0.1:{ssh}/door", faults.OTHER_PROTOCOL.format(protocol="RTSP", port=554)),
            "a web server, or its /snap.jpg": (f"rtsp://127.0.0.1:{still.port}/snap.jpg", faults.HTTP_NOT_RTSP),
            "unknown codec": (renamed.address(), faults.CODEC.format(codec="H267")),
            "no video": (f"{base}/sound", faults.NO_VIDEO),
        }
        seen = {
            (name, kind): fault(camera)
            for name, (address, _) in cases.items()
            for kind, camera in cameras(address).items()
            if kind != "rtsp"
        }
        seen["a still picture", "opencv"] = fault(OpencvCamera(source=f"http://{still.url}"))
    for (name, kind), (text, seconds) in seen.items():
        if os.environ.get("EDGEFACE_HEAVY") == "1":
            print(f"| {name} | {kind} | {seconds:.1f} | {text} |")  # noqa: T201 - for docs/cameras.md
        assert text == (faults.STILL if name == "a still picture" else cases[name][1]), (name, kind)
        assert advice(text) != ELSE, name
        # The bar is 5 s on an idle machine.
        assert seconds < (5 if os.environ.get("EDGEFACE_HEAVY") == "1" else 15), (name, kind)
    assert len({text for text, _ in seen.values()}) == len(cases) + 1


def test_a_still_picture_behind_an_rtsp_address_is_told_by_type_rtsp_too() -> None:
    with serving(StillCamera()) as still:
        assert fault(RtspCamera(url=f"rtsp://{still.url}"))[0] == faults.HTTP_NOT_RTSP


@pytest.mark.parametrize("kind", ["opencv", "gstreamer", "rtsp"])
def test_a_password_from_a_file_opens_the_stream(guarded_server: Server, tmp_path: Path, kind: str) -> None:
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    keys = {"username": "viewer", "password_file": secret}
    made = cameras(guarded_server.address())[kind]
    pictures = type(made).model_validate({**made.model_dump(exclude_unset=True), **keys}).images()
    assert next(pictures).image.shape == (240, 320, 3)
    pictures.close()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_the_transport_is_the_one_that_is_configured(open_server: Server, transport: str) -> None:
    before = udp_sockets()
    pictures = RtspCamera.model_validate({"url": open_server.address(), "transport": transport}).images()
    assert next(pictures).image.shape == (240, 320, 3)
    assert (udp_sockets() > before) == (transport == "udp")
    pictures.close()


def udp_sockets() -> int:
    """How many UDP sockets this process has."""
    lines = [line for name in ("udp", "udp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]
    own = {str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()}
    return sum(f"socket:[{line.split()[9]}]" in own for line in lines)


class LongClock(SystemClock):
    """The machine's clock, and what a test adds to it."""

    added = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.added


@pytest.mark.slow(seconds=10)
@pytest.mark.parametrize("kind", ["opencv", "gstreamer"])
def test_after_a_refused_login_the_server_sees_one_login_a_minute(kind: str) -> None:
    clock = LongClock()
    with Server(guard=("viewer", PASSWORD, "basic")).running() as server, server.relayed() as relay:
        made = cameras(relay.address("viewer:wrong@"))[kind]
        capture = Capture("porch", made, Mailbox(), clock)
        capture.start()
        try:
            until(lambda: capture.state().error, 5)
            # FFmpeg does not say why it failed, so the first opening is asked about with a second login.
            first = len(relay.logins)
            assert first == (2 if kind == "opencv" else 1)
            time.sleep(4)
            assert len(relay.logins) == first
            for minute in (1, 2):
                clock.added += LOGIN_PAUSE_SECONDS - 10
                time.sleep(0.3)
                assert len(relay.logins) == first + minute - 1
                clock.added += 10
                until(lambda: len(relay.logins) == first + minute, 5)  # noqa: B023 - called before the next turn
                until(lambda: capture.state().reopens == minute, 5)  # noqa: B023 - as above
                # The clock must not run on while the camera is being asked.
                until(lambda: not relay.busy, 5)
                time.sleep(1)
            assert capture.state().error == f"rtsp://127.0.0.1:{relay.port} {faults.WRONG_LOGIN}"
            time.sleep(0.5)
            assert len(relay.logins) == first + 2
            capture.retry_login()
            until(lambda: len(relay.logins) >= first + 3, 5)
        finally:
            capture.stop()
            assert capture.join(10)
