"""Pictures and screens, by a thermal camera: a face is warmer than what is around it, and as warm as a face."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from edgeface.core.settings import Unit
from edgeface.core.types import Box, Look
from edgeface.faces.liveness.sensor import SensorLiveness

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgeface.core.types import Detection, Frame, LookReason, SpoofReason, Values
    from edgeface.faces.protocols import Detector

_INNER, _OUTER = 1.3, 2.0
"""The surroundings, in sizes of the face: from beyond its ears and chin to as much again."""

_LEAST_SHARE = 0.25
"""Of the pixels of the face and of its surroundings, those that must be measured."""

_ZERO_CELSIUS, _CENTIKELVIN = 273.15, 100.0


class ThermalLiveness(SensorLiveness):
    """A face must have the temperature of one, and be warmer than its surroundings."""

    type: Literal["thermal"] = "thermal"
    unit: ClassVar[Unit | None] = "centikelvin"

    warmer: Annotated[float, Field(gt=0, le=50)] = 4.0
    """Kelvin that a face must be warmer than its surroundings."""
    coolest: Annotated[float, Field(ge=-50, le=100)] = 28.0
    """Degrees Celsius that a face must reach."""
    warmest: Annotated[float, Field(ge=-50, le=100)] = 40.0
    """Degrees Celsius that a face must not exceed."""

    @model_validator(mode="after")
    def _require_a_span(self) -> "ThermalLiveness":
        if self.coolest >= self.warmest:
            raise ValueError("coolest must be below warmest")
        return self

    def open(self, _detector: "Detector") -> "Thermal":
        """Nothing is loaded."""
        return Thermal(self)


class Thermal:
    """Any thread may use it."""

    reason: "SpoofReason" = "not_warm"
    names: Mapping[str, str] = {}

    def __init__(self, settings: ThermalLiveness) -> None:
        self._settings = settings

    def look(self, frame: "Frame", face: "Detection", _sharpness: float) -> "Look | LookReason":
        """1 if the face is warm enough, otherwise 0; `no_picture` unless its and its surroundings' heat is known."""
        seen = self._settings.find(frame, face)
        if seen is None or seen.picture.values is None:
            return "no_picture"
        warmth, around = temperatures(seen.picture.values, seen.box)
        if np.isnan((warmth, around)).any():
            return "no_picture"
        limits = self._settings
        warm = limits.coolest <= warmth <= limits.warmest and warmth - around >= limits.warmer
        return Look((float(warm),))


def temperatures(values: "Values", face: Box) -> tuple[float, float]:
    """Median degrees Celsius of a face and of the ring around it; NaN where too little is measured."""
    ring = np.zeros(values.shape, np.bool_)
    ring[_part(face, _OUTER)] = True
    ring[_part(face, _INNER)] = False
    return _median(values[_part(face, 1.0)]), _median(values[ring])


def _part(face: Box, times: float) -> tuple[slice, slice]:
    """The rows and columns of a box so many times as large; slices end at the picture's edge."""
    (x, y), width, height = face.centre, times * face.width / 2, times * face.height / 2
    rows = slice(max(0, round(y - height)), max(0, round(y + height)))
    return rows, slice(max(0, round(x - width)), max(0, round(x + width)))


def _median(values: "NDArray[np.uint16]") -> float:
    measured = values[values > 0]
    if measured.size == 0 or measured.size < _LEAST_SHARE * values.size:
        return np.nan
    return float(np.median(measured)) / _CENTIKELVIN - _ZERO_CELSIUS
