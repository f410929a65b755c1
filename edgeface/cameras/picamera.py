"""A Raspberry Pi's camera, by the system's Picamera2."""

from __future__ import annotations

import concurrent.futures
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from edgeface.cameras.base import CameraBase, FrameRateLimiter
from edgeface.core.clock import SystemClock
from edgeface.core.errors import CameraError
from edgeface.core.types import CameraImage

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from numpy.typing import NDArray

    from edgeface.core.clock import Clock

APT = "python3-picamera2"

_MAIN, _LORES = "RGB888", "YUV420"
_NANO = 1e-9
_CONTINUOUS = 2
"""libcamera's AfModeContinuous."""
_DURATION = 33_333
"""Microseconds of a picture in Picamera2's video configuration, which an exposure cannot exceed."""

_Side = Annotated[int, Field(ge=64, le=7680, multiple_of=2)]


class PicameraCamera(CameraBase):
    """A camera at a Raspberry Pi's ribbon cable."""

    type: Literal["picamera"] = "picamera"
    number: Annotated[int, Field(ge=0, le=7)] = 0
    """Which, in the order of `rpicam-hello --list-cameras`."""
    main: Annotated[tuple[_Side, _Side], Field(strict=False)] = (1280, 720)
    """[width, height] of the sensor's picture, even; its proportions are those of what is seen."""
    exposure: Annotated[int, Field(ge=10, le=10_000_000)] | None = None
    """Microseconds; left out: automatic."""
    gain: Annotated[float, Field(ge=1, le=64)] | None = None
    """Of the sensor; left out: automatic."""
    buffers: Annotated[int, Field(ge=2, le=12)] = 4
    """Pictures in the camera system's memory at a time."""
    read_timeout: Annotated[float, Field(gt=0, le=60)] = 2.0
    """Seconds that the next picture may take."""

    @model_validator(mode="after")
    def _exposure_fits_the_rate(self) -> PicameraCamera:
        if self.exposure is not None and self.fps is not None and self.exposure > 1e6 / self.fps:
            raise ValueError("exposure is longer than a picture of fps lasts")
        return self

    def images(self) -> Generator[CameraImage, None, None]:
        """Open the camera and give its pictures, each stamped by the sensor.

        CameraError when Picamera2 or the camera is missing or busy, when it refuses the settings, and for no picture
        in time.
        """
        return self._live(SystemClock())

    def _live(self, clock: Clock) -> Generator[CameraImage, None, None]:
        device = self._opened()
        try:
            self._start(device)
            thinner = FrameRateLimiter(self.fps)
            yield from self._pictures(device, thinner, clock)
        except concurrent.futures.TimeoutError:
            # A job that waits for ever would keep the camera from being closed.
            device.cancel_all_and_flush()
            raise CameraError(
                f"{self._label} gives no picture for {self.read_timeout:g} s: is its cable loose?"
            ) from None
        except RuntimeError as error:
            raise CameraError(f"{self._label} failed ({_line(error)})") from error
        finally:
            _close(device)

    @property
    def _label(self) -> str:
        return f"Pi camera {self.number}"

    @property
    def _lores(self) -> tuple[int, int] | None:
        """The size of the second stream; None when the first has to serve, as `size` is no smaller."""
        if self.size is None:
            return None
        width, height = self.size if self._turned_by_camera else self.size[::-1]
        fits = width <= self.main[0] and height <= self.main[1] and (width, height) != self.main
        return (width - width % 2, height - height % 2) if fits else None

    @property
    def _turned_by_camera(self) -> bool:
        return self.rotation in {0, 180}

    def _opened(self) -> Any:
        picamera2, _ = _packages()
        try:
            # Picamera2 leaks two pipes when it is asked for a camera that there is not.
            if self.number >= len(picamera2.Picamera2.global_camera_info()):
                raise CameraError(f"{self._label} is not there; is its cable in, and does rpicam-hello see it?")
            return picamera2.Picamera2(self.number)
        except RuntimeError as error:
            raise CameraError(f"{self._label} cannot be opened; does another program use it?") from error

    def _start(self, device: Any) -> None:
        _, libcamera = _packages()
        configuration = device.create_video_configuration(
            main={"format": _MAIN, "size": self.main},
            lores=None if self._lores is None else {"format": _LORES, "size": self._lores},
            raw=None,
            transform=libcamera.Transform(**self._flips()),
            # What cv2 takes YUV to be: BT.601, narrow range.
            colour_space=libcamera.ColorSpace.Smpte170m(),
            buffer_count=self.buffers,
            controls=self._controls(device),
            display=None,
            encode=None,
            # Never a picture that has waited.
            queue=False,
        )
        device.configure(configuration)
        device.start()

    def _flips(self) -> dict[str, bool]:
        """Rotation by 180 degrees and flips cost nothing in the sensor; it cannot turn by 90."""
        if not self._turned_by_camera:
            return {"hflip": False, "vflip": False}
        half = self.rotation == 180  # noqa: PLR2004 - degrees
        return {"hflip": half != (self.flip == "horizontal"), "vflip": half != (self.flip == "vertical")}

    def _controls(self, device: Any) -> dict[str, float]:
        known = device.camera_controls
        asked = {"ExposureTime": self.exposure, "AnalogueGain": self.gain}
        wanted: dict[str, float] = {name: value for name, value in asked.items() if value is not None}
        for name in wanted:
            if name not in known:
                raise CameraError(f"{self._label} has no {name}: take exposure and gain out of its settings")
        rate = self.fps
        if rate is None and self.exposure is not None and self.exposure > _DURATION:
            rate = 1e6 / self.exposure
        # A camera without limits of the frame duration is thinned out.
        if rate is not None and "FrameDurationLimits" in known:
            wanted["FrameRate"] = rate
        if "AfMode" in known:
            wanted["AfMode"] = _CONTINUOUS
        return wanted

    def _pictures(self, device: Any, thinner: FrameRateLimiter, clock: Clock) -> Iterator[CameraImage]:
        stream = "main" if self._lores is None else "lores"
        given = device.camera_configuration()[stream]
        if given["format"] != (_MAIN if stream == "main" else _LORES):
            raise CameraError(f"{self._label} gives {given['format']}; if it is a USB camera, its type is opencv")
        width = given["size"][0]
        rest = self.model_copy(update={"rotation": 0, "flip": "none"}) if self._turned_by_camera else self
        while True:
            request = device.capture_request(wait=self.read_timeout)
            try:
                if not thinner.due(clock.monotonic()):
                    continue
                array, metadata = request.make_array(stream), request.get_metadata()
            finally:
                request.release()
            stamp = metadata.get("SensorTimestamp")
            yield CameraImage(rest.shaped(_bgr(array, width)), None if stamp is None else stamp * _NANO)


