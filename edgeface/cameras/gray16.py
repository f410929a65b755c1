"""Cameras with 16 bits per pixel, which measure distance or heat: a V4L2 device, or a folder of PGM or PNG files."""

from __future__ import annotations

import os
import re
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from edgeface.cameras.base import CameraBase, FrameRateLimiter
from edgeface.core.errors import CameraError, PhotoError, system_reason
from edgeface.core.files import read_at_most
from edgeface.core.settings import Unit
from edgeface.core.text import printable_path
from edgeface.core.types import CameraImage
from edgeface.imaging import photos

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from edgeface.core.clock import Clock
    from edgeface.core.types import Image, Values

_POLL_SECONDS = 0.02
_MAX_FILES = 10_000
"""Files in the folder; a program that removes none fills it."""
_MAX_PIXELS = 4_000_000
_MAX_BYTES = 10_000_000
_MAX_VALUE = 65535

# Netpbm's pgm(5), the binary form; a comment runs from # to the end of the line.
_SPACE = rb"(?:\s|#[^\n]*\n)+"
_PGM = re.compile(rb"P5" + _SPACE + rb"(\d{1,5})" + _SPACE + rb"(\d{1,5})" + _SPACE + rb"(\d{1,5})\s")
_MAX_HEADER_BYTES = 1000
_MAX_BYTE = 255
# PNG (W3C, 11.2.1): bit depth and colour type follow width and height; 16 bits of grey without alpha.
_PNG, _PNG_GREY16, _PNG_FORMAT = b"\x89PNG\r\n\x1a\n", b"\x10\x00", slice(24, 26)


