"""The camera types; the union is the registry."""

from typing import Annotated, get_args

from pydantic import Field

from edgeface.cameras.base import CameraBase
from edgeface.cameras.gray16 import Gray16Camera
from edgeface.cameras.gstreamer import GstreamerCamera
from edgeface.cameras.network.rtsp import RtspCamera
from edgeface.cameras.network.snapshot import SnapshotCamera
from edgeface.cameras.opencv import OpencvCamera
from edgeface.cameras.picamera import PicameraCamera
from edgeface.cameras.replay import ReplayCamera

CameraSettings = Annotated[
    OpencvCamera | RtspCamera | SnapshotCamera | GstreamerCamera | PicameraCamera | Gray16Camera | ReplayCamera,
    Field(discriminator="type"),
]

CAMERA_TYPES: tuple[type[CameraBase], ...] = get_args(get_args(CameraSettings)[0])
