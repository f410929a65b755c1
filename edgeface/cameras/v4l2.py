"""Lists this machine's V4L2 devices from the kernel's description of them."""

from __future__ import annotations

import fcntl
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.core.installed.container import engine

if TYPE_CHECKING:
    from collections.abc import Callable

# linux/videodev2.h: VIDIOC_QUERYCAP is _IOR('V', 0, struct v4l2_capability).
QUERYCAP = 0x80685600
CAPABILITY = struct.Struct("16s32s32sIII12x")
"""struct v4l2_capability: driver, card, bus_info, version, capabilities, device_caps, reserved."""

_CAPTURE = 0x1 | 0x1000
"""V4L2_CAP_VIDEO_CAPTURE and V4L2_CAP_VIDEO_CAPTURE_MPLANE."""
_DEVICE_CAPS = 0x80000000

# Drivers whose cameras need libcamera or Nvidia's Argus, and image processors that are not cameras.
_TYPES = {"unicam": "picamera", "rp1-cfe": "picamera", "tegra-video": "gstreamer"}
_NOT_CAMERAS = {"bcm2835-isp", "pispbe", "rpivid", "bcm2835-codec"}


@dataclass(frozen=True, slots=True)
class Node:
    """One /dev/video* that captures video, or that cannot be queried."""

    path: str
    card: str
    type: str = "opencv"
    """The camera type that reads it."""
    problem: str | None = None
    """Why it cannot be queried, and what to do."""


def nodes(
    registry: Path = Path("/sys/class/video4linux"),
    devices: Path = Path("/dev"),
    query: Callable[[Path], bytes] | None = None,
) -> list[Node]:
    """The machine's cameras in the order of their numbers, without metadata, codec and processor nodes."""
    names = [path.name for path in registry.glob("video*") if path.name.removeprefix("video").isdigit()]
    found = (_node(devices / name, query or query_capability) for name in sorted(names, key=lambda name: int(name[5:])))
    return [node for node in found if node is not None]


def query_capability(path: Path) -> bytes:
    """The answer to VIDIOC_QUERYCAP; raises OSError if there is none."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return fcntl.ioctl(handle, QUERYCAP, bytes(CAPABILITY.size))
    finally:
        os.close(handle)


def _node(path: Path, query: Callable[[Path], bytes]) -> Node | None:
    try:
        driver, card, _, _, capabilities, of_device = CAPABILITY.unpack(query(path))
    except PermissionError:
        return Node(str(path), "not allowed", problem="sudo usermod -aG video $USER, then log in again")
    except OSError as error:
        if isinstance(error, FileNotFoundError) and engine() is not None:
            # The kernel's list is the host's.
            return Node(str(path), "not passed into the container", problem=f"run it with --device {path}")
        return Node(str(path), "does not answer", problem=f"{error.strerror}; is it plugged in?")
    if not (of_device if capabilities & _DEVICE_CAPS else capabilities) & _CAPTURE:
        return None
    name = _text(driver)
    return None if name in _NOT_CAMERAS else Node(str(path), _text(card), _TYPES.get(name, "opencv"))


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("utf-8", "replace").strip()
