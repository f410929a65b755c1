"""The only import of cv2, whose limits stand in the environment: `from edgeface.imaging.opencv import cv2`.

Import it inside functions in modules that the configuration reaches: it costs 56 MB.
"""

import os

MAX_PIXELS = 25_000_000
"""Largest image that is decoded, 75 MB as RGB; without a limit a 390 kB PNG takes 2.35 GB."""

_ENVIRONMENT = {
    # Read once, when cv2's library is loaded.
    "OPENCV_IO_MAX_IMAGE_PIXELS": str(MAX_PIXELS),
    # Its warnings repeat file names and URLs, passwords included; what failed is told by our own errors.
    "OPENCV_LOG_LEVEL": "SILENT",
    # AV_LOG_QUIET of libavutil/log.h: FFmpeg's complaints about broken packets come several a frame.
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
    # Read at each opening, of files too. So no fflags;nobuffer: it throws away what FFmpeg read to learn the
    # format, which is the first 50 of 100 frames of an H.264 file. On a live stream these few frames come in one
    # burst, and a capture thread that always reads is past them at once.
    "OPENCV_FFMPEG_CAPTURE_OPTIONS": "rtsp_transport;tcp|flags;low_delay",
    # FFmpeg takes a decoding thread a core, for each camera: at four cameras on two cores that was 12 threads, 8 MB and
    # 8 % of the processor's time more than with one.
    "OPENCV_FFMPEG_THREADS": "1",
}

for _name, _value in _ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)

import cv2  # noqa: E402 - OpenCV reads the environment while it is imported

__all__ = ["MAX_PIXELS", "cv2"]
