from __future__ import annotations

import http.server
import socket
import subprocess
import sys
import threading
import time
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from edgeface.cameras import CameraSettings
from edgeface.cameras.base import FrameRateLimiter
from edgeface.cameras.network import faults
from edgeface.cameras.opencv import OpencvCamera
from edgeface.cameras.replay import ReplayCamera
from edgeface.core.errors import CameraError
from edgeface.imaging.opencv import MAX_PIXELS, cv2

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def camera(source: str | int, **keys: Any) -> OpencvCamera:
    return OpencvCamera.model_validate({"type": "opencv", "source": source, **keys})


class Mjpeg(http.server.BaseHTTPRequestHandler):
    """An HTTP camera: /live never ends, /short ends after 30 images, /hangs stops sending after 30, and /burst begins
    with 40 that have waited. The brightness of a corner is four times the image's number."""

    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        if "missing" in self.path:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        random = np.random.default_rng(1)
        stop: threading.Event = self.server.stop  # type: ignore[attr-defined]
        for number in range(10_000):
            if stop.is_set() or ("short" in self.path and number == 30):
                return
            if "hangs" in self.path and number == 30:
                stop.wait(20)
                return
            bgr = random.integers(0, 256, (120, 160, 3), np.uint8)
            bgr[:40, :40] = min(number * 4, 255)
            jpeg = cv2.imencode(".jpg", bgr)[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
            try:
                self.wfile.write(head + jpeg + b"\r\n")
            except OSError:
                return
            if "burst" not in self.path or number >= 40:
                time.sleep(0.04 if "burst" in self.path else 0.005)

    def log_message(self, *_: object) -> None:
        """Print nothing on standard error."""


@pytest.fixture
def address() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mjpeg)
    server.stop = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.stop.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_http_stream_gives_pictures_whose_times_move_where_it_has_any(address: str) -> None:
    pictures = camera(f"http://{address}/live", size=[80, 60]).images()
    seen = list(islice(pictures, 20))
    pictures.close()
    assert {p.image.shape for p in seen} == {(60, 80, 3)}
    stamps = [p.timestamp for p in seen if p.timestamp is not None]
    assert not stamps or len(stamps) >= 19, "OpenCV 4.8 tells no times of an HTTP stream, 5.0 does"
    assert all(b > a for a, b in pairwise(stamps))
    assert not np.array_equal(seen[3].image, seen[4].image)


def test_what_waited_while_a_stream_was_opened_is_thrown_away(address: str) -> None:
    pictures = camera(f"http://{address}/burst").images()
    first = next(pictures)
    pictures.close()
    assert first.image[10:30, 10:30].mean() / 4 == pytest.approx(42, abs=4)


def test_a_stream_that_ends_is_an_error_without_its_password(address: str) -> None:
    pictures = camera(f"http://admin:hunter2@{address}/short?pwd=hunter3").images()
    with pytest.raises(CameraError, match="stopped delivering images") as raised:
        list(pictures)
    assert str(raised.value) == f"http://{address} stopped delivering images"


def test_a_stream_that_hangs_ends_at_the_read_timeout(address: str) -> None:
    pictures = camera(f"http://{address}/hangs", read_timeout=0.5).images()
    began = time.monotonic()
    with pytest.raises(CameraError, match="stopped delivering images"):
        list(pictures)
    assert time.monotonic() - began < 20


def test_the_frame_rate_of_a_stream_is_limited(address: str) -> None:
    pictures = camera(f"http://{address}/live", fps=20).images()
    next(pictures)
    began = time.monotonic()
    assert len(list(islice(pictures, 10))) == 10
    assert time.monotonic() - began > 0.4
    pictures.close()


@pytest.mark.parametrize("path", ["missing", "nothing/missing?pwd=hunter2"])
def test_an_address_without_a_stream(address: str, path: str) -> None:
    with pytest.raises(CameraError) as raised:
        next(camera(f"http://user:hunter2@{address}/{path}").images())
    assert str(raised.value) == f"http://{address} {faults.NO_PATH}"


def test_a_server_that_is_not_there_is_told_at_once() -> None:
    with pytest.raises(CameraError, match=r"rtsp://127\.0\.0\.1:1 has nothing listening on this port: is RTSP "):
        next(camera("rtsp://user:hunter2@127.0.0.1:1/stream").images())


def test_a_server_that_says_nothing_ends_at_the_open_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(CameraError, match="accepts the connection but does not answer"):
            next(camera(f"rtsp://127.0.0.1:{silent.getsockname()[1]}/x", open_timeout=0.4).images())
        assert time.monotonic() - began < 20


@pytest.mark.parametrize("source", [63, "/dev/video63"])
def test_a_usb_camera_that_is_not_there(source: str | int) -> None:
    with pytest.raises(CameraError, match="/dev/video63 does not exist"):
        next(camera(source).images())


