"""The types of liveness detectors; the union is the registry."""

from typing import Annotated

from pydantic import Field

from edgeface.faces.liveness.depth import DepthLiveness
from edgeface.faces.liveness.infrared import InfraredLiveness
from edgeface.faces.liveness.minifasnet import MinifasnetLiveness
from edgeface.faces.liveness.thermal import ThermalLiveness

LivenessSettings = Annotated[
    MinifasnetLiveness | InfraredLiveness | DepthLiveness | ThermalLiveness, Field(discriminator="type")
]
