"""Decodes pictures in a process of its own, which may crash, hang or swell without harm.

The child is started at the first picture, serves those that follow, and ends by itself when none comes. To it a
picture is 8 bytes of length and the file; from it 4 bytes of height, 4 of width, and the RGB pixels; 0 x 0 is none.
"""

from __future__ import annotations

import atexit
import os
import resource
import select
import struct
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

import numpy as np

from edgeface.core.errors import PhotoError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edgeface.core.types import Image

SECONDS = 5.0
"""A picture may take so long, by the wall and of CPU."""

MEMORY = 320 << 20
"""Bytes of address space beyond what Python and OpenCV take: a progressive JPEG of opencv.MAX_PIXELS needs 150 MB for
its coefficients, 75 MB for its pixels and as much again to be turned by its EXIF."""

IDLE_SECONDS = 20.0
"""A child without work ends, for it holds 40 MB."""

# Python's start and the import of OpenCV take 0.3 s on x86-64; a Raspberry Pi with a busy card takes far longer.
_START_SECONDS = 30.0
_READY = b"\1"
_LENGTH = struct.Struct(">Q")
_SIZE = struct.Struct(">II")
_NONE = _SIZE.pack(0, 0)
_ROWS = 64


class PhotoDecoder:
    """One child and the pipes to it; any thread may call."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        atexit.register(self.close)

    def decode(self, data: bytes) -> Image:
        """Decode a picture's file as RGB, upright by its EXIF; PhotoError when it cannot be, or costs too much."""
        with self._lock:
            # A child that ends for want of work in this very moment has not seen the picture.
            for _ in range(2):
                late = threading.Event()
                try:
                    with _limited(self._started(), self._seconds, late) as child:
                        image = _asked(child, data)
                except (OSError, EOFError) as error:
                    if self._end() != 0:
                        why = f"it takes more than {self._seconds:g} s" if late.is_set() else "it crashes the decoder"
                        raise PhotoError(f"damaged: {why}") from error
                else:
                    if late.is_set():
                        self._end()
                    return image
        raise PhotoError("cannot be decoded: the decoder does not stay")

    def close(self) -> None:
        """End the child; the next picture starts another."""
        with self._lock:
            self._end()

    @property
    def process(self) -> int | None:
        """The child's process id, while there is one."""
        return None if self._child is None else self._child.pid

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is not None:
            self._end()
        if self._child is None:
            self._child = _start()
        return self._child

    def _end(self) -> int:
        """Reap the child; its exit status, 0 when it has ended by itself for want of work."""
        child, self._child = self._child, None
        if child is None:
            return 0
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()
        try:
            # Its end of the pipes is what an idle or dead child closes last.
            return child.wait(0.2)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()


def _start() -> subprocess.Popen[bytes]:
    # Elsewhere than here, for Python would import what lies in the folder it is started from.
    package = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([package, *filter(None, sys.path)])}
    command = [sys.executable, "-m", "edgeface.imaging.sandbox"]
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        cwd="/",
        env=environment,
    )
    try:
        with _limited(child, _START_SECONDS, threading.Event()):
            _filled(child, bytearray(len(_READY)))
    except (OSError, EOFError) as error:
        child.kill()
        child.communicate()
        raise PhotoError("cannot be decoded: the decoder does not start") from error
    return child


@contextmanager
def _limited(
    child: subprocess.Popen[bytes], seconds: float, late: threading.Event
) -> Iterator[subprocess.Popen[bytes]]:
    """Kill the child after so many seconds, by which every read and write of its pipes ends."""

    def kill() -> None:
        late.set()
        child.kill()

    timer = threading.Timer(seconds, kill)
    timer.daemon = True
    timer.start()
    try:
        yield child
    finally:
        timer.cancel()


def _asked(child: subprocess.Popen[bytes], data: bytes) -> Image:
    for part in (_LENGTH.pack(len(data)), data):
        left = memoryview(part)
        while left:
            left = left[os.write(_number(child.stdin), left) :]
    height, width = _SIZE.unpack(_filled(child, bytearray(_SIZE.size)))
    if height * width == 0:
        raise PhotoError("damaged: it cannot be decoded")
    from edgeface.imaging.opencv import MAX_PIXELS

    # The child is not believed either.
    if height * width > MAX_PIXELS:
        raise EOFError("more pixels than there may be")
    pixels = _filled(child, bytearray(height * width * 3))
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)


def _filled(child: subprocess.Popen[bytes], space: bytearray) -> bytearray:
    left = memoryview(space)
    while left:
        count = os.readv(_number(child.stdout), [left])
        if not count:
            raise EOFError("the decoder has ended")
        left = left[count:]
    return space


def _number(pipe: IO[bytes] | None) -> int:
    if pipe is None:
        raise EOFError("no pipe")
    return pipe.fileno()


def main() -> None:
    """Serve pictures from standard input, under limits, until it ends or nothing comes."""
    from edgeface.imaging.opencv import cv2

    # A thread of OpenCV's own pool that cannot be started for want of memory aborts the process.
    cv2.setNumThreads(1)
    _limit_memory()
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    sink.write(_READY)
    sink.flush()
    while select.select([source], [], [], IDLE_SECONDS)[0]:
        head = source.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            return
        data = source.read(_LENGTH.unpack(head)[0])
        _limit_cpu()
        _answer(sink, _decoded(data))
        sink.flush()


def _decoded(data: bytes) -> NDArray[Any] | None:
    from edgeface.imaging.opencv import MAX_PIXELS, cv2

    try:
        # imdecode gives None, though its types do not say so, and turns the picture upright by its EXIF.
        image: NDArray[Any] | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except (cv2.error, MemoryError):
        return None
    if image is None or image.size == 0 or image.shape[0] * image.shape[1] > MAX_PIXELS:
        return None
    return image


def _answer(sink: BinaryIO, image: NDArray[Any] | None) -> None:
    if image is None:
        sink.write(_NONE)
        return
    sink.write(_SIZE.pack(*image.shape[:2]))
    # By strips, for a copy of the whole would cost as much again.
    sink.writelines(image[row : row + _ROWS, :, ::-1].tobytes() for row in range(0, len(image), _ROWS))


def _limit_memory() -> None:
    """No files, no core, and so much memory more than now."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
    for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_NOFILE):
        resource.setrlimit(kind, (0, 0))


def _limit_cpu() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + SECONDS) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    main()
