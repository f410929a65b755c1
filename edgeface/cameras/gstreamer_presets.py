"""GStreamer pipelines that are ready-made, and GStreamer's errors in plain words."""

from __future__ import annotations

import re
from typing import Any, Literal, TypeAlias

from edgeface.core.errors import CameraError

Preset: TypeAlias = Literal["rtsp", "jetson_rtsp", "jetson_csi", "v4l2", "test"]

KEYS: dict[Preset, frozenset[str]] = {
    "rtsp": frozenset({"url", "latency"}),
    "jetson_rtsp": frozenset({"url", "latency", "codec"}),
    "jetson_csi": frozenset({"sensor"}),
    "v4l2": frozenset({"device"}),
    "test": frozenset({"pattern"}),
}
"""The keys that each preset knows, beside those of every camera."""

TAIL = "videoconvert ! video/x-raw,format=BGR ! appsink name=edgeface_out max-buffers=1 drop=true sync=false"
"""The end of every pipeline: the newest picture waits, and older ones are dropped."""

_PACKAGES = (
    (r"nv.*", "nvidia-l4t-gstreamer"),
    (r"avdec_.*", "gstreamer1.0-libav"),
    (r"libcamerasrc", "gstreamer1.0-libcamera"),
    (r"(video(convert|scale|rate|testsrc)|decodebin|uridecodebin|appsink)", "gstreamer1.0-plugins-base"),
    (
        r"(rtspsrc|rtp.*|v4l2.*|jpegdec|souphttpsrc|multipartdemux|udpsrc|videocrop|videoflip)",
        "gstreamer1.0-plugins-good",
    ),
    (r"(h26[45]parse|openh264dec|srtsrc|v4l2sl.*)", "gstreamer1.0-plugins-bad"),
)

# Codes of GstResourceError, GstStreamError and GstCoreError (gst/gsterror.h).
_REASONS = {
    ("gst-resource-error-quark", 3): "is not there",
    ("gst-resource-error-quark", 4): "is in use by another program",
    ("gst-resource-error-quark", 5): "cannot be opened",
    ("gst-resource-error-quark", 6): "cannot be opened",
    ("gst-resource-error-quark", 7): "cannot be opened",
    ("gst-resource-error-quark", 9): "broke off",
    ("gst-resource-error-quark", 13): "does not take these settings",
    ("gst-resource-error-quark", 15): "refuses the user name or the password",
    ("gst-stream-error-quark", 4): "gives something that is not understood",
    ("gst-stream-error-quark", 5): "gives something that is not a video",
    ("gst-stream-error-quark", 6): "needs a decoder that is missing: sudo apt install gstreamer1.0-libav",
    ("gst-stream-error-quark", 7): "gives something that cannot be decoded",
    ("gst-core-error-quark", 12): "needs a plugin that is missing: sudo apt install gstreamer1.0-libav",
}

_PARSING = {
    0: "a mistake in its syntax",
    3: "parts that do not fit together",
    4: "a value that its property does not take",
    5: "an empty bin in it",
    6: "nothing in it",
}
"""GstParseError (gst/gstparse.h); of 1 and 2 the text tells what is missing."""

_NAME = r"[A-Za-z0-9_-]{1,64}"


def unparsed(error: Any) -> CameraError:
    """Why a pipeline cannot be made; the message's own text may repeat a password, so only names are taken from it."""
    if named := re.fullmatch(rf'no element "({_NAME})"', error.message):
        return CameraError(missing(named[1]))
    if named := re.fullmatch(rf'no property "({_NAME})" in element "({_NAME})"', error.message):
        return CameraError(f"the pipeline sets {named[1]}, which {named[2]} has not")
    return CameraError(f"the pipeline has {_PARSING.get(error.code, 'a mistake')}")


def missing(element: str) -> str:
    """That an element is missing, and the apt package that brings it."""
    for pattern, package in _PACKAGES:
        if re.fullmatch(pattern, element):
            return f"GStreamer's {element} is missing: sudo apt install {package}"
    return f"GStreamer has no {element} here; is it spelled right, and its plugin installed?"


def failed(label: str, domain: str, code: int, element: str) -> CameraError:
    """A message of the bus in plain words."""
    reason = _REASONS.get((domain, code))
    return CameraError(
        f"{label} {reason}" if reason else f"{label} failed in {element} ({domain.split('-')[1]} {code})"
    )
