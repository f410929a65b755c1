"""Reads QR codes in a process of its own, because OpenCV's detectors have crashed on hostile pictures before."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from edgeface.core.errors import PhotoError
from edgeface.imaging.sandbox import SandboxedProcess, read_into

if TYPE_CHECKING:
    import subprocess

    from numpy.typing import NDArray

    from edgeface.core.types import Image

SIDE = 1280
"""Pixels of the longer side of the picture that is read: a pass, 45 modules wide, is read when it takes a fifth of the
picture's width (docs/decisions/0021)."""
SEARCHED_SIDE = 480
"""Pixels of the longer side of the picture that is searched for a code: 5 ms of CPU on x86-64."""
MAX_TEXT = 400
"""Bytes of a text that is returned; a longer one is no pass."""
SECONDS = 1.0
"""Time limit for one picture."""

_SIZE = struct.Struct(">II")
_COUNT = struct.Struct(">I")


class QrReader:
    """A child process that reads QR codes; one thread uses it."""

    def __init__(self) -> None:
        self._process = SandboxedProcess("edgeface.imaging.qr_codes", SECONDS)
        self.failures = 0
        """How often the child has crashed or taken too long."""

    def read(self, image: Image) -> str | None:
        """The text of a QR code in an RGB picture; None if there is none that can be read."""
        small = reduced(image)
        request = (_SIZE.pack(*small.shape), small.tobytes())
        try:
            text = self._process.ask(request, _received)
        except PhotoError:
            self.failures += 1
            return None
        return text or None

    def close(self) -> None:
        """Stop the child."""
        self._process.close()


def reduced(image: Image) -> NDArray[np.uint8]:
    """The picture in grey, at most SIDE pixels wide and high."""
    from edgeface.imaging.opencv import cv2

    return _fitted(np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8), SIDE)


def _fitted(grey: NDArray[np.uint8], most: int) -> NDArray[np.uint8]:
    """The picture, at most this many pixels wide and high."""
    from edgeface.imaging.opencv import cv2

    scale = most / max(grey.shape)
    if scale >= 1:
        return grey
    height, width = (max(1, round(side * scale)) for side in grey.shape)
    return np.asarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _received(child: subprocess.Popen[bytes]) -> str:
    (count,) = _COUNT.unpack(read_into(child, bytearray(_COUNT.size)))
    # The child's reply is not trusted either.
    if count > MAX_TEXT:
        raise EOFError("more text than allowed")
    return bytes(read_into(child, bytearray(count))).decode("ascii", "replace")


def serve(source: BinaryIO, sink: BinaryIO) -> bool:
    """Answer one request in the child."""
    head = source.read(_SIZE.size)
    if len(head) < _SIZE.size:
        return False
    height, width = _SIZE.unpack(head)
    grey = np.frombuffer(source.read(height * width), np.uint8).reshape(height, width)
    text = _decoded(grey).encode()
    text = text if len(text) <= MAX_TEXT else b""
    sink.write(_COUNT.pack(len(text)) + text)
    return True


def _decoded(grey: NDArray[np.uint8]) -> str:
    """The text of the code that is found in a small picture, read in the large one."""
    from edgeface.imaging.opencv import cv2

    # Its cost hardly depends on the picture, unlike that of cv2.QRCodeDetector.
    detector = cv2.QRCodeDetectorAruco()
    small = _fitted(grey, SEARCHED_SIDE)
    try:
        found, corners = detector.detect(small)
        scale = np.float32(grey.shape[1] / small.shape[1])
        return str(detector.decode(grey, np.asarray(corners, np.float32) * scale)[0]) if found else ""
    except (cv2.error, MemoryError, ValueError):
        return ""


if __name__ == "__main__":
    from edgeface.imaging.sandbox import serve_requests

    serve_requests(serve)
