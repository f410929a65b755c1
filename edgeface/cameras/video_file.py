"""Reads clips and folders of images, to their end or to a clear error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from edgeface.core.errors import CameraError, PhotoError, system_reason
from edgeface.core.files import read_at_most
from edgeface.core.text import counted, printable_path
from edgeface.imaging import photo_files, photos

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

# A damaged packet makes one read fail; the next may succeed again.
_MAX_MISSES = 30
# Plausible frame rates of a file, and seconds between two frames.
_MIN_FPS, _MAX_FPS = 0.01, 1000.0
_MAX_STEP_SECONDS = 600.0
# A BMP of opencv.MAX_PIXELS.
_MAX_IMAGE_BYTES = 80_000_000


class VideoFrame(NamedTuple):
    """One decoded frame of a file."""

    seconds: float
    """Since the file's first frame, strictly rising."""
    bgr: NDArray[Any]


def read_frames(path: Path, rate: float) -> Iterator[VideoFrame]:
    """The frames of a clip, or of a folder of images in the order of their names, at `rate` frames per second.

    Raises CameraError if nothing can be read, or if the file is truncated.
    """
    if path.is_dir():
        yield from _folder(path, rate)
    elif path.is_file():
        yield from _clip(path)
    else:
        raise CameraError(f"{path} is neither a file nor a folder")


def _folder(path: Path, rate: float) -> Iterator[VideoFrame]:
    try:
        files = [file for file in photo_files.entries(path) if file.suffix.lower() in photos.SUFFIXES]
    except OSError as error:
        raise CameraError(f"{path} cannot be read ({system_reason(error)})") from error
    if not files:
        raise CameraError(f"{path} has no photos in it ({', '.join(sorted(photos.SUFFIXES))})")
    for number, file in enumerate(files):
        yield VideoFrame(number / rate, _image(file))


def _image(file: Path) -> NDArray[Any]:
    from edgeface.imaging.opencv import MAX_PIXELS, cv2

    try:
        data = read_at_most(file, _MAX_IMAGE_BYTES)
        _check(data[:_MAX_IMAGE_BYTES])
        image: NDArray[Any] | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except OSError as error:
        raise CameraError(f"{printable_path(file)} cannot be read ({system_reason(error)})") from error
    except PhotoError as error:
        raise CameraError(f"{printable_path(file)}: {error}") from error
    except cv2.error as error:
        raise CameraError(f"{printable_path(file)} is not a usable image ({error.err})") from error
    if len(data) > _MAX_IMAGE_BYTES or image is None or image.shape[0] * image.shape[1] > MAX_PIXELS:
        raise CameraError(f"{printable_path(file)} is not an image, or is truncated")
    return image


def _check(data: bytes) -> None:
    """Raise PhotoError for what OpenCV cannot decode, and for a decompression bomb, before a decoder sees it."""
    photos.check(data)
    if photos.is_heic(data):
        raise PhotoError("a HEIC photo; save it as JPEG")


def _clip(path: Path) -> Iterator[VideoFrame]:
    from edgeface.imaging.opencv import MAX_PIXELS, cv2

    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            raise CameraError(f"{path} is not a video, or is truncated")
        if capture.get(cv2.CAP_PROP_FRAME_WIDTH) * capture.get(cv2.CAP_PROP_FRAME_HEIGHT) > MAX_PIXELS:
            raise CameraError(f"{path} has frames that are too large")
        rate = capture.get(cv2.CAP_PROP_FPS)
        period = 1 / rate if _MIN_FPS <= rate <= _MAX_FPS else 0.04
        seconds, read = -period, 0
        while (bgr := _next(capture)) is not None:
            stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            # Some containers have no timestamps, and a damaged one may step back or far ahead: then use the rate.
            seconds = stamp if seconds < stamp < seconds + _MAX_STEP_SECONDS else seconds + period
            read += 1
            if bgr.shape[0] * bgr.shape[1] > MAX_PIXELS:
                raise CameraError(f"{path} has frames that are too large")
            yield VideoFrame(seconds, bgr)
        if read == 0 or _is_cut_short(path):
            raise CameraError(f"{path} ends early, after {counted(read, 'frame')}")
    finally:
        capture.release()


def _next(capture: Any) -> NDArray[Any] | None:
    for _ in range(_MAX_MISSES):
        ok, bgr = capture.read()
        if ok:
            image: NDArray[Any] = bgr
            return image
    return None


def _is_cut_short(path: Path) -> bool:
    """Whether an MP4, AVI or Matroska file is shorter than its header states.

    CAP_PROP_FRAME_COUNT does not help: it counts frames that an edit list hides, and for some containers it is a
    guess from the length of the audio.
    """
    with path.open("rb") as file:
        head = file.read(64)
        if head[:4] == b"RIFF":
            end = 8 + int.from_bytes(head[4:8], "little")
        elif head[:4] == b"\x1aE\xdf\xa3":
            end = _matroska_end(head)
        elif head[4:8] == b"ftyp":
            end = _mp4_end(file)
        else:
            return False
        return end > file.seek(0, 2)


def _mp4_end(file: BinaryIO) -> int:
    """Where the last top-level box ends (ISO/IEC 14496-12, 4.2)."""
    end = 0
    while True:
        file.seek(end)
        box = file.read(16)
        size = int.from_bytes(box[:4], "big")
        if size == 1:
            size = int.from_bytes(box[8:16], "big")
        # 0 means up to the end of the file; less than a header means damage.
        if len(box) < 8 or size < 8:  # noqa: PLR2004 - a box's header has 8 bytes
            return end
        end += size


def _matroska_end(head: bytes) -> int:
    """Where the segment after the header ends, 0 if unknown (RFC 8794, 4 and 6; RFC 9559, 5.1)."""
    header, width = _vint(head[4:])
    start = 4 + width + header
    if head[start : start + 4] != b"\x18S\x80g":
        return 0
    size, width = _vint(head[start + 4 :])
    unknown = size == (1 << 7 * width) - 1
    return 0 if unknown else start + 4 + width + size


def _vint(data: bytes) -> tuple[int, int]:
    """An EBML number and its width in bytes."""
    width = 9 - data[0].bit_length() if data else 1
    return int.from_bytes(data[:width], "big") & ((1 << 7 * width) - 1), width
