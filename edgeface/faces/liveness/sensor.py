"""What the types of liveness detectors share that look at a face with another sensor than the camera's."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
from pydantic import Field

from edgeface.core.settings import Id, Settings
from edgeface.core.types import Box, Landmarks
from edgeface.faces.liveness.base import LivenessBase

if TYPE_CHECKING:
    from edgeface.core.types import Detection, Frame

_Scale = Annotated[float, Field(gt=0, le=10)]
_Shift = Annotated[float, Field(ge=-10, le=10)]


class Companion(Settings):
    """The camera that sees the faces of another one with its own sensor, and how its pictures lie on the other's.

    A point at x of the other camera's picture, 0 (left) to 1, is at `scale * x + shift` of the companion's; y alike.
    """

    camera: Id
    scale: Annotated[tuple[_Scale, _Scale], Field(strict=False, examples=[[1, 1]])] = (1.0, 1.0)
    """x, y: how much larger a face is, as a share of the companion's picture; 1: the same field of view."""
    shift: Annotated[tuple[_Shift, _Shift], Field(strict=False, examples=[[0, 0]])] = (0.0, 0.0)
    """x, y: shares of the companion's width and height, to the right and down."""


class SeenFace(NamedTuple):
    """A face in the companion's picture, in its pixels."""

    picture: "Frame"
    box: Box
    landmarks: Landmarks


class SensorLiveness(LivenessBase):
    """The keys of every type with another sensor, and the way to its pictures."""

    cameras: Annotated[dict[Id, Companion], Field(min_length=1, max_length=16)]
    """The companion of each camera whose faces are judged; nothing is judged at the others."""
    within: Annotated[float, Field(gt=0, le=1)] = 0.2
    """Maximum seconds between the two pictures."""

    @property
    def companions(self) -> Mapping[str, str]:
        """The companions by the camera that they serve."""
        return {name: companion.camera for name, companion in self.cameras.items()}

    def judges(self, camera: str) -> bool:
        """Whether a camera has a companion."""
        return camera in self.cameras

    def find(self, frame: "Frame", face: "Detection") -> SeenFace | None:
        """The face in the companion's picture.

        None if there is no picture, it is too old, it may be a recording's, or the face is not wholly in it.
        """
        picture, companion = frame.companion, self.cameras.get(frame.camera)
        if picture is None or companion is None or picture.camera != companion.camera:
            return None
        if picture.doubtful or abs(picture.monotonic - frame.monotonic) > self.within:
            return None
        size = np.array(picture.image.shape[1::-1])
        factor = np.array(companion.scale) * size / np.array(frame.image.shape[1::-1])
        box = face.found or face.box
        corners = np.array((box[:2], box[2:])) * factor + np.array(companion.shift) * size
        landmarks = (face.landmarks * factor + np.array(companion.shift) * size).astype(np.float32)
        if not (corners >= 0).all() or not (corners <= size).all():
            return None
        return SeenFace(picture, Box(*map(float, corners.ravel())), landmarks)