def test_a_device_that_is_no_camera() -> None:
    with pytest.raises(CameraError, match="/dev/null cannot be opened"):
        next(camera("/dev/null").images())


def test_a_file_is_played_as_a_clip_and_ends(tmp_path: Path) -> None:
    clip = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 50, (160, 120))
    for number in range(20):
        writer.write(np.full((120, 160, 3), number * 10, np.uint8))
    writer.release()
    pictures = list(camera(str(clip), size=[40, 32], rotation=180).images())
    assert len(pictures) == 20
    assert pictures[7].timestamp == pytest.approx(0.14)
    assert pictures[7].image.shape == (32, 40, 3)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="neither a file nor a folder"):
        next(camera(str(tmp_path / "nothing.mp4")).images())


@pytest.mark.parametrize(
    ("source", "label"),
    [
        ("rtsp://admin:secret@10.0.0.5:554/h264?token=secret", "rtsp://10.0.0.5:554"),
        ("rtsp://10.0.0.5/user=admin&password=secret&channel=1", "rtsp://10.0.0.5"),
        ("http://admin:sec%40ret@camera.lan/video", "http://camera.lan"),
        ("https://[fd00::1]:8443/secret", "https://[fd00::1]:8443"),
        ("http://admin@camera.lan", "http://camera.lan"),
        ("/dev/video0", "/dev/video0"),
    ],
)
def test_what_may_be_shown_of_a_source(source: str, label: str) -> None:
    made = camera(source)
    assert made.label == label
    assert "secret" not in made.label
    assert "secret" not in repr(made)


@pytest.mark.parametrize(
    "source",
    [
        "rtsp://admin:sec/ret@10.0.0.5/x",
        "rtsp://admin:12/34@10.0.0.5/x",
        "rtsp://admin:sec@ret@10.0.0.5/x",
        "rtsp://admin:sec#ret@10.0.0.5/x",
        "ftp://admin:secret@10.0.0.5/x",
        "concat://secret",
        "rtsp://",
        "",
        -1,
        True,
        1.5,
    ],
)
def test_a_wrong_source_is_refused_without_being_repeated(source: Any) -> None:
    with pytest.raises(ValidationError) as raised:
        camera(source)
    assert "sec" not in str(raised.value)


@pytest.mark.parametrize("keys", [{"open_timeout": 0}, {"read_timeout": 61}, {"read_timeout": "2"}, {"enabled": 1}])
def test_wrong_settings_are_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        camera(0, **keys)


def test_the_type_chooses_the_camera() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(CameraSettings)
    usb = adapter.validate_python({"type": "opencv", "source": 0, "rotation": 90, "region": [0, 0.2, 1, 1]})
    assert isinstance(usb, OpencvCamera)
    assert (usb.rotation, usb.flip, usb.size, usb.region, usb.enabled) == (90, "none", None, (0, 0.2, 1, 1), True)
    clip = adapter.validate_python({"type": "replay", "path": "door.mp4", "size": [640, 480], "fps": 15})
    assert isinstance(clip, ReplayCamera)
    assert (clip.size, clip.fps, clip.loop) == ((640, 480), 15, False)
    with pytest.raises(ValidationError):
        adapter.validate_python({"type": "webcam"})


def test_the_settings_load_no_opencv() -> None:
    program = "import sys, edgeface.cameras; sys.exit('cv2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_environment_of_opencv_is_set_before_it_loads() -> None:
    program = (
        "from edgeface.imaging.opencv import cv2; import numpy as np\n"
        "ok, png = cv2.imencode('.png', np.zeros((5100, 5100), np.uint8))\n"
        "try: print(cv2.imdecode(png, cv2.IMREAD_COLOR) is None)\n"
        "except cv2.error as error: print('MAX_IMAGE_PIXELS' in str(error) or 'CV_IO_MAX' in str(error))\n"
        "print(cv2.VideoCapture('rtsp://u:hunter2@127.0.0.1:1/x', cv2.CAP_FFMPEG).isOpened())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "False"]
    assert not done.stderr
    assert MAX_PIXELS < 5100 * 5100


@pytest.mark.parametrize(("source", "limit"), [(30.0, 15.0), (30.0, 25.0), (29.97, 10.0), (25.0, 24.0)])
def test_thinning_keeps_the_average_under_jitter(source: float, limit: float) -> None:
    thinner, random = FrameRateLimiter(limit), np.random.default_rng(3)
    stamps = np.cumsum(np.maximum(0.001, random.normal(1 / source, 0.15 / source, 3000)))
    kept = [t for t in stamps if thinner.due(float(t))]
    assert len(kept) / (kept[-1] - kept[0]) == pytest.approx(limit, rel=0.05)


def test_thinning_survives_a_jump_of_the_source_both_ways() -> None:
    thinner = FrameRateLimiter(10)
    assert thinner.due(100.0)
    assert not thinner.due(100.01)
    assert thinner.due(3.0)
    assert not thinner.due(3.01)
    assert thinner.due(1e6)
