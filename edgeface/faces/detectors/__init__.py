"""The detectors; the union is the registry."""

from typing import Annotated

from pydantic import Field

from edgeface.faces.detectors.mediapipe import Mediapipe
from edgeface.faces.detectors.tiled_blazeface import Blazeface
from edgeface.faces.detectors.yunet import Yunet

DetectorSettings = Annotated[Blazeface | Mediapipe | Yunet, Field(discriminator="type")]
