"""The cameras; the union is the registry."""

from typing import Annotated

from pydantic import Field

from edgeface.cameras.opencv import OpencvCamera
from edgeface.cameras.replay import ReplayCamera

CameraSettings = Annotated[OpencvCamera | ReplayCamera, Field(discriminator="type")]
