"""One face in view of a camera, from when it appears until it is lost."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from edgeface.core.types import DecisionKind
from edgeface.recognition.decision import Evidence
from edgeface.recognition.liveness import VisitLiveness

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgeface.core.types import (
        Box,
        Detection,
        Embedding,
        Look,
        LookReason,
        Prompt,
        Quality,
        RejectReason,
        SpoofReason,
    )
    from edgeface.recognition.decision import Decision
    from edgeface.recognition.scheduler import Floats

ALIKE = 0.5
"""A named face whose coarse picture correlates less than this with the one before is judged at once. Of 400 changes of
one face for another in the same place, this notices 72 %; of 302 pairs of the demo's own faces, it doubts 3 %."""

DOUBT, HOLD = 1.0, 5.0
"""Seconds for which a name stays without a frame that confirms it: when the face may be another one, and otherwise."""

MAX_REJECTED, RETRY = 10, 0.12
"""After this many rejected faces in a row, a track is judged only every so many seconds."""

Conclusion = tuple[DecisionKind | Literal["spoof"], str]
"""A kind of decision and its subject: the person, the unknown's id, or the reason."""

_REJECTED: Mapping[RejectReason, Prompt] = {
    "small": "step_closer",
    "dark": "more_light",
    "blurred": "hold_still",
    "turned": "face_camera",
}
_WITHHELD: Mapping[LookReason, Prompt] = {"close": "step_back", "blurred": "hold_still"}


@dataclass(slots=True, eq=False)
class Visit:
    """The state of one track; only the vision thread writes it."""

    number: int
    """The track's number in events; a track that continues a lost one takes over its number."""
    since: float
    seen: float
    """Monotonic seconds of the first and the last frame with the face."""
    box: Box
    detection: Detection | None = None
    """The newest frame's; None when it was not found, or not asked for."""
    evidence: Evidence = field(default_factory=Evidence)
    decision: Decision | None = None
    conclusion: Conclusion | None = None
    """The last one that was announced, or held back by the rate limit."""
    announced: bool = False
    """Whether subscribers know of it, so that they must hear when it leaves."""
    event: str | None = None
    """The id of the event that announced the face in the evidence."""
    unknown: str | None = None
    """The stable id, while the evidence is of an unknown."""
    quality: Quality | None = None
    rejected: Counter[RejectReason] = field(default_factory=Counter)
    """Frames whose face was not worth embedding, by reason."""
    last_reason: RejectReason | None = None
    """Why the last face was rejected; None when it was good."""
    rejected_in_a_row: int = 0
    due: float = 0.0
    """When the face is judged next, monotonic seconds."""
    tried: float = 0.0
    """When it was last judged."""
    glimpse: Floats | None = None
    """What the face looked like, coarsely, when it was last found."""
    named_until: float = math.inf
    """When a name is withdrawn, unless a frame confirms it before; monotonic seconds."""

    liveness: VisitLiveness = field(default_factory=VisitLiveness)

    def expose(self, reason: SpoofReason) -> None:
        """Make it a spoof, which it stays: it has no name any more, and is judged no more."""
        self.liveness.spoof, self.liveness.passed = reason, None
        self.decision, self.unknown, self.event, self.evidence = None, None, None, Evidence()
        self.conclusion = "spoof", reason

    def accept(self, quality: Quality, monotonic: float) -> bool:
        """Whether the face is worth embedding; a rejected one is counted, and after several the next try waits."""
        self.last_reason = quality.reason
        if quality.reason is None:
            self.quality, self.rejected_in_a_row = quality, 0
            return True
        self.rejected[quality.reason] += 1
        self.rejected_in_a_row += 1
        self.due = monotonic + (RETRY if self.rejected_in_a_row >= MAX_REJECTED else 0.0)
        return False

    @property
    def seeks_id(self) -> bool:
        """Whether an unknown may yet be made of this face."""
        return self.unknown is None and (self.decision is None or self.decision.person is None)

    def add(
        self, embedding: Embedding, monotonic: float, same: float, *, covered: bool, look: Look | None = None
    ) -> None:
        """Add one embedding to the evidence; a different face (cosine below `same`) starts new evidence."""
        self.evidence = self.evidence.add(embedding, monotonic, same, covered=covered, look=look)
        if self.evidence.frames == 1:
            self.unknown = self.event = None

    def restart(self, monotonic: float) -> None:
        """Start new evidence, if there is any: what follows may be another face."""
        if self.evidence.frames or self.decision is not None:
            self.evidence = Evidence()
            self.doubt(monotonic)

    def doubt(self, monotonic: float) -> None:
        """Judge the face with each frame, and withdraw its name soon unless one of them confirms it."""
        self.due = monotonic
        self.named_until = min(self.named_until, monotonic + DOUBT)

    def looks_alike(self, glimpse: Floats | None) -> bool:
        """Whether a named face looks as it did when it was last found; unnamed ones are judged anyway."""
        before, self.glimpse = self.glimpse, glimpse
        if before is None or glimpse is None or self.decision is None or self.decision.person is None:
            return True
        return float(before @ glimpse) >= ALIKE

    def withdraw(self, monotonic: float) -> None:
        """Withdraw a name that no frame has confirmed in time, with the evidence for it."""
        if self.decision is not None and self.decision.person is not None and monotonic >= self.named_until:
            self.decision, self.evidence, self.due = None, Evidence(), min(self.due, monotonic)

    def why_undecided(self) -> RejectReason:
        """The reason that kept most frames from being judged; few_frames when none did."""
        return self.rejected.most_common(1)[0][0] if self.rejected else "few_frames"

    def concluded(self, kind: DecisionKind) -> str | None:
        """The person or the unknown's id of the last conclusion, if it was of this kind."""
        return self.conclusion[1] if self.conclusion is not None and self.conclusion[0] == kind else None

    @property
    def prompt(self) -> Prompt | None:
        """What the person could do, so that they are recognised; None if nothing would help."""
        if self.liveness.spoof is not None:
            return "looks_like_picture"
        if self.decision is None and self.last_reason is not None:
            return _REJECTED.get(self.last_reason)
        withheld = self.liveness.reason
        return _WITHHELD.get(withheld) if withheld is not None and self.liveness.undecided else None

    def continue_from(self, lost: Visit) -> None:
        """Continue a visit whose track was lost: same number, same start, nothing announced twice."""
        self.number, self.since = lost.number, lost.since
        self.conclusion, self.announced, self.unknown = lost.conclusion, lost.announced, lost.unknown


def continues(visit: Visit, lost: Visit, same: float) -> bool:
    """Whether a decided visit is the same face as one whose track was lost shortly before.

    By the person where one of them was matched, otherwise by the cosine of their evidence: `same` or more.
    """
    if visit.decision is None or lost.liveness.spoof is not None:
        return False
    person, before = visit.decision.person, lost.concluded("match")
    if person is not None or before is not None:
        return person == before
    return lost.evidence.frames > 0 and float(visit.evidence.mean() @ lost.evidence.mean()) >= same
