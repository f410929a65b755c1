"""Picamera2 as far as edgeface calls it: the same signatures, the same refusals, pictures that are drawn.

`python -m tests.support.picamera_fake FOLDER` prints the signatures from Picamera2's own source, for
tests/data/picamera2.json; a test holds this file against them.
"""

from __future__ import annotations

import ast
import concurrent.futures
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

CALLED = {
    "Picamera2": (
        "__init__",
        "global_camera_info",
        "camera_controls",
        "camera_configuration",
        "cancel_all_and_flush",
        "capture_request",
        "close",
        "configure",
        "create_video_configuration",
        "start",
    ),
    "CompletedRequest": ("get_metadata", "make_array", "release"),
}
PADDING = 64
"""Rows of YUV are a multiple of this on a Pi."""


def signatures(*files: Path) -> dict[str, list[str]]:
    """Parameters and their defaults, as text, of what edgeface calls; of an overloaded function the last."""
    found: dict[str, list[str]] = {}
    for file in files:
        for top in ast.parse(file.read_text()).body:
            if isinstance(top, ast.ClassDef) and top.name in CALLED:
                for node in top.body:
                    if isinstance(node, ast.FunctionDef) and node.name in CALLED[top.name]:
                        found[f"{top.name}.{node.name}"] = _parameters(node)
    return dict(sorted(found.items()))


def _parameters(node: ast.FunctionDef) -> list[str]:
    names = [argument.arg for argument in node.args.args if argument.arg != "self"]
    defaults = [ast.unparse(default) for default in node.args.defaults]
    required = len(names) - len(defaults)
    kind = [f"@{ast.unparse(one)}" for one in node.decorator_list]
    return kind + names[:required] + [f"{n}={d}" for n, d in zip(names[required:], defaults, strict=True)]


class Transform:
    """libcamera's (src/py/libcamera/py_transform.cpp)."""

    def __init__(self, rotation: int = 0, hflip: bool = False, vflip: bool = False, transpose: bool = False) -> None:  # noqa: FBT001, FBT002 - its signature
        assert (rotation, transpose) == (0, False)
        assert isinstance(hflip, bool)
        assert isinstance(vflip, bool)
        self.hflip, self.vflip = hflip, vflip


class ColorSpace:
    @staticmethod
    def Smpte170m() -> ColorSpace:  # noqa: N802 - its name
        return ColorSpace()


libcamera: Any = ModuleType("libcamera")
libcamera.Transform, libcamera.ColorSpace = Transform, ColorSpace


@dataclass
class Board:
    """What is plugged in, and what becomes of it."""

    cameras: int = 1
    busy: bool = False
    controls: tuple[str, ...] = ("ExposureTime", "AnalogueGain", "FrameDurationLimits", "AfMode")
    adjusted: str | None = None
    """The format that libcamera gives instead of ours, as of a USB camera."""
    pictures: int = 1000
    """After so many the cable is loose."""
    period: float = 0.002
    opened: int = 0
    closed: int = 0
    requests: int = 0
    """Not given back."""
    configuration: dict[str, Any] = field(default_factory=dict)
    scene: np.ndarray[Any, np.dtype[np.uint8]] = field(default_factory=lambda: np.zeros((0, 0, 3), np.uint8))
    """RGB, as it stands before the camera."""


BOARD = Board()


