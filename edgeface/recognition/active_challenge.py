"""The head turns that are asked of one visit now, and what is reported of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeface.core.types import ChallengeReport
from edgeface.faces.quality import eye_width
from edgeface.recognition.challenge import PoseSample

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeface.core.types import ChallengeRequest, Prompt
    from edgeface.faces.analyzer import InspectedFace
    from edgeface.recognition.challenge import HeadTurns
    from edgeface.recognition.visit import Visit

# A face that is turned may be blurred, too; where it is dark or cut, its landmarks may be wrong.
_USABLE = frozenset({None, "turned", "blurred"})

# Beyond this, an embedding says nothing.
_MOST_YAW = 60.0


@dataclass(slots=True, eq=False)
class ActiveChallenge:
    """One challenge of one camera; only the vision thread uses it."""

    request: ChallengeRequest
    visit: Visit
    turns: HeadTurns
    _sampled: float = -1.0
    """Monotonic seconds of the newest frame that showed the face."""
    _reported: ChallengeReport | None = None

    def see(
        self, face: InspectedFace, same: Callable[[], bool], monotonic: float, interval: float, *, alone: bool
    ) -> None:
        """Follow the head in one more frame; `same` tells whether the face is still the person's.

        `interval` is the camera's usual time between two frames.
        """
        if face.quality.reason not in _USABLE:
            return
        self._sampled = monotonic
        yaw = face.quality.yaw
        shown = same() if abs(yaw) <= _MOST_YAW else None
        self.turns.add(PoseSample(monotonic, yaw, eye_width(face.detection.landmarks), shown, alone), interval)

    def report(self, monotonic: float, interval: float) -> ChallengeReport | None:
        """What has changed with the frame of this time: the next turn, or the end. None if nothing has."""
        if self._sampled != monotonic:
            self.turns.missing(monotonic, interval)
        turns = self.turns
        found = ChallengeReport(self.request, turns.turn, turns.until, turns.result)
        if found == self._reported:
            return None
        self._reported = found
        return found

    @property
    def prompt(self) -> Prompt:
        """What the person should do next."""
        if self.turns.turn is None or self.turns.reached:
            return "face_camera"
        return "turn_left" if self.turns.turn == "left" else "turn_right"
