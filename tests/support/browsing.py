"""A real daemon with its page, playing the demo's clip, for browser tests and screenshots."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edgeface.config import loader
from edgeface.daemon.daemon import Daemon
from edgeface.demo.scenario import CAMERA, CLIP
from edgeface.imaging.opencv import cv2
from edgeface.people.service import PeopleService
from tests.support.threaded import threaded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
"""Of Chromium: its sandbox does not work for root, and the camera is one that it draws itself."""

_SPANS = ((2.4, 6.6), (8.2, 11.8), (14.0, 16.2))
"""Seconds of the demo's clip in which Barack Obama, a stranger and Joe Biden come by, one after the other."""

LIMIT = 300.0
"""Seconds that a browser test may take on a busy machine."""


@contextmanager
def bounded(browser: Browser, seconds: float = LIMIT) -> Iterator[None]:
    """Kill a browser that does not answer in time: Playwright has no timeout for new_page, evaluate and close."""
    facts = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")
    (number,) = [one["id"] for one in facts["processInfo"] if one["type"] == "browser"]
    killed = threading.Event()

    def kill() -> None:
        killed.set()
        os.kill(number, signal.SIGKILL)

    timer = threading.Timer(seconds, kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    assert not killed.is_set(), f"the browser had not answered after {seconds} s and was killed"


def cut(path: Path, *spans: tuple[float, float]) -> Path:
    """The demo's clip, cut to these spans of seconds, in a new file."""
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


def three_people(path: Path) -> Path:
    """The demo's clip, cut to the seconds in which Barack Obama, a stranger and Joe Biden come by, in a new file."""
    return cut(path, *_SPANS)


@contextmanager
def running(
    folder: Path,
    port: int,
    people: Path | None = None,
    more: str = "",
    clip: Path = CLIP,
    web: str = "{port: 0}",
) -> Iterator[Daemon]:
    """A daemon that plays the clip in a loop, publishes to the broker at `port`, and serves its page."""
    source = folder / "config.yaml"
    source.write_text(
        f"device: front\ndata: {folder / 'data'}\n"
        f"cameras:\n  {CAMERA}: {{type: replay, path: {clip}, loop: true}}\n"
        f"mqtt: {{port: {port}}}\nprivacy: {{pictures: all}}\nweb: {web}\n{more}"
    )
    configuration = loader.load(source)
    if people is not None:
        PeopleService(configuration).enroll_folder(people)
    daemon = Daemon(configuration, source=source)
    with threaded(daemon):
        yield daemon
