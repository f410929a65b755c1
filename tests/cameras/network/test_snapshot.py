from __future__ import annotations

import ssl
import time
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydantic import ValidationError

from edgeface.cameras.capture import Capture
from edgeface.cameras.mailbox import Mailbox
from edgeface.cameras.network import faults
from edgeface.cameras.network.snapshot import SnapshotCamera
from edgeface.cameras.opencv import OpencvCamera
from edgeface.core.clock import SystemClock
from edgeface.core.errors import CameraError, CameraLoginError
from edgeface.imaging.photos import MAX_BYTES
from edgeface.recognition.settings import MIN_FPS
from tests.support.broker import until
from tests.support.certificates import Authority
from tests.support.still_camera import StillCamera, noise, serving

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "p@ss:w/rd#1%41"  # noqa: S105 - of the test


def camera(still: StillCamera, scheme: str = "http", **keys: Any) -> SnapshotCamera:
    return SnapshotCamera.model_validate({"url": f"{scheme}://{still.url}", "fps": 10.0, **keys})


def told(still: StillCamera, **keys: Any) -> str:
    with serving(still), pytest.raises(CameraError) as raised:
        next(camera(still, **keys).images())
    return str(raised.value).removeprefix(f"http://127.0.0.1:{still.port} ")


def test_pictures_are_fetched_at_the_rate_of_the_configuration() -> None:
    with serving(StillCamera()) as still:
        pictures = camera(still, size=[64, 32], rotation=90).images()
        next(pictures)
        began = time.monotonic()
        seen = list(islice(pictures, 5))
        pictures.close()
    assert time.monotonic() - began > 0.4
    assert {one.image.shape for one in seen} == {(32, 64, 3)}
    assert not np.array_equal(seen[0].image, seen[1].image)
    assert all(one.timestamp is None for one in seen)
    assert len(still.asked) == 6


@pytest.mark.parametrize(("scheme", "algorithm"), [("basic", ""), ("digest", "MD5"), ("digest", "SHA-256")])
def test_a_login_is_answered_and_remembered(scheme: str, algorithm: str, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text(PASSWORD + "\n")
    secret.chmod(0o600)
    still = StillCamera(login=("viewer", PASSWORD), scheme=scheme, algorithm=algorithm, uses=4)
    with serving(still):
        pictures = camera(still, username="viewer", password_file=secret).images()
        assert len(list(islice(pictures, 6))) == 6
        pictures.close()
    # One challenge at first, and one when the nonce has been used four times.
    assert [bool(one) for one in still.asked].count(False) == 1
    assert still.refused == (0 if scheme == "basic" else 1)


def test_a_wrong_password_is_sent_once() -> None:
    still = StillCamera(login=("viewer", PASSWORD))
    with serving(still), pytest.raises(CameraLoginError) as raised:
        next(SnapshotCamera(url=f"http://viewer:hunter2@{still.url}").images())
    assert str(raised.value) == f"http://127.0.0.1:{still.port} {faults.WRONG_LOGIN}"
    assert still.refused == 1


@pytest.mark.parametrize(
    ("still", "fault"),
    [
        (StillCamera(login=("a", "b")), faults.NEEDS_LOGIN),
        (StillCamera(status=404), faults.NO_PATH),
        (StillCamera(status=403), faults.FORBIDDEN),
        (StillCamera(status=302, headers={"Location": "http://127.0.0.1:1/"}), faults.REDIRECT),
        (StillCamera(status=500), faults.STATUS.format(protocol="HTTP", status=500)),
        (StillCamera(kind="text/html; charset=utf-8"), faults.NO_PICTURE.format(content="a web page")),
        (StillCamera(kind="multipart/x-mixed-replace; boundary=frame"), faults.STREAM),
        (
            StillCamera(picture=lambda _: b"hello"),
            "gives a picture that cannot be used: not a photo: neither JPEG, PNG, WebP, BMP nor HEIC",
        ),
        (
            StillCamera(picture=lambda n: noise(n)[:-100]),
            "gives a picture that cannot be used: truncated: the file ends too early",
        ),
        (StillCamera(picture=lambda _: b"\xff\xd8\xff" + bytes(MAX_BYTES)), "gives a picture of more than 10 MB"),
    ],
)
def test_each_answer_that_is_no_picture_has_its_line(still: StillCamera, fault: str) -> None:
    assert told(still) == fault


def test_a_picture_that_drips_in_ends_at_the_read_timeout() -> None:
    def slow(number: int) -> bytes:
        time.sleep(2)
        return noise(number)

    assert told(StillCamera(picture=slow), read_timeout=0.5) == faults.BROKE_OFF.format(seconds=0.5)


def test_a_certificate_is_verified(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.broker())
    with serving(StillCamera(), context) as still:
        pictures = camera(still, "https", ca=authority.ca).images()
        assert next(pictures).image.shape == (64, 64, 3)
        pictures.close()
        with pytest.raises(CameraError, match="has a certificate that cannot be verified: set ca"):
            next(camera(still, "https").images())
        with pytest.raises(CameraError, match=r"the CA certificate .* cannot be used"):
            next(camera(still, "https", ca=tmp_path / "none").images())


def test_a_still_picture_as_a_stream_is_told_to_be_a_snapshot() -> None:
    with serving(StillCamera()) as still, pytest.raises(CameraError) as raised:
        next(OpencvCamera(source=f"http://{still.url}").images())
    assert str(raised.value) == f"http://127.0.0.1:{still.port} {faults.STILL}"


@pytest.mark.slow(seconds=7)
def test_a_camera_that_renews_its_picture_once_a_second_is_online_and_one_that_never_does_is_frozen() -> None:
    began = time.monotonic()
    renews = StillCamera(picture=lambda _: noise(int(time.monotonic() - began)))
    stands = StillCamera(picture=lambda _: noise(0))
    with serving(renews), serving(stands):
        mailbox, clock = Mailbox(), SystemClock()
        captures = [Capture("porch", camera(one, fps=2.0), mailbox, clock) for one in (renews, stands)]
        try:
            for capture in captures:
                capture.start()
            until(lambda: captures[1].state().status == "stalled", 8)
            assert captures[1].state().error == "the picture has not changed for 2.5 s"
            assert captures[0].state().status == "online"
            assert captures[0].state().frames > 1
        finally:
            for capture in captures:
                capture.stop()
            assert all(capture.join(5) for capture in captures)


def test_its_slowest_rate_is_what_recognition_needs() -> None:
    assert SnapshotCamera(url="http://10.0.0.9/snap.jpg", fps=MIN_FPS).fps == MIN_FPS
    for fps in (MIN_FPS - 0.01, 10.1):
        with pytest.raises(ValidationError):
            SnapshotCamera(url="http://10.0.0.9/snap.jpg", fps=fps)
