"""The keys of the GStreamer presets, and GStreamer's errors in plain words."""

from __future__ import annotations

import re
from typing import Any, Literal, TypeAlias

from edgeface.cameras.network.keys import LOGIN_KEYS
from edgeface.core.errors import CameraError

Preset: TypeAlias = Literal["rtsp", "jetson_rtsp", "jetson_csi", "v4l2", "test"]

KEYS: dict[Preset, frozenset[str]] = {
    "rtsp": frozenset({"url", "transport", "latency"}) | LOGIN_KEYS,
    "jetson_rtsp": frozenset({"url", "transport", "latency", "codec"}) | LOGIN_KEYS,
    "jetson_csi": frozenset({"sensor"}),
    "v4l2": frozenset({"device"}),
    "test": frozenset({"pattern"}),
}
"""The keys of each preset, in addition to those of every camera."""

TAIL = "videoconvert ! video/x-raw,format=BGR ! appsink name=edgeface_out max-buffers=1 drop=true sync=false"
"""The end of every pipeline: the newest frame waits, and older ones are dropped."""

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
_BUS_ERRORS = {
    ("gst-resource-error-quark", 3): "does not exist",
    ("gst-resource-error-quark", 4): "is in use by another program",
    ("gst-resource-error-quark", 5): "cannot be opened",
    ("gst-resource-error-quark", 6): "cannot be opened",
    ("gst-resource-error-quark", 7): "cannot be opened",
    ("gst-resource-error-quark", 9): "broke off",
    ("gst-resource-error-quark", 13): "does not accept these settings",
    ("gst-resource-error-quark", 15): "refuses the user name or the password",
    ("gst-stream-error-quark", 4): "sends a format that is not supported",
    ("gst-stream-error-quark", 5): "sends something that is not video",
    ("gst-stream-error-quark", 6): "needs a decoder that is missing: sudo apt install gstreamer1.0-libav",
    ("gst-stream-error-quark", 7): "sends something that cannot be decoded",
    ("gst-core-error-quark", 12): "needs a plugin that is missing: sudo apt install gstreamer1.0-libav",
}

WRONG_LOGIN = ("gst-resource-error-quark", 15)
"""The error of the bus that needs no further question: rtspsrc has logged in already."""

_PARSE_ERRORS = {
    0: "a mistake in its syntax",
    3: "parts that do not fit together",
    4: "a value that its property does not accept",
    5: "an empty bin in it",
    6: "nothing in it",
}
"""GstParseError (gst/gstparse.h); for 1 and 2 the message names what is missing."""

_NAME = r"[A-Za-z0-9_-]{1,64}"


_NETWORK_ELEMENTS = {"udpsrc": "0.0.0.0", "tcpclientsrc": "localhost", "tcpserversrc": "localhost"}  # noqa: S104 - a default
"""Elements that receive from a network without encryption, and the host that they use if the pipeline names none."""


def network_elements(pipeline: str) -> list[str]:
    """The addresses of the elements in a pipeline that name hosts as properties, such as tcpclientsrc host=camera."""
    found = []
    for part in pipeline.split("!"):
        name = (part.split() or [""])[0]
        if name in _NETWORK_ELEMENTS and not re.search(r"\buri\s*=", part):
            host = re.search(r"\b(?:host|address)\s*=\s*[\"']?([^\s\"']+)", part)
            host_name = host[1] if host else _NETWORK_ELEMENTS[name]
            found.append(f"{name}://{f'[{host_name}]' if ':' in host_name else host_name}")
    return found


def parse_error(error: Any) -> CameraError:
    """Why a pipeline cannot be built; GStreamer's message may repeat a password, so only names are taken from it."""
    if named := re.fullmatch(rf'no element "({_NAME})"', error.message):
        return CameraError(missing_element(named[1]))
    if named := re.fullmatch(rf'no property "({_NAME})" in element "({_NAME})"', error.message):
        return CameraError(f"the pipeline sets {named[1]}, which {named[2]} does not have")
    return CameraError(f"the pipeline has {_PARSE_ERRORS.get(error.code, 'a mistake')}")


def missing_element(element: str) -> str:
    """The message for a missing element, with the apt package that contains it."""
    for pattern, package in _PACKAGES:
        if re.fullmatch(pattern, element):
            return f"GStreamer's {element} is missing: sudo apt install {package}"
    return f"GStreamer has no {element}; is it spelled correctly, and is its plugin installed?"


def bus_error(label: str, domain: str, code: int, element: str) -> CameraError:
    """An error message of the bus in plain words."""
    reason = _BUS_ERRORS.get((domain, code)) or f"failed in {element} ({domain.split('-')[1]} {code})"
    return CameraError(f"{label} {reason}")
