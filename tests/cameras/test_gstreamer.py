from __future__ import annotations

import importlib
import re
import sys
import time
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from edgeface.cameras import CameraSettings, gstreamer_presets
from edgeface.cameras.gstreamer import GstreamerCamera
from edgeface.cameras.network import faults
from edgeface.core.errors import CameraError
from tests.support import gst

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeface.core.types import CameraImage

REASON = gst.why_not()
SILENT = "videotestsrc is-live=true ! identity drop-probability=1"
UNKNOWN = "sends a format that is not supported"
HUGE = "video/x-raw,width=6000,height=6000"
URL = "rtsp://viewer:hunter2@127.0.0.1:1/door?pwd=hunter3"

Test = TypeVar("Test", bound="Callable[..., None]")


def needs_gstreamer(test: Test) -> Test:
    for mark in (pytest.mark.needs_gstreamer, pytest.mark.skipif(REASON is not None, reason=str(REASON))):
        test = mark(test)
    return test


def camera(**keys: Any) -> GstreamerCamera:
    return GstreamerCamera.model_validate({"type": "gstreamer", **keys})


def first(count: int, **keys: Any) -> list[CameraImage]:
    pictures = camera(**keys).images()
    seen = list(islice(pictures, count))
    pictures.close()
    return seen


def error_of(**keys: Any) -> str:
    with pytest.raises(CameraError) as raised:
        list(islice(camera(**keys).images(), 1000))
    return str(raised.value)


@needs_gstreamer
def test_the_test_pattern_gives_pictures_with_rising_times() -> None:
    pictures = first(5, preset="test", size=[160, 120], fps=30)
    assert {p.image.shape for p in pictures} == {(120, 160, 3)}
    assert {p.image.dtype for p in pictures} == {np.dtype(np.uint8)}
    stamps = [p.timestamp for p in pictures if p.timestamp is not None]
    assert len(stamps) == 5
    assert all(0 < b - a < 0.5 for a, b in pairwise(stamps))


