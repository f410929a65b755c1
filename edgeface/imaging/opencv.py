"""The only import of cv2, which reads its limits from the environment: `from edgeface.imaging.opencv import cv2`.

Modules that the configuration imports must import it inside functions: it costs 56 MB.
"""

import os

MAX_PIXELS = 25_000_000
"""Pixels of the largest image that is decoded, 75 MB as RGB; without a limit, a 390 kB PNG takes 2.35 GB."""

_ENVIRONMENT = {
    # Read once, when cv2's library is loaded.
    "OPENCV_IO_MAX_IMAGE_PIXELS": str(MAX_PIXELS),
    # Its warnings repeat file names and URLs, passwords included; our own errors report what failed.
    "OPENCV_LOG_LEVEL": "SILENT",
    # AV_LOG_QUIET of libavutil/log.h: FFmpeg complains about broken packets several times per frame.
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
    # Read each time a source is opened, files included. So no fflags;nobuffer: it discards what FFmpeg read to detect
    # the format, which is the first 50 of 100 frames of an H.264 file. On a live stream these few frames arrive in one
    # burst, and a capture thread that reads all the time is past them at once.
    "OPENCV_FFMPEG_CAPTURE_OPTIONS": "rtsp_transport;tcp|flags;low_delay",
    # By default FFmpeg starts one decoding thread per core for each camera: with four cameras on two cores that was
    # 12 threads, 8 MB and 8 % of CPU time more than with one.
    "OPENCV_FFMPEG_THREADS": "1",
}

for _name, _value in _ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)

import cv2  # noqa: E402 - OpenCV reads the environment when it is imported

__all__ = ["MAX_PIXELS", "cv2"]
