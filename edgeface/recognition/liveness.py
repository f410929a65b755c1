"""Whether a visit is of a living face: the verdict of its looks, the challenge it has passed, and what sticks to it."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.core.types import Box, LivenessStatus, Look, LookReason, PassedChecks, SpoofReason
    from edgeface.faces.liveness.base import LivenessBase
    from edgeface.recognition.decision import Evidence

VALID_SECONDS = 10.0
"""How long a passed challenge counts: the next good frame asks the door again, and no later frame needs it."""

STICKS = 10.0
"""Seconds for which a new track at the place of a spoof is the same spoof."""
SAME_PLACE = 0.3
"""Intersection over union from which two boxes are the same place."""

SCORE_BUCKETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Upper ends of the lowest mean of the looks."""
SECOND_BUCKETS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper ends of the seconds from a visit's first good frame to the verdict `living`."""


class Verdict(NamedTuple):
    """What the looks of one visit say."""

    status: LivenessStatus
    """undecided, living or spoof."""
    living: float | None
    """The lowest mean of a model, 0 to 1; None without looks."""


def means(looks: Sequence[Look]) -> tuple[float, ...]:
    """The mean score of each model, 0 to 1; 0 if it is not a number. None without looks."""
    found = (sum(scores) / len(looks) for scores in zip(*(look.scores for look in looks), strict=True))
    return tuple(0.0 if math.isnan(mean) else min(max(mean, 0.0), 1.0) for mean in found)


def judge_looks(looks: Sequence[Look], rules: LivenessBase) -> Verdict:
    """Judge by the mean of each model for itself: what one model sees, another may not, and neither outvotes it."""
    if not looks:
        return Verdict("undecided", None)
    lowest = min(means(looks))
    if len(looks) < rules.looks:
        return Verdict("undecided", lowest)
    if lowest >= rules.living:
        return Verdict("living", lowest)
    return Verdict("undecided" if lowest >= rules.spoof else "spoof", lowest)


class PassedChallenge(NamedTuple):
    """The head turns that a visit has done."""

    person: str
    face: float
    """`Evidence.since` of the face that did them."""
    monotonic: float


@dataclass(slots=True, eq=False)
class VisitLiveness:
    """What is known of the liveness of one visit; only the vision thread writes it."""

    verdict: Verdict | None = None
    """None: nothing is judged."""
    spoof: SpoofReason | None = None
    """Why the visit is a spoof; it stays one."""
    reason: LookReason | None = None
    """Why the newest good frame gave no look; None if it gave one."""
    passed: PassedChallenge | None = None
    _face: float = -1.0
    """`Evidence.since` of the face that the verdict is about."""

    def take(self, found: Look | LookReason | None, counts: LivenessCounts) -> Look | None:
        """Count what a good frame gave: a look, or the reason why there is none."""
        if not isinstance(found, str):
            self.reason = None
            counts.looks += found is not None
            return found
        self.reason = found
        counts.withheld[found] += 1
        return None

    def judge(self, evidence: Evidence, rules: LivenessBase, counts: LivenessCounts) -> None:
        """Judge the looks again, and count a new verdict.

        A face once found living stays so while the evidence is of this face, unless its looks turn into a spoof.
        """
        same = self.verdict is not None and self._face == evidence.since
        before = self.verdict.status if self.verdict is not None and same else "undecided"
        found = judge_looks([look for _, look in evidence.looks], rules)
        if found.status == "undecided" and before == "living":
            found = found._replace(status="living")
        self.verdict, self._face = found, evidence.since
        if found.status not in {"undecided", before}:
            counts.count_verdict(found.status, found.living or 0.0, evidence.seconds)

    @property
    def exposed(self) -> bool:
        """Whether the verdict of the looks is a spoof."""
        return self.verdict is not None and self.verdict.status == "spoof"

    @property
    def undecided(self) -> bool:
        """Whether looks are judged, and have not led to a verdict."""
        return self.verdict is not None and self.verdict.status == "undecided"

    def status(self, evidence: Evidence, monotonic: float) -> LivenessStatus:
        """The word for it in events."""
        if self.spoof is not None:
            return "spoof"
        if self._challenge(evidence, monotonic) is not None:
            return "challenge"
        return "off" if self.verdict is None else self.verdict.status

    def checks(self, evidence: Evidence, person: str, monotonic: float) -> PassedChecks:
        """The checks that the face in the evidence has passed as this person.

        While another sensor's pictures are missing, its earlier looks count no more.
        """
        living = self.verdict is not None and self.verdict.status == "living" and self.reason != "no_picture"
        looks = living and self._face == evidence.since
        passed = self._challenge(evidence, monotonic)
        if passed is None or passed.person != person:
            return "passive" if looks else "off"
        return "both" if looks else "challenge"

    def _challenge(self, evidence: Evidence, monotonic: float) -> PassedChallenge | None:
        """The challenge that the face in the evidence has passed shortly before."""
        passed = self.passed
        fresh = passed is not None and passed.face == evidence.since and monotonic - passed.monotonic <= VALID_SECONDS
        return passed if fresh else None


class SpoofPlace(NamedTuple):
    """Where a spoof was last seen."""

    box: Box
    seen: float
    """Monotonic seconds."""
    reason: SpoofReason

    def covers(self, box: Box, monotonic: float) -> bool:
        """Whether a new face at `box` is the same spoof."""
        return monotonic - self.seen <= STICKS and self.box.iou(box) >= SAME_PLACE


@dataclass(slots=True, eq=False)
class LivenessCounts:
    """What has been counted at one camera; one thread writes it."""

    looks: int = 0
    withheld: Counter[LookReason] = field(default_factory=Counter)
    """Good frames that gave no look, by reason."""
    verdicts: Counter[str] = field(default_factory=Counter)
    """Visits by verdict: living, or the reason of a spoof."""
    challenges: Counter[str] = field(default_factory=Counter)
    """Challenges: asked, passed, failed."""
    scores: list[int] = field(default_factory=lambda: [0] * (len(SCORE_BUCKETS) + 1))
    """Verdicts by the lowest mean, in SCORE_BUCKETS."""
    score_total: float = 0.0
    seconds: list[int] = field(default_factory=lambda: [0] * (len(SECOND_BUCKETS) + 1))
    """Verdicts `living` by the seconds that they took, in SECOND_BUCKETS."""
    seconds_total: float = 0.0

    def count_verdict(self, verdict: LivenessStatus, living: float, seconds: float) -> None:
        """Count a verdict, with its lowest mean and the seconds from the first good frame; the caller counts spoofs."""
        self.scores[bisect_left(SCORE_BUCKETS, living)] += 1
        self.score_total += living
        if verdict == "living":
            self.verdicts[verdict] += 1
            self.seconds[bisect_left(SECOND_BUCKETS, seconds)] += 1
            self.seconds_total += seconds

    def copy(self) -> LivenessCounts:
        """The counts as they are now, for another thread."""
        return LivenessCounts(
            self.looks,
            self.withheld.copy(),
            self.verdicts.copy(),
            self.challenges.copy(),
            self.scores.copy(),
            self.score_total,
            self.seconds.copy(),
            self.seconds_total,
        )
