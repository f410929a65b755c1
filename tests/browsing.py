"""A real daemon with its page, over the clip of the demo, for tests in a browser and for pictures of the pages."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edgeface import config
from edgeface.daemon import Daemon
from edgeface.demo import CAMERA, CLIP
from edgeface.opencv import cv2
from edgeface.people import enroll_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
"""Of Chromium: root may not have its sandbox, and the camera is one that it draws itself."""


def cut(path: Path, *spans: tuple[float, float]) -> Path:
    """The clip of the demo, shortened to these seconds of it, in a file that the tests may write."""
    reader = cv2.VideoCapture(str(CLIP))
    rate = reader.get(cv2.CAP_PROP_FPS)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate, (640, 480))
    number = 0
    while (read := reader.read())[0]:
        if any(start <= number / rate < end for start, end in spans):
            writer.write(read[1])
        number += 1
    writer.release()
    reader.release()
    return path


@contextmanager
def running(folder: Path, port: int, people: Path | None = None, more: str = "", clip: Path = CLIP) -> Iterator[Daemon]:
    """A daemon that plays the clip over and over, says events to the broker at `port`, and serves its page."""
    source = folder / "config.yaml"
    source.write_text(
        f"device: front\ndata: {folder / 'data'}\n"
        f"cameras:\n  {CAMERA}: {{type: replay, path: {clip}, loop: true}}\n"
        f"mqtt: {{port: {port}}}\nprivacy: {{pictures: all}}\nweb: {{port: 0}}\n{more}"
    )
    configuration = config.load(source)
    if people is not None:
        enroll_folder(configuration, people)
    daemon = Daemon(configuration, source=source)
    thread = threading.Thread(target=daemon.run)
    thread.start()
    try:
        yield daemon
    finally:
        daemon.stop()
        thread.join(20)
        assert not thread.is_alive()