class Gray16Camera(CameraBase):
    """A camera whose pixels have 16 bits: it serves a liveness detector, as the companion of another camera."""

    type: Literal["gray16"] = "gray16"
    source: Annotated[str, Field(min_length=1, max_length=2000)]
    """/dev/video*, or the folder in which another program puts .pgm or .png files with 16 bits per pixel."""
    unit: Unit
    """millimetre: the pixels are distances; centikelvin: absolute temperatures in 0.01 K."""
    step: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """How many units a pixel's value of 1 is."""
    pixels: Literal["Y16", "Z16"] = "Y16"
    """The pixel format to request from a V4L2 device."""
    read_timeout: Annotated[float, Field(gt=0, le=60)] = 2.0
    """Maximum seconds between two files of a folder."""

    @property
    def local_device(self) -> str | None:
        """Its /dev/video*; None for a folder."""
        return self.source if self.source.startswith("/dev/") else None

    @property
    def measures(self) -> Unit:
        """The unit of its values."""
        return self.unit

    def play(self, clock: Clock) -> Generator[CameraImage, None, None]:
        """Open the device or the folder, and yield what it measures; raises CameraError once that stops.

        Files that are in the folder before it is opened are old, and are not read.
        """
        limiter = FrameRateLimiter(self.fps)
        with closing(self._folder(clock) if self.local_device is None else self._device(self.local_device)) as source:
            for values in source:
                if limiter.due(clock.monotonic()):
                    yield self._picture(values)

    def _picture(self, values: Values) -> CameraImage:
        from edgeface.imaging.opencv import cv2

        if self.step != 1:
            values = np.clip(np.rint(values * self.step), 0, _MAX_VALUE).astype(np.uint16)
        values = self.turned_and_flipped(values)
        if self.size is not None:
            # A value between two is none that was measured.
            values = np.asarray(cv2.resize(values, self.size, interpolation=cv2.INTER_NEAREST), np.uint16)
        return CameraImage(shown(values), None, np.array(values))

    def _folder(self, clock: Clock) -> Generator[Values, None, None]:
        folder = Path(self.source)
        last, since = _newest(folder), clock.monotonic()
        while clock.monotonic() - since <= self.read_timeout:
            name = _newest(folder)
            if name > last:
                yield read(folder / name)
                last, since = name, clock.monotonic()
            else:
                clock.sleep(_POLL_SECONDS)
        raise CameraError(f"{printable_path(folder)} has no new picture for {self.read_timeout:g} s")

    def _device(self, path: str) -> Generator[Values, None, None]:
        from edgeface.imaging.opencv import cv2

        if not Path(path).exists():
            raise CameraError(f"{path} does not exist; is the camera plugged in?")
        capture = cv2.VideoCapture(path, cv2.CAP_V4L2)
        try:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*f"{self.pixels} "))
            capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
            if not capture.isOpened():
                raise CameraError(f"{path} cannot be opened")
            width, height = (int(capture.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
            while (answer := capture.read())[0]:
                yield plane(answer[1], width, height)
            raise CameraError(f"{path} stopped delivering pictures")
        finally:
            capture.release()


def plane(raw: NDArray[Any], width: int, height: int) -> Values:
    """The values of a V4L2 buffer in Y16 or Z16, which are little-endian; OpenCV gives the latter as bytes.

    Raises CameraError if it has not 16 bits for each pixel.
    """
    if min(width, height) < 1 or width * height > _MAX_PIXELS or raw.nbytes != 2 * width * height:
        raise CameraError(f"the device does not deliver 16 bits per pixel at {width} x {height}")
    return np.ascontiguousarray(raw).view(np.uint8).reshape(-1).view("<u2").reshape(height, width).astype(np.uint16)


def shown(values: Values) -> Image:
    """A grey RGB picture of the values, from the lowest as black to the highest as white, to look at."""
    low, high = int(values.min(where=values > 0, initial=_MAX_VALUE)), int(values.max())
    grey = np.clip((values - np.float32(low)) * (255 / max(1, high - low)), 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def read(path: Path) -> Values:
    """Read a file of 16 bits per pixel; raises CameraError for anything else, before memory is taken for it."""
    name = printable_path(path)
    try:
        data = read_at_most(path, _MAX_BYTES)
        return _png(data) if data.startswith(_PNG) else _pgm(data)
    except OSError as error:
        raise CameraError(f"{name} cannot be read ({system_reason(error)})") from error
    except PhotoError as error:
        raise CameraError(f"{name}: {error}") from error


def _newest(folder: Path) -> str:
    """The last name of a picture in a folder, in the order of the names; empty if there is none."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, _MAX_FILES + 1)]
    except OSError as error:
        raise CameraError(f"{printable_path(folder)} cannot be read ({system_reason(error)})") from error
    if len(names) > _MAX_FILES:
        raise CameraError(f"{printable_path(folder)} has more than {_MAX_FILES} files; remove old ones")
    return max((name for name in names if name.endswith((".pgm", ".png")) and name[0] != "."), default="")


def _pgm(data: bytes) -> Values:
    header = _PGM.match(data[:_MAX_HEADER_BYTES])
    if header is None:
        raise PhotoError("neither a PGM (P5) nor a PNG")
    width, height, most = (int(number) for number in header.groups())
    if not _MAX_BYTE < most <= _MAX_VALUE:
        raise PhotoError("not 16 bits per pixel")
    if not 0 < width * height <= _MAX_PIXELS:
        raise PhotoError(f"{width} x {height} pixels are too many, or none")
    if len(data) != header.end() + 2 * width * height:
        raise PhotoError("truncated, or longer than its header says")
    return np.frombuffer(data, ">u2", offset=header.end()).reshape(height, width).astype(np.uint16)


def _png(data: bytes) -> Values:
    from edgeface.imaging.opencv import cv2

    photos.check(data)
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    if data[_PNG_FORMAT] != _PNG_GREY16:
        raise PhotoError("not a grey PNG with 16 bits per pixel")
    if width * height > _MAX_PIXELS:
        raise PhotoError(f"{width} x {height} pixels are too many")
    try:
        values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise PhotoError(f"damaged ({error.err})") from error
    if values is None or values.dtype != np.uint16 or values.shape != (height, width):
        raise PhotoError("damaged")
    return np.asarray(values, np.uint16)
