"""A camera that plays a clip or a folder of images, for demos, regression tests and fault drills."""

from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from edgeface.cameras.base import CameraBase, FrameRateLimiter
from edgeface.cameras.video_file import VideoFrame, read_frames
from edgeface.core.clock import DAY, Clock
from edgeface.core.errors import CameraError
from edgeface.core.settings import Settings
from edgeface.core.types import CameraImage, Image

FaultKind: TypeAlias = Literal["freeze", "stand", "black", "block", "fail", "jump"]


class Fault(Settings):
    """A fault to inject, at a given time after each opening."""

    kind: FaultKind
    """freeze repeats one image, stand repeats one timestamp, black delivers black images, block delivers nothing,
    fail raises an error, jump moves the timestamps."""
    at: Annotated[float, Field(ge=0)]
    """Seconds of the clip."""
    seconds: Annotated[float, Field(gt=0)] = DAY
    """Duration; left out: to the end."""
    by: float = 0.0
    """Seconds to jump; negative jumps back."""

    def active(self, seconds: float) -> bool:
        """Whether the fault is active at this time of the clip."""
        return self.at <= seconds < self.at + self.seconds


class ReplayCamera(CameraBase):
    """A camera that plays a clip or a folder of images."""

    type: Literal["replay"] = "replay"
    path: Annotated[Path, Field(strict=False)]
    """A video file, or a folder of .jpg, .jfif, .png, .webp or .bmp images, played in the order of their names."""
    rate: Annotated[float, Field(ge=1, le=240)] = 15.0
    """Frames per second for a folder; a clip has its own rate."""
    pace: Literal["clip", "fast"] = "clip"
    """clip delivers each frame at its time, fast as soon as it is requested."""
    loop: bool = False
    """Start again at the end; timestamps keep rising."""
    faults: Annotated[
        tuple[Fault, ...], Field(strict=False, max_length=16, examples=[[{"kind": "black", "at": 5}]])
    ] = ()
    """Faults to inject, for drills."""

    @property
    def recorded(self) -> bool:
        """Always."""
        return True

    def play(self, clock: Clock) -> Generator[CameraImage, None, None]:
        """Play from the start at the pace of `clock`; a timestamp is the frame's time in the clip, from 0.

        Raises CameraError if the clip cannot be opened or ends early.
        """
        start = clock.monotonic()
        limiter = FrameRateLimiter(self.fps)
        frozen: Image | None = None
        for frame in self._frames():
            active = {fault.kind: fault for fault in self.faults if fault.active(frame.seconds)}
            if not limiter.due(frame.seconds):
                continue
            if self.pace == "clip":
                _sleep_until(start + frame.seconds, clock)
            if "fail" in active:
                raise CameraError(f"{self.path} fails at {frame.seconds:.1f} s, as configured in its faults")
            if "block" in active:
                _sleep_until(start + active["block"].at + active["block"].seconds, clock)
                continue
            image = self.shaped(frame.bgr * 0 if "black" in active else frame.bgr)
            frozen = (image if frozen is None else frozen) if "freeze" in active else None
            yield CameraImage(image if frozen is None else frozen, _timestamp(frame.seconds, active))

    def _frames(self) -> Iterator[VideoFrame]:
        offset = 0.0
        while True:
            last = period = 0.0
            for frame in read_frames(self.path, self.rate):
                period, last = frame.seconds - last, frame.seconds
                yield VideoFrame(offset + frame.seconds, frame.bgr)
            if not self.loop:
                return
            offset += last + (period or 1 / self.rate)


def _sleep_until(moment: float, clock: Clock) -> None:
    clock.sleep(max(0.0, moment - clock.monotonic()))


def _timestamp(seconds: float, active: Mapping[FaultKind, Fault]) -> float:
    if "stand" in active:
        return active["stand"].at
    return seconds + (active["jump"].by if "jump" in active else 0.0)
