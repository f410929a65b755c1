"""The cameras; the union is the registry."""

from typing import Annotated

from pydantic import Field

from edgeface.cameras.gstreamer import GstreamerCamera
from edgeface.cameras.opencv import OpencvCamera
from edgeface.cameras.picamera import PicameraCamera
from edgeface.cameras.replay import ReplayCamera

CameraSettings = Annotated[OpencvCamera | GstreamerCamera | PicameraCamera | ReplayCamera, Field(discriminator="type")]
