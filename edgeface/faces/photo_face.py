"""Finds the one face of a photo of any size, and says in the user's words why a photo is of no use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgeface.core.errors import PhotoError
from edgeface.core.types import DetectionRequest

if TYPE_CHECKING:
    from edgeface.core.types import Detection, Image, Quality
    from edgeface.faces.analyzer import FaceAnalyzer
    from edgeface.faces.settings import QualityLimits


@dataclass(frozen=True, slots=True)
class _Look:
    """One way of showing a photo to the detector."""

    side: int
    """The longer side is scaled to this many pixels."""
    turns: int
    """Looks of a detector that takes turns with its tiles."""
    border: float = 0.0
    """Black around the photo, in sides of it."""


# Of 103 portraits of LFW the first finds 102, and with the face filling two thirds of the height 68, where the second
# finds 102: BlazeFace wants room around a face. The third is for a face of a sixteenth of the photo.
_LOOKS = (_Look(480, 2), _Look(480, 2, 0.5), _Look(960, 13))

# A photo is shrunk until its face is at most this high, with every pixel counted: the crop takes 112 pixels of it.
_HIGHEST = 224

# Of the second and further faces in those portraits, people in the background score from 0.7; wrong ones stay below.
_SURE = 0.7

# A face from this share of the photo's longer side on was meant.
_PORTRAIT = 1 / 8


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A face of a photo, with the picture to take it from."""

    image: Image
    """The photo, shrunk for a large face."""
    detection: Detection
    """In the pixels of `image`."""
    quality: Quality


def faces(analyzer: FaceAnalyzer, photo: Image) -> list[Found]:
    """Find the faces of a photo, the best score first."""
    most: list[Found] = []
    for look in _LOOKS:
        suspected = _detected(analyzer, photo, look)
        found = [face for face in (_study(analyzer, photo, one) for one in suspected) if face is not None]
        most = max(most, found, key=len)
        if any(_fills(face) for face in most):
            break
    sure = [face for face in most if face.detection.score >= _SURE]
    return sure or most


def _fills(face: Found) -> bool:
    """Whether the photo is of this face; of a smaller one there may be others, which only a closer look finds."""
    longer: int = max(face.image.shape[:2])
    return face.detection.box.height >= _PORTRAIT * longer


def find_face(analyzer: FaceAnalyzer, photo: Image) -> Found:
    """The face of a photo; PhotoError when there is not exactly one, or it is not worth embedding."""
    found = faces(analyzer, photo)
    if not found:
        raise PhotoError("no face found; take one where the whole face is seen from the front")
    if len(found) > 1:
        raise PhotoError(f"{len(found)} faces; cut out the one that is meant")
    (face,) = found
    if face.quality.reason is not None:
        raise PhotoError(explained(face.quality, analyzer.limits))
    return face


def explained(quality: Quality, limits: QualityLimits) -> str:
    """Why a face is refused, with what it has and what it needs."""
    return {
        "small": f"the face is too small: {quality.height_px} px high, needs {limits.height}",
        "blurred": f"the face is blurred: sharpness {quality.sharpness:.2f}, needs {limits.sharpness:.2f}",
        "turned": f"the face is turned away: {abs(quality.yaw):.0f} degrees to the side, "
        f"{abs(quality.pitch):.0f} up or down; at most {limits.yaw:.0f} and {limits.pitch:.0f}",
        "dark": f"the face is too dark: brightness {quality.brightness:.2f}, needs {limits.dark:.2f}",
        "bright": f"the face is too bright: brightness {quality.brightness:.2f}, at most {limits.bright:.2f}",
        "cut": "the face is cut by the edge of the photo",
    }.get(quality.reason or "", "the face cannot be used")


def _detected(analyzer: FaceAnalyzer, photo: Image, look: _Look) -> list[Detection]:
    from edgeface.faces.blazeface import merge

    height, width = photo.shape[:2]
    border = round(look.border * max(height, width))
    scale = look.side / (max(height, width) + 2 * border)
    shown = _resized(photo, scale)
    inset = round(border * scale)
    shown = np.pad(shown, ((inset, inset), (inset, inset), (0, 0)))
    looks = [DetectionRequest(analyzer.round_robin(shown, number)) for number in range(look.turns)]
    found = merge([detection for one in looks for detection in analyzer.detect(shown, one)])
    return [detection.placed(1 / scale, -inset / scale, -inset / scale) for detection in found]


def _study(analyzer: FaceAnalyzer, photo: Image, detection: Detection) -> Found | None:
    scale = min(1.0, max(_HIGHEST, 2 * analyzer.limits.height) / max(1.0, detection.box.height))
    image = _resized(photo, scale)
    face = analyzer.inspect(image, detection.placed(scale))
    return None if face is None else Found(image, *face)


def _resized(image: Image, scale: float) -> Image:
    from edgeface.imaging.opencv import cv2

    if scale == 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)
