"""What every type of liveness detector shares."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from edgeface.core.settings import Fraction, Settings, Unit
from edgeface.faces.protocols import Detector, LivenessDetector


class LivenessBase(Settings):
    """A liveness detector's settings, and the rules of its verdict; a type adds what it needs."""

    unit: ClassVar[Unit | None] = None
    """What the companions measure; None: they take ordinary pictures."""

    living: Fraction = 0.5
    """The mean of each model's scores must reach it for the verdict `living`."""
    spoof: Fraction = 0.3
    """A mean below it gives the verdict `spoof`."""
    looks: Annotated[int, Field(ge=1, le=10)] = 5
    """Looks before any verdict."""

    @model_validator(mode="after")
    def _spoof_is_below_living(self) -> "LivenessBase":
        if self.spoof >= self.living:
            raise ValueError("spoof must be below living")
        return self

    @abstractmethod
    def open(self, detector: Detector) -> LivenessDetector:
        """Load the models; raises ModelError if one cannot be used. `detector` finds faces in ordinary pictures."""

    def problems(self) -> Iterable[tuple[str, str]]:
        """The keys whose files cannot be used, and why; read before the models are opened."""
        return ()

    @property
    def companions(self) -> Mapping[str, str]:
        """The cameras of another sensor, by the camera whose faces they see; no one is recognised in their pictures."""
        return {}

    def judges(self, _camera: str) -> bool:
        """Whether it judges the faces of a camera."""
        return True
