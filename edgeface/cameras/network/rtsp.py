"""An RTSP camera: over TCP it is read by FFmpeg in OpenCV, which is there already, and over UDP by GStreamer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from edgeface.cameras import base
from edgeface.cameras.gstreamer import GstreamerCamera
from edgeface.cameras.network.keys import AddressCamera
from edgeface.cameras.opencv import OpencvCamera

if TYPE_CHECKING:
    from collections.abc import Generator

    from edgeface.core.clock import Clock
    from edgeface.core.types import CameraImage

_Timeout = Annotated[float, Field(gt=0, le=60)]
_require_rtsp = partial(base.require_address, schemes=("rtsp", "rtsps"))


class RtspCamera(AddressCamera):
    """A network camera that speaks RTSP: another name for `opencv`, or for `gstreamer` with its preset `rtsp`."""

    type: Literal["rtsp"] = "rtsp"
    url: Annotated[str, Field(max_length=2000, repr=False), AfterValidator(_require_rtsp)]
    """rtsp:// or rtsps://host:port/path"""
    transport: Literal["tcp", "udp"] = "tcp"
    """udp delays less on a bad network and loses packets; it needs GStreamer for Python."""
    open_timeout: _Timeout = 10.0
    """Maximum seconds for the stream to open."""
    read_timeout: _Timeout = 2.0
    """Maximum seconds for the next frame."""

    def require_packages(self) -> None:
        """As `opencv` or `gstreamer`."""
        self._player().require_packages()

    def play(self, clock: Clock) -> Generator[CameraImage, None, None]:
        """As `opencv` or `gstreamer`."""
        return self._player().play(clock)

    def require_login(self) -> None:
        """As `opencv` or `gstreamer`."""
        self._player().require_login()

    def _player(self) -> OpencvCamera | GstreamerCamera:
        own = {"type", "url", "transport"}
        shared = {name: getattr(self, name) for name in type(self).model_fields if name not in own}
        if self.transport == "udp":
            return GstreamerCamera(preset="rtsp", url=self.url, transport="udp", **shared)
        return OpencvCamera(source=self.url, **shared)
