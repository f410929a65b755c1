"""A stream that opens slowly, or never."""

from __future__ import annotations

import threading
import time

import pytest

from edgeface.cameras.network import diagnosis
from edgeface.core.errors import CameraAddressError, CameraError
from tests.support.broker import until


class Stream:
    """A stream that opens when it is let in."""

    def __init__(self) -> None:
        self.admitted, self.released = threading.Event(), threading.Event()

    def open(self) -> Stream:
        self.admitted.wait(20)
        return self

    def release(self) -> None:
        self.released.set()


def never() -> CameraError | None:
    raise AssertionError("a stream that opens at once is not asked about")


def test_a_stream_that_opens_in_time_is_not_asked_about() -> None:
    stream = Stream()
    stream.admitted.set()
    assert diagnosis.opened(stream.open, never) is stream
    assert not stream.released.is_set()


def test_an_error_while_opening_is_that_of_the_opening() -> None:
    def fails() -> Stream:
        raise CameraError("no memory")

    with pytest.raises(CameraError, match="no memory"):
        diagnosis.opened(fails, never)


def test_a_slow_stream_is_given_up_for_a_fault_and_released_when_it_opens_after_all() -> None:
    stream = Stream()
    with pytest.raises(CameraAddressError, match="not RTSP"):
        diagnosis.opened(stream.open, lambda: CameraAddressError("not RTSP"), 0.05)
    assert not stream.released.is_set()
    stream.admitted.set()
    assert stream.released.wait(30)
    until(lambda: "opening" not in {thread.name for thread in threading.enumerate()})


def test_a_slow_stream_without_a_fault_is_waited_for() -> None:
    stream = Stream()

    def doubt() -> CameraError | None:
        threading.Timer(0.1, stream.admitted.set).start()
        return None

    assert diagnosis.opened(stream.open, doubt, 0.05) is stream
    assert not stream.released.is_set()


def test_a_stream_that_opens_while_it_is_asked_about_is_kept() -> None:
    stream = Stream()

    def doubt() -> CameraError | None:
        stream.admitted.set()
        until(lambda: "opening" not in {thread.name for thread in threading.enumerate()})
        time.sleep(0.05)
        return CameraAddressError("not RTSP")

    assert diagnosis.opened(stream.open, doubt, 0.05) is stream
    assert not stream.released.is_set()
