"""Cameras that OpenCV opens: USB cameras, RTSP and HTTP streams, video files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from edgeface.cameras import base, v4l2
from edgeface.cameras.base import AttachedCamera, CameraBase, FrameRateLimiter
from edgeface.cameras.network import diagnosis
from edgeface.cameras.network.keys import LOGIN_KEYS, NetworkCamera, has_password
from edgeface.cameras.replay import ReplayCamera
from edgeface.core.clock import SystemClock
from edgeface.core.errors import CameraError
from edgeface.core.types import CameraImage

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from edgeface.core.clock import Clock

# A damaged packet makes one read fail, and so does each packet before the first key frame: one second at 30 fps.
_MAX_MISSES = 30
# Frames that arrive this many times as fast as they were taken belong to a burst.
_BURST_SPEED = 3
# So many slower frames in a row end it: a single one may be late because the machine is slow.
_LIVE_FRAMES = 3
_MAX_BURST_SECONDS = 5.0
_MAX_FPS = 1000.0
_MAX_NUMBER = 63
"""Of a /dev/video*."""


def _require_source(source: int | str) -> int | str:
    if isinstance(source, str) and "://" in source:
        return base.require_address(source)
    if isinstance(source, str) and re.fullmatch(r"[0-9]{1,4}", source):
        # A number in quotes is what people mean, and no video has such a name.
        return _number(int(source))
    return source


def _number(number: int) -> int:
    if number > _MAX_NUMBER:
        raise ValueError(f"should be from 0 to {_MAX_NUMBER}")
    return number


_Device = Annotated[int, Field(ge=0, le=_MAX_NUMBER)]
_Timeout = Annotated[float, Field(gt=0, le=60)]


class OpencvCamera(NetworkCamera):
    """A camera, stream or file that OpenCV opens."""

    restartless = NetworkCamera.restartless | {"insecure"}

    type: Literal["opencv"] = "opencv"
    source: Annotated[
        _Device | Annotated[str, Field(min_length=1, max_length=2000)],
        Field(repr=False),
        AfterValidator(_require_source),
    ]
    """A USB camera's number or /dev/video*, an rtsp:// or http:// address, or a video file."""
    open_timeout: _Timeout = 10.0
    """Maximum seconds for a stream to open."""
    read_timeout: _Timeout = 2.0
    """Maximum seconds for a stream to deliver the next frame."""
    insecure: bool = False
    """Allow doors at this camera although its pictures come from another machine in plaintext."""

    @model_validator(mode="after")
    def _require_matching_keys(self) -> OpencvCamera:
        if not self._is_stream and (unused := sorted(self.model_fields_set & LOGIN_KEYS)):
            raise ValueError(f"{unused[0]} is for an address")
        self.require_one_login(str(self.source))
        return self

    @property
    def label(self) -> str:
        """The source as it may be shown: of an address only scheme, host and port."""
        return base.public_part(str(self.source)) if self._is_stream else str(self.source)

    @property
    def _is_stream(self) -> bool:
        return isinstance(self.source, str) and "://" in self.source

    @property
    def local_device(self) -> str | None:
        """Its /dev/video*; None for a stream or a file."""
        if isinstance(self.source, int):
            return f"/dev/video{self.source}"
        return self.source if self.source.startswith("/dev/") else None

    @property
    def recorded(self) -> bool:
        """True for a video file."""
        return self.local_device is None and not self._is_stream

    @property
    def missing_file(self) -> bool:
        """An address without its scheme, or a device without /dev/, is taken for the name of a video."""
        return self.recorded and not Path(str(self.source)).exists()

    def hosts(self) -> tuple[str, ...]:
        """The host of a stream."""
        return base.hosts_of(str(self.source)) if self._is_stream else ()

    def plaintext(self) -> tuple[tuple[str, str], ...]:
        """The host of a stream over rtsp:// or http://."""
        host = base.plaintext_host(str(self.source)) if self._is_stream and not self.insecure else None
        return () if host is None else (("source", host),)

    def keys_with_passwords(self) -> tuple[str, ...]:
        """`source`, if it is an address with a password."""
        return ("source",) if self._is_stream and has_password(str(self.source)) else ()

    def require_login(self) -> None:
        """Ask the camera of a stream, without FFmpeg, which would log in as well."""
        if self._is_stream:
            address = self.logged_in(str(self.source))
            diagnosis.require_login(address, self.label, SystemClock(), verify=False)

    @classmethod
    def attached(cls) -> Iterator[AttachedCamera]:
        """The machine's /dev/video* nodes in the order of their numbers, those that other types read included."""
        for node in v4l2.nodes():
            usable = node.problem is None and node.type == "opencv"
            hint = f"type: {node.type}" + (f", source: {node.path}" if node.type == "opencv" else "")
            camera = cls(source=node.path) if usable else None
            yield AttachedCamera(Path(node.path).name, node.path, node.card, camera, node.problem or hint)

    def play(self, clock: Clock) -> Generator[CameraImage, None, None]:
        """Open the source and yield its images; a timestamp is None until the source has one.

        A file is played at its own pace and ends; raises CameraError if anything else stops. If a stream gives no
        image, its server is asked why.
        """
        if self.recorded:
            shared = {name: getattr(self, name) for name in CameraBase.model_fields}
            yield from ReplayCamera(path=Path(str(self.source)), **shared).play(clock)
            return
        capture, begun = self._open(clock), False
        try:
            for image in self._live_images(capture, clock):
                begun = True
                yield image
        finally:
            capture.release()
        raise (None if begun else self._fault(clock)) or CameraError(f"{self.label} stopped delivering images")

    def _fault(self, clock: Clock) -> CameraError | None:
        """What is wrong with a stream that gave no image."""
        if not self._is_stream:
            return None
        # FFmpeg does not verify certificates.
        return diagnosis.fault(self.logged_in(str(self.source)), self.label, clock, verify=False)

    def _live_images(self, capture: Any, clock: Clock) -> Generator[CameraImage, None, None]:
        from edgeface.imaging.opencv import MAX_PIXELS, cv2

        limiter = FrameRateLimiter(self.fps)
        backlog = _Backlog(capture.get(cv2.CAP_PROP_FPS)) if self._is_stream else None
        while self._grabbed(capture, clock):
            seconds, now = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, clock.monotonic()
            if backlog is not None and backlog.includes(seconds, now):
                continue
            # Grab every frame, or the source falls behind; convert only those that are due.
            if limiter.due(now):
                ok, bgr = capture.retrieve()
                if ok and bgr.shape[0] * bgr.shape[1] > MAX_PIXELS:
                    raise CameraError(f"{self.label} delivers images of {bgr.shape[1]} x {bgr.shape[0]}, too large")
                if ok:
                    yield CameraImage(self.shaped(bgr), seconds if seconds > 0 else None)

    def _grabbed(self, capture: Any, clock: Clock) -> bool:
        deadline = clock.monotonic() + self.read_timeout
        for _ in range(_MAX_MISSES):
            if capture.grab():
                # At its timeout FFmpeg delivers what its decoder still holds, which is as old as the silence.
                return not self._is_stream or clock.monotonic() < deadline
            if clock.monotonic() >= deadline:
                break
        return False

    def _open(self, clock: Clock) -> Any:
        from edgeface.imaging.opencv import MAX_PIXELS, cv2

        capture = self._stream(clock) if self.local_device is None else self._device(self.local_device)
        if not capture.isOpened():
            raise self._fault(clock) or CameraError(f"{self.label} cannot be opened")
        width, height = (capture.get(p) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if width * height > MAX_PIXELS:
            capture.release()
            raise CameraError(f"{self.label} delivers images of {width:.0f} x {height:.0f}, which is too large")
        return capture

    def _stream(self, clock: Clock) -> Any:
        from edgeface.imaging.opencv import cv2

        address = self.logged_in(str(self.source))
        timeouts = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
            round(self.open_timeout * 1000),
            cv2.CAP_PROP_READ_TIMEOUT_MSEC,
            round(self.read_timeout * 1000),
        ]
        return diagnosis.opened(
            lambda: cv2.VideoCapture(address, cv2.CAP_FFMPEG, timeouts),
            lambda: diagnosis.certain_fault(address, self.label, clock, verify=False),
        )

    def _device(self, path: str) -> Any:
        from edgeface.imaging.opencv import cv2

        if not Path(path).exists():
            raise CameraError(f"{path} does not exist; is the camera plugged in?")
        capture = cv2.VideoCapture(path, cv2.CAP_V4L2)
        if (size := self.unrotated_size()) is not None:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        if self.fps is not None:
            capture.set(cv2.CAP_PROP_FPS, self.fps)
        return capture


class _Backlog:
    """Finds the frames that FFmpeg buffered while it detected a stream's format: old, and delivered in one burst."""

    def __init__(self, fps: float) -> None:
        # A stream may claim any rate, 90,000 and NaN included.
        self._period = 1 / fps if 1 <= fps <= _MAX_FPS else 0.04
        self._last: tuple[float, float] | None = None
        self._skipped = 0.0
        self._live = 0

    def includes(self, seconds: float, now: float) -> bool:
        """Whether the frame with timestamp `seconds`, which arrived at `now`, belongs to the burst."""
        if self._live == _LIVE_FRAMES:
            return False
        last, self._last = self._last, (seconds, now)
        if last is None:
            return True
        # OpenCV 4.8 gives no timestamps for an HTTP stream: then use the stated rate.
        step = seconds - last[0] if seconds > last[0] else self._period
        self._skipped += step
        self._live = self._live + 1 if now - last[1] >= step / _BURST_SPEED else 0
        # FFmpeg buffers 5 s at most (analyzeduration); a source whose timestamps run fast ends here.
        if self._skipped > _MAX_BURST_SECONDS:
            self._live = _LIVE_FRAMES
        return self._live < _LIVE_FRAMES
