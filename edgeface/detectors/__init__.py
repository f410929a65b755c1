"""The detectors; the union is the registry."""

from typing import Annotated

from pydantic import Field

from edgeface.detectors.blazeface import Blazeface
from edgeface.detectors.mediapipe import Mediapipe
from edgeface.detectors.yunet import Yunet

DetectorSettings = Annotated[Blazeface | Mediapipe | Yunet, Field(discriminator="type")]
