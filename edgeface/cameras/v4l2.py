"""The V4L2 devices that a machine has, by the kernel's own description of them."""

from __future__ import annotations

import fcntl
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# linux/videodev2.h: VIDIOC_QUERYCAP is _IOR('V', 0, struct v4l2_capability).
QUERYCAP = 0x80685600
CAPABILITY = struct.Struct("16s32s32sIII12x")
"""struct v4l2_capability: driver, card, bus_info, version, capabilities, device_caps, reserved."""

_CAPTURE = 0x1 | 0x1000
"""V4L2_CAP_VIDEO_CAPTURE, and its kind of several planes."""
_DEVICE_CAPS = 0x80000000

# Camera interfaces that need libcamera or Nvidia's Argus around them, and image processors that are no cameras.
_TYPES = {"unicam": "picamera", "rp1-cfe": "picamera", "tegra-video": "gstreamer"}
_NO_CAMERAS = {"bcm2835-isp", "pispbe", "rpivid", "bcm2835-codec"}


@dataclass(frozen=True, slots=True)
class Node:
    """One /dev/video* that gives pictures, or that cannot be asked."""

    path: str
    card: str
    type: str = "opencv"
    """Which camera type reads it."""
    trouble: str | None = None
    """Why it cannot be asked, and what to do."""


def nodes(
    listed: Path = Path("/sys/class/video4linux"),
    devices: Path = Path("/dev"),
    ask: Callable[[Path], bytes] | None = None,
) -> list[Node]:
    """The machine's cameras, in the order of their numbers; metadata, codec and processor nodes are left out."""
    names = [path.name for path in listed.glob("video*") if path.name.removeprefix("video").isdigit()]
    found = (_node(devices / name, ask or asked) for name in sorted(names, key=lambda name: int(name[5:])))
    return [node for node in found if node is not None]


def asked(path: Path) -> bytes:
    """What VIDIOC_QUERYCAP answers; OSError when it cannot be asked."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return fcntl.ioctl(handle, QUERYCAP, bytes(CAPABILITY.size))
    finally:
        os.close(handle)


def _node(path: Path, ask: Callable[[Path], bytes]) -> Node | None:
    try:
        driver, card, _, _, capabilities, of_device = CAPABILITY.unpack(ask(path))
    except PermissionError:
        return Node(str(path), "not allowed", trouble="sudo usermod -aG video $USER, then log in again")
    except OSError as error:
        return Node(str(path), "does not answer", trouble=f"{error.strerror}; is it plugged in?")
    if not (of_device if capabilities & _DEVICE_CAPS else capabilities) & _CAPTURE:
        return None
    name = _text(driver)
    return None if name in _NO_CAMERAS else Node(str(path), _text(card), _TYPES.get(name, "opencv"))


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("utf-8", "replace").strip()
