"""From a picture to a judged challenge, by the product's own parts: detector, landmarks, pose and head turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgeface.core.types import Box, ChallengeRequest, Turn
from edgeface.faces.analyzer import FaceAnalyzer, InspectedFace
from edgeface.faces.detectors import DEFAULT_DETECTOR
from edgeface.faces.protocols import DetectionRequest
from edgeface.faces.settings import EmbedderSettings, QualityLimits
from edgeface.recognition.active_challenge import ActiveChallenge
from edgeface.recognition.challenge import HeadTurns
from edgeface.recognition.visit import Visit

if TYPE_CHECKING:
    from edgeface.core.types import Image

Seen = Sequence[InspectedFace | None]
"""The face of each frame; None where none was found."""

SIDES: tuple[Turn, Turn] = ("left", "right")
ORDERS: list[tuple[Turn, Turn]] = [(first, second) for first in SIDES for second in SIDES]
REST, BETWEEN = 8, 5
"""Frames at rest before the first turn, and before each further one."""
_ROOM = 0.7
"""What a portrait shows around the detector's box, in boxes."""


class FaceFinder:
    """Finds one face and follows it: near its last place first, then in the whole picture."""

    def __init__(self) -> None:
        self.faces = FaceAnalyzer.open(DEFAULT_DETECTOR, EmbedderSettings(), QualityLimits())
        self._last: Box | None = None

    def see(self, image: Image) -> InspectedFace | None:
        """The largest face; None without one."""
        asked = (self._last,) if self._last is not None else ()
        found = self.faces.detect(image, DetectionRequest((), asked)) if asked else []
        faces = [face for face in (self.faces.inspect(image, one) for one in found) if face is not None]
        faces = faces or self.faces.faces(image)
        face = max(faces, key=lambda one: one.detection.box.height, default=None)
        self._last = face.detection.box if face is not None else None
        return face

    def portrait(self, picture: Image) -> Image | None:
        """Head and shoulders of the largest face in a photo; None without a face."""
        self._last = None
        face = self.see(picture)
        if face is None:
            return None
        box, (height, width) = face.detection.box, picture.shape[:2]
        room = _ROOM * box.height
        left, top = int(max(0, box.left - room)), int(max(0, box.top - room))
        right, bottom = int(min(width, box.right + room)), int(min(height, box.bottom + room))
        return np.ascontiguousarray(picture[top:bottom, left:right])


def attempt(turns: tuple[Turn, ...], play: Callable[[Turn], Seen], fps: float) -> HeadTurns:
    """A challenge in which the frames of `play` are shown for each side that is asked, again until it has ended.

    Every frame that is embedded counts as the person's, which is the harder case: nothing but the yaw can refuse it.
    """
    started, now = HeadTurns(turns, 0.0), 0.0
    request = ChallengeRequest(1, "porch", 1, "someone", turns, final=True)
    active = ActiveChallenge(request, Visit(1, 0.0, 0.0, Box(0, 0, 1, 1)), started)
    rest = REST
    while (asked := started.turn) is not None:
        frames = play(asked)
        for face in [*([frames[0]] * rest), *frames]:
            now += 1 / fps
            if face is not None:
                active.see(face, lambda: True, now, 1 / fps, alone=True)
            active.report(now, 1 / fps)
        rest = BETWEEN
    return started
