"""A living head that turns as it is asked, as yaw over time: it takes the place of the yaw that is measured."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

from pydantic import PrivateAttr

from edgeface.config.configuration import Configuration
from edgeface.demo.film import FPS
from edgeface.faces.analyzer import FaceAnalyzer

if TYPE_CHECKING:
    from edgeface.core.types import Detection, FrameResult, Image, Turn
    from edgeface.faces.analyzer import InspectedFace

REACTION, OUT, HELD = 0.5, 0.8, 0.2
"""Seconds until the head begins to turn, to its farthest and back again, and there."""

FARTHEST = 40.0
"""Degrees; five recorded turns of four people reach 30 to 57."""


class SimulatedHead:
    """The yaw of the head now; an observer of the daemon's frames, and used by the vision thread alone."""

    def __init__(self, since: float, until: float) -> None:
        """The head is in view from `since` to `until`, in seconds of the clip."""
        self._span = since, until
        self._start: float | None = None
        self._now = 0.0
        self._turn: tuple[Turn, float] | None = None

    def __call__(self, result: FrameResult) -> None:
        """Take note of the time, and of the turn that is asked."""
        now = result.frame.monotonic
        # The first frame that is looked at need not be the first of the film.
        self._start = now - result.frame.seq / FPS if self._start is None else self._start
        self._now = now - self._start
        for report in result.challenges:
            self._turn = None if report.turn is None else (report.turn, self._now + REACTION)

    @property
    def yaw(self) -> float | None:
        """Degrees, as `Quality.yaw`; None while the head is not in view."""
        since, until = self._span
        if not since <= self._now <= until:
            return None
        if self._turn is None:
            return 0.0
        side, begins = self._turn
        elapsed = self._now - begins
        way = elapsed if elapsed < OUT + HELD else 2 * OUT + HELD - elapsed
        return (FARTHEST if side == "left" else -FARTHEST) * _smooth(way / OUT)


def _smooth(part: float) -> float:
    """How far a movement of least jerk has come after this part of its time (Flash and Hogan, 1985)."""
    x = min(1.0, max(0.0, part))
    return x**3 * (10 - 15 * x + 6 * x**2)


@dataclass(frozen=True, slots=True, eq=False)
class _TurningFaces(FaceAnalyzer):
    """Measures the yaw of the simulated head in place of that of the picture."""

    head: SimulatedHead = field(default_factory=lambda: SimulatedHead(0.0, 0.0))

    def inspect(self, image: Image, face: Detection) -> InspectedFace | None:
        found, yaw = FaceAnalyzer.inspect(self, image, face), self.head.yaw
        if found is None or yaw is None:
            return found
        turned = "turned" if abs(yaw) > self.limits.yaw else found.quality.reason
        return found._replace(quality=replace(found.quality, yaw=yaw, reason=turned))


class TurningConfiguration(Configuration):
    """A configuration whose faces are those of a simulated head."""

    _head: SimulatedHead = PrivateAttr()

    def with_head(self, head: SimulatedHead) -> TurningConfiguration:
        """Set the head; returns this configuration."""
        self._head = head
        return self

    def open_analyzer(self) -> FaceAnalyzer:
        """Load the models; raises ModelError if one cannot be used."""
        opened = super().open_analyzer()
        return _TurningFaces(**{one.name: getattr(opened, one.name) for one in fields(opened)}, head=self._head)
