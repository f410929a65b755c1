"""Finds out which way up a camera's picture is, by the faces in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgeface.faces.photo_face import faces

if TYPE_CHECKING:
    from edgeface.core.types import Image
    from edgeface.faces.analyzer import FaceAnalyzer

_MIN_SCORE = 0.8
"""Of 60 photos of LFW in a picture of 640 x 480, all score this or more upright, and less in every other turn. With the
face painted over, none of 25 does in any turn."""


def turn_needed(analyzer: FaceAnalyzer, image: Image) -> int | None:
    """Degrees clockwise, 0, 90, 180 or 270, by which the picture must be turned for its faces to be upright.

    None where no turn shows a good face.
    """
    scores = {90 * quarters: _best_score(analyzer, np.rot90(image, -quarters)) for quarters in range(4)}
    best = max(scores, key=lambda turn: scores[turn])
    return best if scores[best] >= _MIN_SCORE else None


def _best_score(analyzer: FaceAnalyzer, image: Image) -> float:
    found = faces(analyzer, np.ascontiguousarray(image))
    return max((face.detection.score for face in found if face.quality.reason is None), default=0.0)
