"""Handles hostile pictures in a separate process, which may crash, hang or run out of memory without harm.

The child starts with the first picture, serves the ones that follow, and exits when it is idle. To decode a photo, a
request is 8 bytes of length, 1 of the fraction and the file; a reply is 4 bytes of height, 4 of width and the RGB
pixels, or 0 x 0 if decoding failed.
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
from typing import IO, TYPE_CHECKING, Any, BinaryIO, TypeVar

import numpy as np

from edgeface.core.errors import PhotoError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from edgeface.core.types import Image

SECONDS = 5.0
"""Time limit for one picture, both elapsed and CPU time."""

MEMORY = 320 << 20
"""Bytes of address space beyond what Python and OpenCV use: a progressive JPEG of opencv.MAX_PIXELS needs 150 MB for
its coefficients, 75 MB for its pixels and as much again to be turned by its EXIF."""

HEIC_SECONDS = 20.0
"""As SECONDS, for a HEIC photo, which costs as much as a picture of a video four times as large as Full HD."""

IDLE_SECONDS = 20.0
"""An idle child exits after this time, because it holds 40 MB."""

# Starting Python and importing OpenCV takes 0.3 s on x86-64; a Raspberry Pi with a busy SD card takes far longer.
_START_SECONDS = 30.0
_READY = b"\1"
_HEAD = struct.Struct(">QB")
_SIZE = struct.Struct(">II")
_FAILED = _SIZE.pack(0, 0)
_STRIP_ROWS = 64


_Reply = TypeVar("_Reply")


class PhotoDecoder:
    """Decodes photos in a child process; safe to call from any thread."""

    def __init__(self, seconds: float = SECONDS, module: str = "edgeface.imaging.sandbox") -> None:
        """`module` decodes in the child, where it calls `serve_photos`."""
        self._process = SandboxedProcess(module, seconds)

    def decode(self, data: bytes, fraction: int = 1) -> Image:
        """Decode a file's bytes as RGB, turned upright by its EXIF; raises PhotoError if it fails or costs too much.

        A `fraction` of 2, 4 or 8 halves, quarters or eighths both sides of a JPEG while it is decoded.
        """
        return self._process.ask((_HEAD.pack(len(data), fraction), data), _received)

    def close(self) -> None:
        """Stop the child; the next picture starts a new one."""
        self._process.close()

    @property
    def process(self) -> int | None:
        """The child's process id; None if there is no child."""
        return self._process.id


class SandboxedProcess:
    """One child process, which runs a module, and its pipes; safe to call from any thread."""

    def __init__(self, module: str, seconds: float) -> None:
        self._module = module
        self._seconds = seconds
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        atexit.register(self.close)

    def ask(self, request: tuple[bytes, ...], receive: Callable[[subprocess.Popen[bytes]], _Reply]) -> _Reply:
        """Send a request and `receive` its reply; raises PhotoError if the child crashes or takes too long."""
        with self._lock:
            # A child that exits at this very moment because it was idle has not seen the picture: try once more.
            for _ in range(2):
                late = threading.Event()
                try:
                    with _limited(self._running(), self._seconds, late) as child:
                        _send(child, request)
                        reply = receive(child)
                except (OSError, EOFError) as error:
                    if self._end() != 0:
                        why = f"it takes more than {self._seconds:g} s" if late.is_set() else "it crashes the decoder"
                        raise PhotoError(f"damaged: {why}") from error
                else:
                    if late.is_set():
                        self._end()
                    return reply
        raise PhotoError("cannot be decoded: the decoder keeps exiting")

    def close(self) -> None:
        """Stop the child; the next picture starts a new one."""
        with self._lock:
            self._end()

    @property
    def id(self) -> int | None:
        """The child's process id; None if there is no child."""
        return None if self._child is None else self._child.pid

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is not None:
            self._end()
        if self._child is None:
            self._child = _start(self._module)
        return self._child

    def _end(self) -> int:
        """Reap the child and return its exit status; 0 if it exited because it was idle."""
        child, self._child = self._child, None
        if child is None:
            return 0
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()
        try:
            # An exiting child closes its end of the pipes last.
            return child.wait(0.2)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()


