"""Raspberry Pi cameras, read with the system's Picamera2."""

from __future__ import annotations

import concurrent.futures
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from edgeface.cameras.base import AttachedCamera, CameraBase, FrameRateLimiter
from edgeface.core.errors import CameraError
from edgeface.core.types import CameraImage

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from numpy.typing import NDArray

    from edgeface.core.clock import Clock

APT = "python3-picamera2"

_MAIN, _LORES = "RGB888", "YUV420"
_SECONDS_PER_NANOSECOND = 1e-9
_AF_CONTINUOUS = 2
"""libcamera's AfModeContinuous."""
_FRAME_MICROSECONDS = 33_333
"""Length of a frame in Picamera2's video configuration, which an exposure cannot exceed."""

_Side = Annotated[int, Field(ge=64, le=7680, multiple_of=2)]


class PicameraCamera(CameraBase):
    """A camera on a Raspberry Pi's ribbon cable."""

    type: Literal["picamera"] = "picamera"
    number: Annotated[int, Field(ge=0, le=7)] = 0
    """Which camera, in the order of `rpicam-hello --list-cameras`."""
    main: Annotated[tuple[_Side, _Side], Field(strict=False, examples=[[1280, 720]])] = (1280, 720)
    """[width, height] of the sensor image, even; the aspect ratio decides how much of the sensor is used."""
    exposure: Annotated[int, Field(ge=10, le=10_000_000)] | None = None
    """Microseconds; left out: automatic."""
    gain: Annotated[float, Field(ge=1, le=64)] | None = None
    """Sensor gain as a factor; left out: automatic."""
    buffers: Annotated[int, Field(ge=2, le=12)] = 4
    """Frames that the camera system holds in memory at a time."""
    read_timeout: Annotated[float, Field(gt=0, le=60)] = 2.0
    """Maximum seconds to wait for the next frame."""

    @model_validator(mode="after")
    def _require_exposure_within_frame(self) -> PicameraCamera:
        if self.exposure is not None and self.fps is not None and self.exposure > 1e6 / self.fps:
            raise ValueError("exposure is longer than a frame at this fps")
        return self

    def play(self, clock: Clock) -> Generator[CameraImage, None, None]:
        """Open the camera and yield its images, timestamped by the sensor.

        Raises CameraError if Picamera2 is missing, the camera is missing, busy or refuses the settings, or no frame
        comes in time.
        """
        device = self._opened()
        try:
            self._start(device)
            yield from self._frames(device, clock)
        except concurrent.futures.TimeoutError:
            # A job that never ends would keep the camera from closing.
            device.cancel_all_and_flush()
            text = f"{self.local_device} delivers no image for {self.read_timeout:g} s: is its cable loose?"
            raise CameraError(text) from None
        except RuntimeError as error:
            raise CameraError(f"{self.local_device} failed ({_line(error)})") from error
        finally:
            self._close(device)

    @property
    def local_device(self) -> str:
        """The camera's number."""
        return f"Pi camera {self.number}"

    @classmethod
    def attached(cls) -> Iterator[AttachedCamera]:
        """The cameras that libcamera sees; none if Picamera2 is missing."""
        try:
            picamera2, _ = _packages()
        except CameraError:
            return
        for number, facts in enumerate(picamera2.Picamera2.global_camera_info()):
            camera, model = cls(number=number), str(facts.get("Model", "unknown"))
            hint = f"type: picamera, number: {number}"
            yield AttachedCamera(f"pi-camera-{number}", camera.local_device, model, camera, hint)

    def require_packages(self) -> None:
        """Raises CameraError if Picamera2 is missing."""
        _packages()

    @classmethod
    def require_software(cls, board: str) -> None:
        """Raises CameraError if Picamera2 is missing on a Raspberry Pi."""
        if "Raspberry Pi" in board:
            _packages()

    @property
    def _lores(self) -> tuple[int, int] | None:
        """The size of the second stream; None if the first is used, because `size` is no smaller."""
        if (size := self.unrotated_size()) is None:
            return None
        width, height = size
        fits = width <= self.main[0] and height <= self.main[1] and (width, height) != self.main
        return (width - width % 2, height - height % 2) if fits else None

    @property
    def _rotated_by_sensor(self) -> bool:
        return self.rotation in {0, 180}

    def _opened(self) -> Any:
        picamera2, _ = _packages()
        try:
            # Picamera2 leaks two pipes if it is asked for a camera that does not exist.
            if self.number >= len(picamera2.Picamera2.global_camera_info()):
                raise CameraError(
                    f"{self.local_device} does not exist; is its cable connected, and does rpicam-hello see it?"
                )
            return picamera2.Picamera2(self.number)
        except RuntimeError as error:
            raise CameraError(f"{self.local_device} cannot be opened; is another program using it?") from error

    def _close(self, device: Any) -> None:
        try:
            device.close()
        except RuntimeError as error:
            raise CameraError(f"{self.local_device} cannot be closed ({_line(error)})") from error

    def _start(self, device: Any) -> None:
        _, libcamera = _packages()
        configuration = device.create_video_configuration(
            main={"format": _MAIN, "size": self.main},
            lores=None if self._lores is None else {"format": _LORES, "size": self._lores},
            raw=None,
            transform=libcamera.Transform(**self._flips()),
            # What cv2 expects of YUV: BT.601, narrow range.
            colour_space=libcamera.ColorSpace.Smpte170m(),
            buffer_count=self.buffers,
            controls=self._controls(device),
            display=None,
            encode=None,
            # Never a frame that has waited.
            queue=False,
        )
        device.configure(configuration)
        device.start()

    def _flips(self) -> dict[str, bool]:
        """The sensor's flips; rotation by 180 degrees costs nothing there, and it cannot rotate by 90."""
        if not self._rotated_by_sensor:
            return {"hflip": False, "vflip": False}
        half = self.rotation == 180  # noqa: PLR2004 - degrees
        return {"hflip": half != (self.flip == "horizontal"), "vflip": half != (self.flip == "vertical")}

    def _controls(self, device: Any) -> dict[str, float]:
        known = device.camera_controls
        fixed = {"ExposureTime": self.exposure, "AnalogueGain": self.gain}
        wanted: dict[str, float] = {name: value for name, value in fixed.items() if value is not None}
        for name in wanted:
            if name not in known:
                raise CameraError(f"{self.local_device} has no {name}: remove exposure and gain from its settings")
        rate = self.fps
        if rate is None and self.exposure is not None and self.exposure > _FRAME_MICROSECONDS:
            rate = 1e6 / self.exposure
        # Without this control, FrameRateLimiter does it.
        if rate is not None and "FrameDurationLimits" in known:
            wanted["FrameRate"] = rate
        if "AfMode" in known:
            wanted["AfMode"] = _AF_CONTINUOUS
        return wanted

    def _frames(self, device: Any, clock: Clock) -> Iterator[CameraImage]:
        stream = "main" if self._lores is None else "lores"
        actual = device.camera_configuration()[stream]
        if actual["format"] != (_MAIN if stream == "main" else _LORES):
            raise CameraError(
                f"{self.local_device} gives {actual['format']}; if it is a USB camera, its type is opencv"
            )
        limiter, width = FrameRateLimiter(self.fps), actual["size"][0]
        remaining = self.model_copy(update={"rotation": 0, "flip": "none"}) if self._rotated_by_sensor else self
        while True:
            request = device.capture_request(wait=self.read_timeout)
            try:
                if not limiter.due(clock.monotonic()):
                    continue
                array, metadata = request.make_array(stream), request.get_metadata()
            finally:
                request.release()
            stamp = metadata.get("SensorTimestamp")
            seconds = None if stamp is None else stamp * _SECONDS_PER_NANOSECOND
            yield CameraImage(remaining.shaped(_bgr(array, width)), seconds)


def _bgr(array: NDArray[Any], width: int) -> NDArray[Any]:
    """Picamera2's RGB888 is B, G, R in memory; its YUV420 is I420 with padded rows."""
    from edgeface.imaging.opencv import cv2

    if array.ndim == 3:  # noqa: PLR2004 - height, width, channels
        return array
    bgr: NDArray[Any] = cv2.cvtColor(array, cv2.COLOR_YUV2BGR_I420)[:, :width]
    return bgr


def _packages() -> tuple[Any, Any]:
    """The modules picamera2 and libcamera; raises CameraError, with the package to install, if one is missing."""
    try:
        return import_module("picamera2"), import_module("libcamera")
    except ImportError:
        text = f"Picamera2 is missing: sudo apt install {APT}, in a venv made with --system-site-packages"
        raise CameraError(text) from None
    except ValueError as error:
        # Compiled against numpy 1, imported with numpy 2.
        text = "Picamera2 does not work with this numpy: pip install 'numpy<2' 'opencv-python-headless<4.12'"
        raise CameraError(text) from error


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
