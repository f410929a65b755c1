"""What every part of config.yaml shares: strict types, frozen objects, no unknown keys."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0, le=3600, strict=False)]
Fraction = Annotated[float, Field(ge=0, le=1, strict=False)]
Frames = Annotated[int, Field(ge=1, le=10)]
"""Good frames of one track; decision.WINDOW of them are kept."""

ID_PATTERN = r"[a-z0-9][a-z0-9_-]{0,63}"
"""Ids of devices, cameras, doors and people; always matched against the whole text."""

Id = Annotated[str, Field(pattern=rf"^{ID_PATTERN}$")]

Level = Literal["low", "normal", "high"]
"""Security levels, from lax to strict."""

FactorKind = Literal["pin", "code", "card", "pass", "reader"]
"""What a person shows in addition to the face."""

Unit = Literal["millimetre", "centikelvin"]
"""What the values of a picture with 16 bits per pixel measure: distance, or absolute temperature in 0.01 K."""


class Settings(BaseModel):
    """A section of the configuration, checked once and frozen."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )

    restartless: ClassVar[frozenset[str]] = frozenset()
    """Keys whose changes take effect without a restart."""
