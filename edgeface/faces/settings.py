"""Settings of faces: when one is worth embedding, and which model embeds it."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from edgeface.core.settings import Fraction, Settings


class EmbedderSettings(Settings):
    """The model that turns a face into an embedding."""

    model: Path | None = Field(default=None, strict=False)
    """Another .tflite than the shipped one, 1 x 112 x 112 x 3 to 1 x N, with its calibration table next to it as
    NAME.calibration.json (edgeface evaluate --calibrate); templates of one model do not work with another."""


class QualityLimits(Settings):
    """When a face is worth embedding; one outside these limits is rejected, and the reason is counted."""

    height: Annotated[int, Field(ge=20, le=2000)] = 40
    """Smallest face, pixels from chin to forehead."""
    sharpness: Fraction = 0.3
    """Below: blurred."""
    dark: Fraction = 0.12
    """Mean luma below: dark."""
    bright: Fraction = 0.92
    """Mean luma above: bright."""
    yaw: Annotated[float, Field(gt=0, le=90, strict=False)] = 40.0
    """Degrees to either side; beyond: turned."""
    pitch: Annotated[float, Field(gt=0, le=90, strict=False)] = 35.0
    """Degrees up or down; beyond: turned."""

    @model_validator(mode="after")
    def _dark_is_below_bright(self) -> "QualityLimits":
        if self.dark >= self.bright:
            raise ValueError("dark must be below bright, or every face is rejected")
        return self
