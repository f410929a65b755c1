"""Flat pictures, by a depth camera: the nose of a face is nearer than its eyes and its mouth."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from edgeface.core.settings import Unit
from edgeface.core.types import Look
from edgeface.faces.liveness.sensor import SensorLiveness

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgeface.core.types import Detection, Frame, LookReason, SpoofReason, Values
    from edgeface.faces.liveness.sensor import SeenFace
    from edgeface.faces.protocols import Detector

# Of core.types.Landmarks: right eye, left eye, nose tip, right and left corner of the mouth.
_POINTS = (0, 1, 2, 6, 7)

_WINDOW = 0.04
"""Of a face's width, to each side of a landmark: 6 mm of a living one."""

_DEEPEST = 100.0
"""Millimetres from the nearest landmark to the farthest; more are not of one face: one is next to it, or in a hole."""


class DepthLiveness(SensorLiveness):
    """The landmarks of a face must not be in one plane."""

    type: Literal["depth"] = "depth"
    unit: ClassVar[Unit | None] = "millimetre"

    depth: Annotated[float, Field(gt=0, le=50)] = 8.0
    """Millimetres that a landmark must be away from the plane which fits the five best."""
    focal: Annotated[float, Field(gt=0, le=100_000)] | None = None
    """Focal length in pixels of the depth picture; left out: its width, which is a field of view of 53 degrees."""

    def open(self, _detector: "Detector") -> "Depth":
        """Nothing is loaded."""
        return Depth(self)


class Depth:
    """Any thread may use it."""

    reason: "SpoofReason" = "flat"
    names: Mapping[str, str] = {}

    def __init__(self, settings: DepthLiveness) -> None:
        self._settings = settings

    def look(self, frame: "Frame", face: "Detection", _sharpness: float) -> "Look | LookReason":
        """1 if the face is deep enough, otherwise 0; `no_picture` unless all five landmarks are measured."""
        seen = self._settings.find(frame, face)
        points = None if seen is None else landmarks_in_space(seen, self._settings.focal)
        if points is None or np.ptp(points[:, 2]) > _DEEPEST:
            return "no_picture"
        return Look((float(distance_from_plane(points) >= self._settings.depth),))


def landmarks_in_space(seen: "SeenFace", focal: float | None) -> "NDArray[np.float64] | None":
    """The five landmarks, 5 x 3 in millimetres: x to the right, y down, z away from a pinhole camera.

    None if one was not located, or the depth picture measures nothing there.
    """
    values, landmarks = seen.picture.values, seen.landmarks
    if values is None or len(landmarks) <= max(_POINTS) or not np.isfinite(landmarks[list(_POINTS)]).all():
        return None
    height, width = values.shape
    reach = max(1, round(_WINDOW * seen.box.width))
    points = landmarks[list(_POINTS)].astype(np.float64)
    away = np.array([_median(values, x, y, reach) for x, y in points])
    if np.isnan(away).any():
        return None
    flat = (points - np.array((width / 2, height / 2))) * away[:, None] / (focal or width)
    return np.column_stack((flat, away))


def distance_from_plane(points: "NDArray[np.float64]") -> float:
    """The largest distance of a point from the plane that fits all best, by least squares (singular values)."""
    centred = points - points.mean(axis=0)
    normal = np.linalg.svd(centred)[2][-1]
    return float(np.abs(centred @ normal).max())


def _median(values: "Values", x: float, y: float, reach: int) -> float:
    """The median of what is measured around a point; NaN if that is nothing."""
    left, top = int(x) - reach, int(y) - reach
    window = values[max(0, top) : max(0, top + 2 * reach + 1), max(0, left) : max(0, left + 2 * reach + 1)]
    measured = window[window > 0]
    return float(np.median(measured)) if measured.size else np.nan
