"""What OpenCV opens: a USB camera, an RTSP or HTTP stream, a video file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from edgeface.cameras import base
from edgeface.cameras.base import CameraBase, FrameRateLimiter
from edgeface.cameras.replay import ReplayCamera
from edgeface.core.clock import SystemClock
from edgeface.core.errors import CameraError
from edgeface.core.types import CameraImage

if TYPE_CHECKING:
    from collections.abc import Generator

    from edgeface.core.clock import Clock

# A damaged packet makes one read fail, and so does each packet before the first key frame: a second of them at 30 fps.
_MISSES = 30
# Pictures that come this many times as fast as they were taken are a burst; so many slower ones in a row end it,
# since one may be slow because the machine is.
_BURST = 3
_LIVE = 3
_LONGEST_BURST = 5.0
_FASTEST = 1000.0


def _checked(source: int | str) -> int | str:
    if isinstance(source, str) and "://" in source:
        return base.checked(source)
    return source


_Device = Annotated[int, Field(ge=0, le=63)]
_Timeout = Annotated[float, Field(gt=0, le=60)]


class OpencvCamera(CameraBase):
    """A camera that OpenCV opens."""

    type: Literal["opencv"] = "opencv"
    source: Annotated[
        _Device | Annotated[str, Field(min_length=1, max_length=2000)],
        Field(repr=False),
        AfterValidator(_checked),
    ]
    """A USB camera's number or /dev/video*, an rtsp:// or http:// address, or a video file."""
    open_timeout: _Timeout = 10.0
    """Seconds that a stream may take to open."""
    read_timeout: _Timeout = 2.0
    """Seconds that a stream may take to give the next picture."""

    @property
    def label(self) -> str:
        """The source as it may be shown: of an address only scheme, host and port, since paths carry passwords too."""
        return base.shown(str(self.source)) if self._is_stream else str(self.source)

    @property
    def _is_stream(self) -> bool:
        return isinstance(self.source, str) and "://" in self.source

    @property
    def _is_device(self) -> bool:
        return isinstance(self.source, int) or self.source.startswith("/dev/")

    def images(self) -> Generator[CameraImage, None, None]:
        """Open the source and give its pictures; a timestamp is None until the source has told one.

        A file is played at its own pace and ends; everything else that stops is a CameraError.
        """
        if not self._is_device and not self._is_stream:
            view = {name: getattr(self, name) for name in CameraBase.model_fields}
            return ReplayCamera(path=Path(str(self.source)), **view).images()
        return self._live(SystemClock())

    def _live(self, clock: Clock) -> Generator[CameraImage, None, None]:
        capture = self._open()
        try:
            yield from self._pictures(capture, clock)
            raise CameraError(f"{self.label} stopped giving pictures")
        finally:
            capture.release()

    def _pictures(self, capture: Any, clock: Clock) -> Generator[CameraImage, None, None]:
        from edgeface.imaging.opencv import MAX_PIXELS, cv2

        thinner = FrameRateLimiter(self.fps)
        backlog = _Backlog(capture.get(cv2.CAP_PROP_FPS)) if self._is_stream else None
        while self._grabbed(capture, clock):
            told, now = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, clock.monotonic()
            if backlog is not None and backlog.holds(told, now):
                continue
            # Every picture is grabbed, or the source runs ahead of us; only the wanted ones are converted.
            if thinner.due(now):
                ok, bgr = capture.retrieve()
                if ok and bgr.shape[0] * bgr.shape[1] > MAX_PIXELS:
                    raise CameraError(f"{self.label} gives pictures of {bgr.shape[1]} x {bgr.shape[0]}, too large")
                if ok:
                    yield CameraImage(self.shaped(bgr), told if told > 0 else None)

    def _grabbed(self, capture: Any, clock: Clock) -> bool:
        patience = clock.monotonic() + self.read_timeout
        for _ in range(_MISSES):
            if capture.grab():
                # At its timeout FFmpeg hands out what its decoder still holds, which is as old as the silence.
                return not self._is_stream or clock.monotonic() < patience
            if clock.monotonic() >= patience:
                break
        return False

    def _open(self) -> Any:
        from edgeface.imaging.opencv import MAX_PIXELS, cv2

        capture = self._device() if self._is_device else self._stream()
        if not capture.isOpened():
            raise CameraError(f"{self.label} cannot be opened")
        width, height = (capture.get(p) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if width * height > MAX_PIXELS:
            capture.release()
            raise CameraError(f"{self.label} gives pictures of {width:.0f} x {height:.0f}, which is too large")
        return capture

    def _stream(self) -> Any:
        from edgeface.imaging.opencv import cv2

        timeouts = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
            round(self.open_timeout * 1000),
            cv2.CAP_PROP_READ_TIMEOUT_MSEC,
            round(self.read_timeout * 1000),
        ]
        return cv2.VideoCapture(str(self.source), cv2.CAP_FFMPEG, timeouts)

    def _device(self) -> Any:
        from edgeface.imaging.opencv import cv2

        path = f"/dev/video{self.source}" if isinstance(self.source, int) else self.source
        if not Path(path).exists():
            raise CameraError(f"{path} is not there; is the camera plugged in?")
        capture = cv2.VideoCapture(path, cv2.CAP_V4L2)
        if self.size is not None:
            width, height = self.size if self.rotation in {0, 180} else self.size[::-1]
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        if self.fps is not None:
            capture.set(cv2.CAP_PROP_FPS, self.fps)
        return capture


class _Backlog:
    """The pictures that FFmpeg kept while it learned a stream's format: old by now, and given in one burst."""

    def __init__(self, fps: float) -> None:
        # What a stream states of itself may be anything, 90,000 and NaN included.
        self._period = 1 / fps if 1 <= fps <= _FASTEST else 0.04
        self._last: tuple[float, float] | None = None
        self._skipped = 0.0
        self._live = 0

    def holds(self, told: float, now: float) -> bool:
        """Whether the picture of time `told`, which came at `now`, is of the burst."""
        if self._live == _LIVE:
            return False
        last, self._last = self._last, (told, now)
        if last is None:
            return True
        # OpenCV 4.8 tells no times of an HTTP stream: then the stated rate serves.
        step = told - last[0] if told > last[0] else self._period
        self._skipped += step
        self._live = self._live + 1 if now - last[1] >= step / _BURST else 0
        # FFmpeg keeps 5 s at most (analyzeduration); sources whose times run fast by themselves end there.
        if self._skipped > _LONGEST_BURST:
            self._live = _LIVE
        return self._live < _LIVE