@needs_gstreamer
@pytest.mark.parametrize(("width", "height"), [(320, 240), (321, 240), (322, 33), (35, 32)])
def test_colours_and_rows_are_right_whatever_the_padding(width: int, height: int) -> None:
    text = f"videotestsrc is-live=true pattern=smpte ! video/x-raw,format=RGB,width={width},height={height}"
    image = first(1, pipeline=text)[0].image
    assert image.shape == (height, width, 3)
    bar = width / 7
    middle = image[height // 4]
    seen = [tuple(int(value > 96) for value in middle[int((n + 0.5) * bar)]) for n in range(7)]
    # SMPTE: white, yellow, cyan, green, magenta, red, blue.
    assert seen == [(1, 1, 1), (1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1)]


@needs_gstreamer
def test_rows_that_a_pipeline_pads_by_itself_are_read_by_their_own_layout() -> None:
    """A buffer whose GstVideoMeta has other strides than its caps, as hardware decoders deliver."""
    from edgeface.cameras.gstreamer import _gstreamer, _rows

    core, video = _gstreamer()
    rows = np.arange(4 * 32, dtype=np.uint8).reshape(4, 32)
    buffer = core.Buffer.new_wrapped(b"\x00" * 16 + rows.tobytes())
    info = video.VideoInfo.new_from_caps(core.Caps.from_string("video/x-raw,format=BGR,width=8,height=4,framerate=1/1"))
    video.buffer_add_video_meta_full(
        buffer, video.VideoFrameFlags.NONE, video.VideoFormat.BGR, 8, 4, 1, [16, 0, 0, 0], [32, 0, 0, 0]
    )
    assert np.array_equal(_rows(video, buffer, info), rows[:, :24].reshape(4, 8, 3))
    short = core.Buffer.new_wrapped(rows.tobytes()[:80])
    with pytest.raises(CameraError, match="truncated"):
        _rows(video, short, info)


@needs_gstreamer
def test_pictures_are_turned_sized_and_thinned_out() -> None:
    pictures = first(4, pipeline="videotestsrc is-live=true", rotation=90, size=[60, 80], fps=10)
    assert {p.image.shape for p in pictures} == {(80, 60, 3)}
    stamps = [p.timestamp for p in pictures if p.timestamp is not None]
    assert stamps[-1] - stamps[0] == pytest.approx(0.3, abs=0.1)


@needs_gstreamer
def test_a_slow_reader_gets_the_newest_picture() -> None:
    pictures = camera(preset="test", fps=30).images()
    stamps = []
    for picture in islice(pictures, 4):
        stamps.append(picture.timestamp or 0.0)
        time.sleep(0.3)
    pictures.close()
    assert all(b - a > 0.2 for a, b in pairwise(stamps[1:]))


@needs_gstreamer
@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"pipeline": "videotestsrc num-buffers=3"}, "the pipeline stopped delivering images"),
        ({"pipeline": SILENT, "open_timeout": 0.3}, "the pipeline delivers no image for 0.3 s"),
        ({"pipeline": "filesrc location=/no/hunter2 ! decodebin"}, "the pipeline's filesrc does not exist"),
        ({"pipeline": "filesrc location=/etc/hostname ! decodebin"}, f"the pipeline's typefind {UNKNOWN}"),
        ({"preset": "v4l2", "device": "/dev/video63"}, "/dev/video63 does not exist"),
        ({"preset": "rtsp", "url": URL}, f"rtsp://127.0.0.1:1 {faults.NOTHING_LISTENS.format(protocol='RTSP')}"),
        ({"pipeline": "videotestsrc bar=hunter2"}, "the pipeline sets bar, which videotestsrc does not have"),
        ({"pipeline": "videotestsrc pattern=hunter2"}, "the pipeline has a value that its property does not accept"),
        ({"pipeline": "videotestsrc !! hunter2"}, "the pipeline has a mistake in its syntax"),
        ({"pipeline": "audiotestsrc"}, "the pipeline has parts that do not fit together"),
        ({"pipeline": "hunter_2"}, "GStreamer has no hunter_2; is it spelled correctly, and is its plugin installed?"),
        ({"pipeline": f"videotestsrc ! {HUGE}"}, "the pipeline delivers images that are too large"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_said_in_one_line_without_a_password(keys: dict[str, Any], says: str) -> None:
    assert error_of(**keys) == says


@needs_gstreamer
@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("videotestsrc ! tee name=t t. ! queue ! filesink location={} t.", "out"),
        ("videotestsrc ! tee name=t t. ! queue ! fakesink t.", None),
        ("playbin uri=file:///nothing videotestsrc", None),
    ],
)
def test_a_pipeline_that_shows_writes_or_sends_pictures_is_refused(tmp_path: Path, text: str, file: str | None) -> None:
    target = tmp_path / (file or "none")
    assert "has a sink of its own" in error_of(pipeline=text.format(target))
    assert not target.exists()


@needs_gstreamer
@pytest.mark.skipif(Path("/usr/lib/aarch64-linux-gnu/nvidia").exists(), reason="a Jetson has them")
@pytest.mark.parametrize("preset", ["jetson_csi", "jetson_rtsp"])
def test_a_missing_plugin_is_said_with_its_package(preset: str) -> None:
    keys = {"url": URL} if preset == "jetson_rtsp" else {}
    says = error_of(preset=preset, **keys)
    # h264parse comes before the decoder, and may be missing too.
    assert re.fullmatch(
        r"GStreamer's (nv\w+ is missing: sudo apt install nvidia-l4t-gstreamer"
        r"|h264parse is missing: sudo apt install gstreamer1.0-plugins-bad)",
        says,
    )
    assert "hunter" not in says


@pytest.mark.parametrize(
    ("element", "package"),
    [
        ("avdec_h264", "gstreamer1.0-libav"),
        ("rtspsrc", "gstreamer1.0-plugins-good"),
        ("rtph264depay", "gstreamer1.0-plugins-good"),
        ("h264parse", "gstreamer1.0-plugins-bad"),
        ("videoconvert", "gstreamer1.0-plugins-base"),
        ("libcamerasrc", "gstreamer1.0-libcamera"),
        ("nvvidconv", "nvidia-l4t-gstreamer"),
    ],
)
def test_each_element_of_a_preset_is_known_by_its_package(element: str, package: str) -> None:
    assert gstreamer_presets.missing_element(element).endswith(package)


