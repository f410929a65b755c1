"""Finds the one face of a photo of any size, and explains to the user why a photo cannot be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgeface.core.errors import PhotoError
from edgeface.faces.analyzer import InspectedFace
from edgeface.faces.blazeface import merge
from edgeface.faces.protocols import DetectionRequest
from edgeface.imaging.resize import scaled

if TYPE_CHECKING:
    from edgeface.core.types import Detection, HiddenPart, Image, Quality
    from edgeface.faces.analyzer import FaceAnalyzer
    from edgeface.faces.settings import QualityLimits


@dataclass(frozen=True, slots=True)
class _Search:
    """One way of presenting a photo to the detector."""

    side: int
    """The longer side is scaled to this many pixels."""
    rounds: int
    """How often the detector searches, each time in other parts."""
    border: float = 0.0
    """Black border around the photo, in its longer sides."""


PHOTO_SIDE = 2000
"""Pixels of the longer side that enrollment needs: a face of a twentieth of it still has 100, and its cosine with the
embedding from 4,032 pixels was 0.99 or more in 20 of 21 photos, and 0.988 in the other one (docs/enrollment.md)."""

# Of 103 portraits of LFW the first finds 102, but only 68 where the face fills two thirds of the height; the second
# finds 102 of those: BlazeFace needs space around a face. The third is for a face of a sixteenth of the photo.
_SEARCHES = (_Search(480, 2), _Search(480, 2, 0.5), _Search(960, 13))

# A photo is reduced until its face is at most this high, averaging all pixels: the crop takes 112 pixels of it.
_MAX_HEIGHT = 224

# Of the further faces in those portraits, people in the background score 0.7 or more; false ones score less.
_MIN_SCORE = 0.7

# A face of at least this share of the photo's longer side is what the photo is of.
_PORTRAIT = 1 / 8


_HIDDEN: dict[HiddenPart | None, str] = {
    "eyes": "the eyes are hidden",
    "mouth": "mouth and nose are hidden",
    "side": "one side is hidden",
    None: "a part is hidden",
}


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A face of a photo, with the picture that it is in."""

    image: Image
    """The photo, reduced for a large face."""
    detection: Detection
    """In the pixels of `image`."""
    quality: Quality


def faces(analyzer: FaceAnalyzer, photo: Image) -> list[Found]:
    """Find the faces of a photo, the best score first."""
    most: list[Found] = []
    for search in _SEARCHES:
        detections = _detect(analyzer, photo, search)
        found = [face for face in (_inspect(analyzer, photo, one) for one in detections) if face is not None]
        most = max(most, found, key=len)
        if any(_is_portrait(face) for face in most):
            break
    certain = [face for face in most if face.detection.score >= _MIN_SCORE]
    return certain or most


def _is_portrait(face: Found) -> bool:
    """Whether the photo is of this face; next to a smaller one, there may be others that only a finer search finds."""
    longer: int = max(face.image.shape[:2])
    return face.detection.box.height >= _PORTRAIT * longer


def find_face(analyzer: FaceAnalyzer, photo: Image) -> Found:
    """The face of a photo. Raises PhotoError if there is not exactly one, or it is not worth embedding."""
    found = faces(analyzer, photo)
    if not found:
        raise PhotoError("no face found; use a photo that shows the whole face from the front")
    if len(found) > 1:
        raise PhotoError(f"{len(found)} faces; crop the photo to one of them")
    (face,) = found
    quality = analyzer.template_quality(face.image, InspectedFace(face.detection, face.quality))
    if quality.reason is not None:
        raise PhotoError(explained(quality, analyzer.limits))
    return face


def explained(quality: Quality, limits: QualityLimits) -> str:
    """Why a face is rejected, with what it has and what it needs."""
    return {
        "small": f"the face is too small: {quality.height_px} px high, needs {limits.height}",
        "blurred": f"the face is blurred: sharpness {quality.sharpness:.2f}, needs {limits.sharpness:.2f}",
        "turned": f"the face is turned away: {abs(quality.yaw):.0f} degrees to the side, "
        f"{abs(quality.pitch):.0f} up or down; at most {limits.yaw:.0f} and {limits.pitch:.0f}",
        "dark": f"the face is too dark: brightness {quality.brightness:.2f}, needs {limits.dark:.2f}",
        "bright": f"the face is too bright: brightness {quality.brightness:.2f}, at most {limits.bright:.2f}",
        "cut": "the face is cut by the edge of the photo",
        "covered": f"the face is covered: {_HIDDEN[quality.hidden]}",
    }.get(quality.reason or "", "the face cannot be used")


def _detect(analyzer: FaceAnalyzer, photo: Image, search: _Search) -> list[Detection]:
    height, width = photo.shape[:2]
    border = round(search.border * max(height, width))
    scale = search.side / (max(height, width) + 2 * border)
    shown = scaled(photo, scale)
    inset = round(border * scale)
    shown = np.pad(shown, ((inset, inset), (inset, inset), (0, 0)))
    requests = [DetectionRequest(analyzer.round_robin(shown, number)) for number in range(search.rounds)]
    found = merge([detection for request in requests for detection in analyzer.detect(shown, request)])
    return [detection.placed(1 / scale, -inset / scale, -inset / scale) for detection in found]


def _inspect(analyzer: FaceAnalyzer, photo: Image, detection: Detection) -> Found | None:
    scale = min(1.0, max(_MAX_HEIGHT, 2 * analyzer.limits.height) / max(1.0, detection.box.height))
    image = scaled(photo, scale)
    face = analyzer.inspect(image, detection.placed(scale))
    return None if face is None else Found(image, *face)
