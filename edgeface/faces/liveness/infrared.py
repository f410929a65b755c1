"""Screens, by a second camera for near infrared: a screen shows nothing there."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from edgeface.core.types import Look
from edgeface.faces.liveness.sensor import SensorLiveness
from edgeface.faces.protocols import DetectionRequest

if TYPE_CHECKING:
    from edgeface.core.types import Detection, Frame, LookReason, SpoofReason
    from edgeface.faces.protocols import Detector

SAME_FACE = 0.3
"""Intersection over union from which a face in infrared is that of the other picture."""


class InfraredLiveness(SensorLiveness):
    """A face must be found in near infrared where the camera sees one."""

    type: Literal["infrared"] = "infrared"

    def open(self, detector: "Detector") -> "Infrared":
        """Nothing is loaded: `detector` searches the infrared picture as well."""
        return Infrared(self, detector)


class Infrared:
    """Not for two threads at once."""

    reason: "SpoofReason" = "no_infrared"
    names: Mapping[str, str] = {}

    def __init__(self, settings: InfraredLiveness, detector: "Detector") -> None:
        self._settings, self._detector = settings, detector

    def look(self, frame: "Frame", face: "Detection", _sharpness: float) -> "Look | LookReason":
        """1 if the face is found in infrared, otherwise 0; `no_picture` without an infrared picture of its place."""
        seen = self._settings.find(frame, face)
        if seen is None:
            return "no_picture"
        found = self._detector.detect(seen.picture.image, DetectionRequest(parts=(), asked=(seen.box,)))
        return Look((float(any(one.box.iou(seen.box) >= SAME_FACE for one in found)),))
