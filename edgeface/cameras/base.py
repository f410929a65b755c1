"""What every camera type shares: how its pictures are turned, sized, thinned out and looked at."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from edgeface.core.errors import CameraError
from edgeface.core.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgeface.core.types import Image

_Side = Annotated[int, Field(ge=32, le=7680)]
_Fraction = Annotated[float, Field(ge=0, le=1)]


class CameraBase(Settings):
    """Keys of every camera; rotation comes first, then flip, then size."""

    rotation: Literal[0, 90, 180, 270] = 0
    """Degrees that the picture is turned clockwise."""
    flip: Literal["none", "horizontal", "vertical"] = "none"
    """horizontal swaps left and right, vertical swaps top and bottom."""
    size: Annotated[tuple[_Side, _Side], Field(strict=False)] | None = None
    """[width, height] in pixels that a picture is scaled to; left out: as the camera gives it."""
    fps: Annotated[float, Field(ge=1, le=240)] | None = None
    """Most pictures a second; left out: all."""
    region: Annotated[tuple[_Fraction, _Fraction, _Fraction, _Fraction], Field(strict=False)] | None = None
    """[left, top, right, bottom] as fractions of the picture where faces are looked for; left out: all of it."""
    enabled: bool = True
    """Whether the camera is on when the daemon starts; MQTT can switch it."""

    @model_validator(mode="after")
    def _region_has_an_inside(self) -> CameraBase:
        if self.region is not None:
            left, top, right, bottom = self.region
            if left >= right or top >= bottom:
                raise ValueError("region is [left, top, right, bottom] with left < right and top < bottom")
        return self

    def shaped(self, bgr: NDArray[Any]) -> Image:
        """A camera's BGR picture as RGB, turned, flipped and scaled; always a new array."""
        from edgeface.imaging.opencv import cv2

        try:
            image = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
            if self.rotation:
                image = cv2.rotate(image, _turns()[self.rotation])
            if self.flip != "none":
                image = cv2.flip(image, 1 if self.flip == "horizontal" else 0)
            if self.size is not None and (image.shape[1], image.shape[0]) != self.size:
                shrinks = self.size[0] < image.shape[1]
                # INTER_AREA averages, which keeps small faces free of aliasing; it is coarse when it enlarges.
                image = cv2.resize(image, self.size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        except cv2.error as error:
            raise CameraError(f"a picture of shape {bgr.shape} cannot be used ({error.err})") from error
        return image.astype("uint8", copy=False)


class FrameRateLimiter:
    """Lets through so many pictures a second, evenly, whatever the rate of the source."""

    def __init__(self, fps: float | None) -> None:
        self._period = 0.0 if fps is None else 1 / fps
        self._due: float | None = None

    def due(self, seconds: float) -> bool:
        """Whether the picture of this time is wanted; times of one source, rising."""
        # A quarter of a period early still counts, so that jitter does not turn 15 of 30 into 10 of 30.
        slack = self._period / 4
        if self._due is None or abs(seconds - self._due) > 2 * self._period:
            self._due = seconds
        if seconds < self._due - slack:
            return False
        self._due += self._period
        return True


def _turns() -> dict[int, int]:
    from edgeface.imaging.opencv import cv2

    return {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


SCHEMES = ("rtsp", "rtsps", "http", "https")

_AUTHORITY = re.compile(r"(?:[^@/?#\s]*@)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")


def checked(address: str, schemes: tuple[str, ...] = SCHEMES) -> str:
    """An address as it is; ValueError, without repeating it, when it is none or its password would be shown."""
    scheme, _, rest = address.partition("://")
    if scheme.lower() not in schemes:
        raise ValueError(f"a stream's address begins with one of {', '.join(schemes)}")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    # A password with a bare / or @ would be taken for a part of the host, and be shown.
    if _AUTHORITY.fullmatch(authority) is None or "@" in rest[len(authority) :]:
        raise ValueError("the address is not scheme://user:password@host:port/path; write @ as %40, / as %2F")
    return address


def shown(address: str) -> str:
    """Scheme, host and port alone: cameras put passwords into paths and queries too."""
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{re.split(r'[/?#]', rest, maxsplit=1)[0].rpartition('@')[2]}"