@needs_gstreamer
def test_codes_of_errors_are_gstreamers_own() -> None:
    core = importlib.import_module("gi.repository.Gst")
    known = {
        "gst-resource-error-quark": core.ResourceError,
        "gst-stream-error-quark": core.StreamError,
        "gst-core-error-quark": core.CoreError,
    }
    names = {(domain, code): known[domain](code).value_nick for domain, code in gstreamer_presets._BUS_ERRORS}
    assert names == {
        ("gst-resource-error-quark", 3): "not-found",
        ("gst-resource-error-quark", 4): "busy",
        ("gst-resource-error-quark", 5): "open-read",
        ("gst-resource-error-quark", 6): "open-write",
        ("gst-resource-error-quark", 7): "open-read-write",
        ("gst-resource-error-quark", 9): "read",
        ("gst-resource-error-quark", 13): "settings",
        ("gst-resource-error-quark", 15): "not-authorized",
        ("gst-stream-error-quark", 4): "type-not-found",
        ("gst-stream-error-quark", 5): "wrong-type",
        ("gst-stream-error-quark", 6): "codec-not-found",
        ("gst-stream-error-quark", 7): "decode",
        ("gst-core-error-quark", 12): "missing-plugin",
    }


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ModuleNotFoundError("No module named 'gi'"), r"sudo apt install python3-gi .*--system-site-packages"),
        (ValueError("Namespace GstVideo not available"), r"sudo apt install .*gir1\.2-gst-plugins-base-1\.0"),
    ],
)
def test_a_machine_without_gstreamer_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, error: Exception, says: str
) -> None:
    class Gi:
        @staticmethod
        def require_version(*_: str) -> None:
            raise error

    monkeypatch.setitem(sys.modules, "gi", Gi)
    with pytest.raises(CameraError, match=says):
        first(1, preset="test")


@needs_gstreamer
def test_opening_again_and_again_leaves_no_thread_file_or_memory() -> None:
    def resources() -> tuple[int, int, int]:
        threads, files = (sum(1 for _ in Path("/proc/self", kind).iterdir()) for kind in ("task", "fd"))
        return threads, files, int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    first(2, preset="test", size=[640, 480], fps=200)
    before = resources()
    for _ in range(100):
        first(2, preset="test", size=[640, 480], fps=200)
    after = resources()
    assert after[0] <= before[0] + 2
    assert after[1] <= before[1] + 2
    assert after[2] < before[2] + 15e6, "a picture has 0.9 MB"


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"preset": "test", "pipeline": "videotestsrc"},
        {"preset": "rtsp"},
        {"preset": "rtsp", "url": "http://hunter2@camera/"},
        {"preset": "rtsp", "url": "rtsp://a:hunter2/3@camera/"},
        {"preset": "rtsp", "url": URL, "device": "/dev/video0"},
        {"preset": "jetson_csi", "url": URL},
        {"preset": "v4l2", "device": "/etc/hunter2"},
        {"preset": "v4l2", "device": '/dev/video0" ! filesink location="/tmp/hunter2'},
        {"preset": "test", "pattern": "ball ! hunter2"},
        {"pipeline": "videotestsrc", "latency": 5},
        {"pipeline": ""},
        {"preset": "webcam"},
        {"preset": "rtsp", "url": URL, "latency": -1},
    ],
)
def test_wrong_settings_are_refused_without_being_repeated(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as raised:
        camera(**keys)
    assert "hunter" not in str(raised.value)


def test_what_may_be_shown_of_a_camera() -> None:
    stream = camera(preset="rtsp", url=URL)
    assert stream.label == "rtsp://127.0.0.1:1"
    assert "hunter" not in repr(stream) + repr(camera(pipeline="rtspsrc location=rtsp://a:hunter2@b/ ! decodebin"))
    assert "hunter" not in stream.launch_text()


@pytest.mark.parametrize("preset", ["rtsp", "jetson_rtsp", "jetson_csi", "v4l2", "test"])
def test_a_preset_is_one_pipeline_that_ends_with_us(preset: Any) -> None:
    keys = {"url": URL} if "rtsp" in preset else {}
    text = camera(preset=preset, size=[640, 480], fps=15, rotation=90, **keys).launch_text()
    assert text.endswith("max-buffers=1 drop=true sync=false")
    # The size requested from the camera is that of the sensor, before rotation.
    assert ("width=480,height=640" in text) == ("rtsp" not in preset)


def test_the_type_chooses_the_camera() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(CameraSettings)
    made = adapter.validate_python({"type": "gstreamer", "preset": "jetson_csi", "sensor": 1, "size": [1280, 720]})
    assert isinstance(made, GstreamerCamera)
    assert (made.sensor, made.size) == (1, (1280, 720))
