"""What is known of one tracked face, from its first frame until it has left."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from edgeface.evidence import Evidence

if TYPE_CHECKING:
    from edgeface.evidence import Decision
    from edgeface.types import Box, Quality, Reason

Told = tuple[Literal["match", "unknown", "uncertain", "ignored"], str]
"""What was decided, and of whom: the person, the unknown's id, or the reason."""


@dataclass(slots=True, eq=False)
class Visit:
    """The state of one track; only the vision thread writes it."""

    number: int
    """The track's number in events; a track that continues a lost one takes over its number."""
    since: float
    seen: float
    """Monotonic seconds of the first and the last frame with the face."""
    box: Box
    evidence: Evidence = field(default_factory=Evidence)
    decision: Decision | None = None
    told: Told | None = None
    """The last thing decided and announced, or held back by the rate limit."""
    announced: bool = False
    """Whether subscribers know of it, and so must hear that it left."""
    unknown: str | None = None
    """The stable id, while the evidence says so."""
    quality: Quality | None = None
    refused: Counter[Reason] = field(default_factory=Counter)
    """Frames that were not worth embedding, by reason."""
    last_reason: Reason | None = None
    """Why the latest look was refused; None when it was good."""
    wasted: int = 0
    """Looks in a row that were refused."""
    due: float = 0.0
    """When the face is judged next, monotonic seconds."""
    tried: float = 0.0
    """When it was last judged."""

    def why_silent(self) -> Reason:
        """Why nothing was ever decided about it."""
        return self.refused.most_common(1)[0][0] if self.refused else "few_frames"

    def about(self, kind: Literal["match", "unknown"]) -> str | None:
        """The person or the unknown's id that was last told, if it was of this kind."""
        return self.told[1] if self.told is not None and self.told[0] == kind else None

    def take_over(self, lost: Visit) -> None:
        """Go on with a visit whose track was lost: same number, same start, nothing said twice."""
        self.number, self.since = lost.number, lost.since
        self.told, self.announced, self.unknown = lost.told, lost.announced, lost.unknown


def continues(visit: Visit, lost: Visit, same: float) -> bool:
    """Whether a decided visit is the same face as one whose track was lost shortly before.

    By the person where one of them was matched, else by the cosine of their evidence, from `same` on.
    """
    if visit.decision is None or not lost.evidence.frames:
        return False
    person, before = visit.decision.person, lost.about("match")
    if person is not None or before is not None:
        return person == before
    return float(visit.evidence.mean() @ lost.evidence.mean()) >= same
