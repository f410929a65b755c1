"""The detector types; the union is the registry."""

from typing import Annotated

from pydantic import Field

from edgeface.faces.detectors.mediapipe import MediapipeDetector
from edgeface.faces.detectors.tiled_blazeface import BlazefaceDetector
from edgeface.faces.detectors.yunet import YunetDetector

DetectorSettings = Annotated[BlazefaceDetector | MediapipeDetector | YunetDetector, Field(discriminator="type")]

DEFAULT_DETECTOR = BlazefaceDetector()