def require() -> None:
    """Find Picamera2; CameraError, with the package to install, when it is missing."""
    _packages()


def attached() -> list[str]:
    """The models of the cameras that libcamera sees, by their numbers; CameraError when Picamera2 is missing."""
    picamera2, _ = _packages()
    return [str(one.get("Model", "unknown")) for one in picamera2.Picamera2.global_camera_info()]


def _bgr(array: NDArray[Any], width: int) -> NDArray[Any]:
    """Picamera2's RGB888 is B, G, R in memory; its YUV420 is I420 with padded rows."""
    from edgeface.imaging.opencv import cv2

    if array.ndim == 3:  # noqa: PLR2004 - height, width, channels
        return array
    bgr: NDArray[Any] = cv2.cvtColor(array, cv2.COLOR_YUV2BGR_I420)[:, :width]
    return bgr


def _packages() -> tuple[Any, Any]:
    try:
        return import_module("picamera2"), import_module("libcamera")
    except ImportError:
        text = f"Picamera2 is missing: sudo apt install {APT}, in a venv made with --system-site-packages"
        raise CameraError(text) from None
    except ValueError as error:
        # Compiled against numpy 1, imported beside numpy 2.
        text = "Picamera2 does not go with this numpy: pip install 'numpy<2' 'opencv-python-headless<4.12'"
        raise CameraError(text) from error


def _close(device: Any) -> None:
    try:
        device.close()
    except RuntimeError as error:
        raise CameraError(f"the Pi camera cannot be closed ({_line(error)})") from error


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