class Picamera2:
    @staticmethod
    def global_camera_info() -> list[dict[str, Any]]:
        return [
            {"Model": "imx708", "Location": 2, "Rotation": 180, "Id": f"/base/i2c/imx708@{n}", "Num": n}
            for n in range(BOARD.cameras)
        ]

    def __init__(self, camera_num=0, verbose_console=None, tuning=None, allocator=None) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - its signature
        if camera_num >= len(self.global_camera_info()):
            raise RuntimeError(f'No camera number {camera_num} found - use "rpicam-hello --list-cameras"')
        if BOARD.busy:
            raise RuntimeError("Camera __init__ sequence did not complete.")
        assert (verbose_console, tuning, allocator) == (None, None, None)
        BOARD.opened += 1
        self._open, self._started, self._jobs, self._given = True, False, 0, 0
        self._configuration: dict[str, Any] = {}

    @property
    def camera_controls(self) -> dict[str, tuple[Any, Any, Any]]:
        return dict.fromkeys(BOARD.controls, (0, 1, 0))

    def create_video_configuration(  # type: ignore[no-untyped-def]
        self,
        main={},  # noqa: ANN001, B006
        lores=None,  # noqa: ANN001
        raw={},  # noqa: ANN001, B006
        transform=libcamera.Transform(),  # noqa: ANN001, B008
        colour_space=None,  # noqa: ANN001
        buffer_count=6,  # noqa: ANN001
        controls={},  # noqa: ANN001, B006
        display="main",  # noqa: ANN001
        encode="main",  # noqa: ANN001
        queue=True,  # noqa: ANN001, FBT002
        sensor={},  # noqa: ANN001, B006
        use_case="video",  # noqa: ANN001
    ) -> dict[str, Any]:
        for stream in (main, lores or {}):
            assert set(stream) <= {"format", "size", "stride", "preserve_ar"}, "Bad key"
        return {
            "use_case": use_case,
            "transform": transform,
            "colour_space": colour_space,
            "buffer_count": buffer_count,
            "queue": queue,
            "main": {"format": "XBGR8888", "size": (1280, 720), **main},
            "lores": None if lores is None else {"format": "YUV420", "size": main["size"], **lores},
            "raw": raw,
            "controls": controls,
            "sensor": sensor,
            "display": display,
            "encode": encode,
        }

    def configure(self, camera_config=None) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - its signature
        """check_camera_config, check_stream_config and Controls.__setattr__ of the original."""
        if self._started:
            raise RuntimeError("Camera must be stopped before configuring")
        assert isinstance(camera_config, dict)
        assert isinstance(camera_config["colour_space"], ColorSpace), "Colour space has incorrect type"
        assert isinstance(camera_config["transform"], Transform), "Transform has incorrect type"
        for name in ("main", "lores"):
            stream = camera_config[name]
            if stream is not None:
                _check_stream(stream, name)
                width = stream["size"][0]
                stream["format"] = BOARD.adjusted or stream["format"]
                stream["stride"] = width * 3 if name == "main" else -(-width // PADDING) * PADDING
        _check_lores(camera_config["lores"], camera_config["main"])
        for control in camera_config["controls"]:
            name = "FrameDurationLimits" if control == "FrameRate" else control
            if name not in self.camera_controls:
                raise RuntimeError(f"Control {name} is not advertised by libcamera")
        self._configuration = BOARD.configuration = camera_config

    def start(self, config=None, show_preview=False) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001, FBT002 - its signature
        assert (config, show_preview) == (None, False)
        if not self._configuration:
            raise RuntimeError("Camera has not been configured")
        self._started = True

    def camera_configuration(self) -> dict[str, Any]:
        return self._configuration

    def capture_request(self, wait=None, signal_function=None, flush=None) -> CompletedRequest:  # type: ignore[no-untyped-def] # noqa: ANN001 - its signature
        assert isinstance(wait, float)
        assert (signal_function, flush) == (None, None)
        if BOARD.requests >= self._configuration["buffer_count"]:
            raise AssertionError("every buffer is with the caller")
        if not self._started or self._given >= BOARD.pictures:
            self._jobs += 1
            time.sleep(wait)
            raise concurrent.futures.TimeoutError
        time.sleep(BOARD.period)
        self._given += 1
        return CompletedRequest(self, self._given)

    def cancel_all_and_flush(self) -> None:
        self._jobs = 0

    def close(self) -> None:
        assert self._jobs == 0, "a job waits for a picture that never comes"
        if self._open:
            self._open = False
            BOARD.closed += 1


class CompletedRequest:
    def __init__(self, request: Picamera2, picam2: int) -> None:
        self._camera, self._number, self._held = request, picam2, True
        BOARD.requests += 1

    def release(self) -> None:
        if not self._held:
            raise RuntimeError("CompletedRequest: lock now has negative ref_count")
        self._held = False
        BOARD.requests -= 1

    def get_metadata(self) -> dict[str, Any]:
        assert self._held
        return {"SensorTimestamp": 1_000_000_000 + self._number * 33_333_000, "ExposureTime": 9000}

    def make_array(self, name: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
        assert self._held
        configuration = self._camera.camera_configuration()
        stream = configuration.get(name)
        if stream is None:
            raise RuntimeError(f"Stream {name!r} is not defined")
        return _seen(stream, configuration["transform"], self._number)


def _check_stream(stream: dict[str, Any], name: str) -> None:
    size = stream["size"]
    if type(size) is not tuple or len(size) != 2:
        raise RuntimeError("size in " + name + " stream should be (width, height)")
    if size[0] % 2 or size[1] % 2:
        raise RuntimeError("width and height should be even")


def _check_lores(lores: dict[str, Any] | None, main: dict[str, Any]) -> None:
    if lores is None:
        return
    if lores["size"][0] > main["size"][0] or lores["size"][1] > main["size"][1]:
        raise RuntimeError("lores stream dimensions may not exceed main stream")
    if lores["format"] != "YUV420":
        raise RuntimeError("lores stream must be YUV")


def _seen(stream: dict[str, Any], transform: Transform, number: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    from edgeface.imaging.opencv import cv2

    rgb = BOARD.scene[::-1] if transform.vflip else BOARD.scene
    rgb = rgb[:, ::-1] if transform.hflip else rgb
    bgr = cv2.resize(np.ascontiguousarray(rgb[:, :, ::-1]), stream["size"], interpolation=cv2.INTER_AREA)
    bgr[-2:, -2:] = number % 256
    if stream["format"] == "RGB888":
        return np.asarray(bgr, np.uint8)
    assert stream["format"] == "YUV420"
    padded = np.zeros((bgr.shape[0], stream["stride"], 3), np.uint8)
    padded[:, : bgr.shape[1]] = bgr
    return np.asarray(cv2.cvtColor(padded, cv2.COLOR_BGR2YUV_I420), np.uint8)


def modules() -> dict[str, Any]:
    """The modules of a Pi, for sys.modules."""
    return {"picamera2": SimpleNamespace(Picamera2=Picamera2), "libcamera": libcamera}


if __name__ == "__main__":
    source = Path(sys.argv[1])
    table = signatures(source / "picamera2" / "picamera2.py", source / "picamera2" / "request.py")
    version = next(source.glob("picamera2-*.dist-info")).name.split("-")[1].removesuffix(".dist")
    sys.stdout.write(json.dumps({"picamera2": version, "signatures": table}, indent=2) + "\n")
