"""Whether a face is worth embedding, and if not, the reason."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeface.core.types import Quality

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgeface.core.types import Box, Detection, Image, Landmarks, RejectReason
    from edgeface.faces.settings import QualityLimits

SIDE = 64
"""Side of the square, in pixels, to which every face is scaled before its sharpness is measured, so that a small
face that had to be enlarged does not count as sharp."""

CUT = 0.1
"""Share of a box's side that may lie outside the picture; BlazeFace itself draws boxes a little over the edge."""

# A nose tip is in front of the plane of eyes and mouth by about this share of the distance between the eyes, and the
# mouth is this many of them below the eyes (means of Farkas, Anthropometry of the Head and Face, 1994).
_NOSE, _MOUTH = 0.55, 1.1
# Where the nose of a frontal face is between eyes and mouth: ArcFace's template (embedder.py).
_NOSE_HEIGHT = 0.49
# Laplacian variance over grey variance of a face that is neither sharp nor blurred.
_HALF_SHARP = 0.03


def judge(image: Image, detection: Detection, limits: QualityLimits) -> Quality:
    """Judge one face of an RGB picture; the reason is the first that applies, in the order of what a user can correct.

    `detection` has the landmarker's landmarks. Yaw and pitch are estimates from eyes, nose and mouth, accurate to
    about ten degrees.
    """
    grey = _grey(image, detection.box)
    sharpness, brightness = _sharpness(grey), float(grey.mean()) / 255
    yaw, pitch = pose(detection.landmarks)
    height = round(detection.box.height)
    found: dict[RejectReason, bool] = {
        "small": height < limits.height,
        "cut": _is_cut(detection.box, image),
        "dark": brightness < limits.dark,
        "bright": brightness > limits.bright,
        "turned": abs(yaw) > limits.yaw or abs(pitch) > limits.pitch,
        "blurred": sharpness < limits.sharpness,
    }
    reason = next((reason for reason, holds in found.items() if holds), None)
    return Quality(height, sharpness, brightness, yaw, pitch, reason)


def pose(landmarks: Landmarks) -> tuple[float, float]:
    """Yaw and pitch in degrees from 6 x 2 landmarks; 90 and 90 when they cannot be a face.

    The shift of the nose tip against eyes and mouth, in the upright frame of the face, over its height above their
    plane.
    """
    frame = _upright(landmarks)
    if frame is None:
        return 90.0, 90.0
    nose, mouth = (point.astype(np.float64) - frame.middle for point in landmarks[2:4])
    # Along the line from between the eyes to the mouth, so that a tilted jaw does not count as a turned head.
    share = float(nose @ frame.y_axis) / frame.low
    aside = float(nose @ frame.x_axis) - share * float(mouth @ frame.x_axis)
    yaw = math.degrees(math.atan2(aside, _NOSE * frame.distance))
    pitch = math.degrees(math.atan2((_NOSE_HEIGHT - share) * _MOUTH, _NOSE))
    return yaw, pitch


def eye_width(landmarks: Landmarks) -> float:
    """The distance of the eyes over their height above the mouth, from 6 x 2 landmarks; 0 when they cannot be a face.

    A head that turns makes it narrower by the cosine of its yaw.
    """
    frame = _upright(landmarks)
    return 0.0 if frame is None else frame.distance / frame.low


class _Upright(NamedTuple):
    """The upright frame of a face."""

    middle: NDArray[np.float64]
    """Between the eyes."""
    x_axis: NDArray[np.float64]
    y_axis: NDArray[np.float64]
    distance: float
    """Of the eyes, in pixels."""
    low: float
    """How far the mouth is below them."""


def _upright(landmarks: Landmarks) -> _Upright | None:
    """None when the landmarks cannot be a face."""
    right, left, _, mouth = (point.astype(np.float64) for point in landmarks[:4])
    across = left - right
    distance = float(np.hypot(*across))
    if not math.isfinite(distance) or distance == 0:
        return None
    x_axis = across / distance
    y_axis = np.array([-x_axis[1], x_axis[0]])
    middle = (right + left) / 2
    low = float((mouth - middle) @ y_axis)
    return _Upright(middle, x_axis, y_axis, distance, low) if low > 0 else None


def _grey(image: Image, box: Box) -> NDArray[np.float32]:
    from edgeface.imaging.opencv import cv2

    height, width = image.shape[:2]
    left, right = (int(np.clip(x, 0, width - 1)) for x in (box.left, box.right))
    top, bottom = (int(np.clip(y, 0, height - 1)) for y in (box.top, box.bottom))
    face = image[top : bottom + 1, left : right + 1]
    # As floats: the noise of rounding to whole greys would make a blurred face count as sharp.
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.float32)
    how = cv2.INTER_AREA if face.shape[0] > SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=how), np.float32)


def _sharpness(grey: NDArray[np.float32]) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al., ICPR 2000) over the grey variance, mapped to 0..1."""
    from edgeface.imaging.opencv import cv2

    # Over the variance of grey, so that a face in dim light does not count as blurred.
    energy = float(cv2.Laplacian(grey, cv2.CV_32F).var()) / max(1.0, float(grey.var()))
    return energy / (energy + _HALF_SHARP)


def _is_cut(box: Box, image: Image) -> bool:
    height, width = image.shape[:2]
    aside, above = CUT * box.width, CUT * box.height
    return box.left < -aside or box.top < -above or box.right > width + aside or box.bottom > height + above
