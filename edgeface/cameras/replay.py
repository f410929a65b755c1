"""A camera made of a clip or a folder of frames, for demonstrations, regression and fault drills."""

from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from edgeface.cameras.base import CameraBase, FrameRateLimiter
from edgeface.cameras.video_file import Still, stills
from edgeface.core.clock import Clock, SystemClock
from edgeface.core.errors import CameraError
from edgeface.core.settings import Settings
from edgeface.core.types import CameraImage, Image

Kind: TypeAlias = Literal["freeze", "stand", "black", "block", "fail", "jump"]

FOR_GOOD = 86_400.0
"""A fault without an end lasts a day."""


class Fault(Settings):
    """Something that goes wrong with the camera, at a given time after each opening."""

    kind: Kind
    """freeze repeats one picture, stand repeats one timestamp, black gives black pictures, block gives nothing at
    all, fail is an error, jump moves the timestamps."""
    at: Annotated[float, Field(ge=0)]
    """Seconds of the clip."""
    seconds: Annotated[float, Field(gt=0)] = FOR_GOOD
    """How long it lasts; left out: to the end."""
    by: float = 0.0
    """Seconds of a jump; negative is back."""

    def holds(self, seconds: float) -> bool:
        """Whether the fault is on at this time of the clip."""
        return self.at <= seconds < self.at + self.seconds


class ReplayCamera(CameraBase):
    """A camera that plays a clip or a folder of frames."""

    type: Literal["replay"] = "replay"
    path: Annotated[Path, Field(strict=False)]
    """A video file, or a folder of .jpg, .png, .webp or .bmp frames, played in the order of their names."""
    rate: Annotated[float, Field(ge=1, le=240)] = 15.0
    """Pictures a second of a folder; a clip has its own."""
    pace: Literal["clip", "fast"] = "clip"
    """clip gives each picture at its time, fast as soon as it is asked for."""
    loop: bool = False
    """Begin again at the end; timestamps go on."""
    faults: Annotated[tuple[Fault, ...], Field(strict=False, max_length=16)] = ()
    """What goes wrong, for drills."""

    def images(self) -> Generator[CameraImage, None, None]:
        """Play from the start; a timestamp is the picture's time in the clip, from 0.

        A clip that cannot be opened, or breaks off before its end, is a CameraError.
        """
        return self.played(SystemClock())

    def played(self, clock: Clock) -> Generator[CameraImage, None, None]:
        """As `images`, at the pace of `clock`."""
        start = clock.monotonic()
        thinner = FrameRateLimiter(self.fps)
        frozen: Image | None = None
        for still in self._stills():
            on = {fault.kind: fault for fault in self.faults if fault.holds(still.seconds)}
            if not thinner.due(still.seconds):
                continue
            if self.pace == "clip":
                _sleep_until(start + still.seconds, clock)
            if "fail" in on:
                raise CameraError(f"{self.path} fails at {still.seconds:.1f} s, as its faults say")
            if "block" in on:
                _sleep_until(start + on["block"].at + on["block"].seconds, clock)
                continue
            image = self.shaped(still.bgr * 0 if "black" in on else still.bgr)
            frozen = (image if frozen is None else frozen) if "freeze" in on else None
            yield CameraImage(image if frozen is None else frozen, _told(still.seconds, on))

    def _stills(self) -> Iterator[Still]:
        offset = 0.0
        while True:
            last = period = 0.0
            for still in stills(self.path, self.rate):
                period, last = still.seconds - last, still.seconds
                yield Still(offset + still.seconds, still.bgr)
            if not self.loop:
                return
            offset += last + (period or 1 / self.rate)


def _sleep_until(moment: float, clock: Clock) -> None:
    wait = moment - clock.monotonic()
    if wait > 0:
        clock.sleep(wait)


def _told(seconds: float, on: Mapping[Kind, Fault]) -> float:
    if "stand" in on:
        return on["stand"].at
    return seconds + (on["jump"].by if "jump" in on else 0.0)