def _start(module: str) -> subprocess.Popen[bytes]:
    # The working directory is /, because Python would import modules from the folder it is started in.
    package = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([package, *filter(None, sys.path)])}
    command = [sys.executable, "-m", module]
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
            read_into(child, bytearray(len(_READY)))
    except (OSError, EOFError) as error:
        child.kill()
        child.communicate()
        raise PhotoError("cannot be decoded: the decoder does not start") from error
    return child


@contextmanager
def _limited(
    child: subprocess.Popen[bytes], seconds: float, late: threading.Event
) -> Iterator[subprocess.Popen[bytes]]:
    """Kill the child after this many seconds, which ends every read and write on its pipes, and set `late`."""

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


def _send(child: subprocess.Popen[bytes], request: tuple[bytes, ...]) -> None:
    for part in request:
        left = memoryview(part)
        while left:
            left = left[os.write(_descriptor(child.stdin), left) :]


def _received(child: subprocess.Popen[bytes]) -> Image:
    height, width = _SIZE.unpack(read_into(child, bytearray(_SIZE.size)))
    if height * width == 0:
        raise PhotoError("damaged: it cannot be decoded")
    from edgeface.imaging.opencv import MAX_PIXELS

    # The child's reply is not trusted either.
    if height * width > MAX_PIXELS:
        raise EOFError("more pixels than allowed")
    pixels = read_into(child, bytearray(height * width * 3))
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)


def read_into(child: subprocess.Popen[bytes], space: bytearray) -> bytearray:
    """Fill `space` from the child's output; raises EOFError if it ends before."""
    left = memoryview(space)
    while left:
        count = os.readv(_descriptor(child.stdout), [left])
        if not count:
            raise EOFError("the decoder has exited")
        left = left[count:]
    return space


def _descriptor(pipe: IO[bytes] | None) -> int:
    if pipe is None:
        raise EOFError("no pipe")
    return pipe.fileno()


def serve_requests(serve: Callable[[BinaryIO, BinaryIO], bool], seconds: float = SECONDS) -> None:
    """Answer requests from standard input, with limited resources, until the input ends or is idle.

    Each may take this many `seconds` of CPU time. `serve` reads a request and writes the reply; it returns False at the
    end of the input.
    """
    from edgeface.imaging.opencv import cv2

    # OpenCV aborts the process if it lacks the memory to start a thread of its pool.
    cv2.setNumThreads(1)
    _limit_memory()
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    sink.write(_READY)
    sink.flush()
    _limit_cpu(seconds)
    while select.select([source], [], [], IDLE_SECONDS)[0] and serve(source, sink):
        sink.flush()
        _limit_cpu(seconds)


def serve_photos(decode: Callable[[bytes, int], NDArray[Any] | None], seconds: float = SECONDS) -> None:
    """Answer the requests of a PhotoDecoder; `decode` gets a file and the fraction, and returns BGR pixels or None."""

    def serve(source: BinaryIO, sink: BinaryIO) -> bool:
        head = source.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return False
        length, fraction = _HEAD.unpack(head)
        _answer(sink, decode(source.read(length), fraction))
        return True

    serve_requests(serve, seconds)


def _decoded(data: bytes, fraction: int) -> NDArray[Any] | None:
    from edgeface.imaging.opencv import cv2

    reduced = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
    flags = reduced.get(fraction, cv2.IMREAD_COLOR)
    try:
        # imdecode can return None, although its types do not say so, and turns the picture upright by its EXIF.
        image: NDArray[Any] | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except (cv2.error, MemoryError):
        return None
    return image


def _answer(sink: BinaryIO, image: NDArray[Any] | None) -> None:
    from edgeface.imaging.opencv import MAX_PIXELS

    if image is None or image.size == 0 or image.shape[0] * image.shape[1] > MAX_PIXELS:
        sink.write(_FAILED)
        return
    sink.write(_SIZE.pack(*image.shape[:2]))
    # In strips: a copy of the whole picture would need the same memory again.
    sink.writelines(image[row : row + _STRIP_ROWS, :, ::-1].tobytes() for row in range(0, len(image), _STRIP_ROWS))


def _limit_memory() -> None:
    """Allow no files, no core dump and MEMORY more bytes than now."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
    for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_NOFILE):
        resource.setrlimit(kind, (0, 0))


def _limit_cpu(seconds: float) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    serve_photos(_decoded)
