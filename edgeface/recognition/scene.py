"""What one camera sees: its tracks, the visits behind them, and the visits that have just ended."""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgeface.core.types import DecisionKind
from edgeface.recognition.decision import Evidence
from edgeface.recognition.scheduler import DetectionScheduler
from edgeface.recognition.tracker import Tracker

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from edgeface.core.types import (
        Box,
        Detection,
        DetectionRequest,
        Embedding,
        Image,
        Quality,
        RejectReason,
        SearchGrid,
    )
    from edgeface.recognition.decision import Decision
    from edgeface.recognition.scheduler import Floats
    from edgeface.recognition.settings import UnknownSettings
    from edgeface.recognition.tracker import Track

Region = tuple[float, float, float, float]
"""Left, top, right, bottom as fractions of the picture."""

WHOLE: Region = (0.0, 0.0, 1.0, 1.0)

MINUTE = 60.0

MAX_FACES, CROWD = 2, 5
"""Faces judged in a frame at most while some are undecided, and the number in view from which it is only one: a crowd
takes longer, and frames stay fast."""

JUMP = 0.5
"""A face that is this far from where it was expected, in faces, may be another one."""

STEADY = 0.75
"""A face whose height changes by more than this ratio from one detection to the next may be another one."""

ALIKE = 0.5
"""A named face whose coarse picture correlates less than this with the one before is judged at once. Of 400 changes of
one face for another in the same place, this notices 72 %; of 302 pairs of the demo's own faces, it doubts 3 %."""

GAP, SLOW_GAP = 0.5, 2.0
"""A face that was not found for longer than this many seconds, and this many intervals of the camera, may be another
one: at 1.5 frames per second, two frames in a row are 0.67 s apart."""

DOUBT, HOLD = 1.0, 5.0
"""Seconds for which a name stays without a frame that confirms it: when the face may be another one, and otherwise."""

_LATE = 0.9
"""Share of DOUBT from which a camera's interval is too long: its next frame may come too late to withdraw a name."""

MAX_REJECTED, RETRY = 10, 0.12
"""After this many rejected faces in a row, a track is judged only every so many seconds."""

Conclusion = tuple[DecisionKind, str]
"""A kind of decision and its subject: the person, the unknown's id, or the reason."""


@dataclass(slots=True, eq=False)
class Scene:
    """The state of one camera in the pipeline; only the vision thread writes it."""

    tracker: Tracker = field(default_factory=Tracker)
    scheduler: DetectionScheduler = field(default_factory=DetectionScheduler)
    size: tuple[int, int] = (0, 0)
    """Width and height of the camera's picture."""
    origin: tuple[int, int] = (0, 0)
    """Left upper corner of the region that is searched."""
    visits: dict[int, Visit] = field(default_factory=dict)
    """By the tracker's id."""
    gone: list[Visit] = field(default_factory=list)
    """Announced, out of view, and not yet reported as left."""
    undecided: Counter[RejectReason] = field(default_factory=Counter)
    """Tracks that ended without a decision, by reason."""
    held_back: int = 0
    """Unknown events beyond the rate limit."""
    _unknown_times: deque[float] = field(default_factory=deque)

    def crop(self, image: Image, region: Region) -> Image:
        """The part of the picture that is searched; a region thinner than a pixel is one pixel."""
        height, width = image.shape[:2]
        left, top = int(region[0] * width), int(region[1] * height)
        right, bottom = max(left + 1, round(region[2] * width)), max(top + 1, round(region[3] * height))
        self.size, self.origin = (width, height), (left, top)
        return image[top:bottom, left:right]

    def plan(self, image: Image, grid: SearchGrid, monotonic: float) -> tuple[DetectionRequest, frozenset[int]]:
        """What to detect in this picture, and the ids of the tracks that must be found."""
        due = {track for track, visit in self.visits.items() if visit.due <= monotonic}
        plan = self.scheduler.plan(image, grid, self.tracker.expected(monotonic), due, monotonic)
        if self.scheduler.cut:
            # Another scene: no face in it is one that was followed.
            self.end_all()
        return plan

    def track(self, detections: Sequence[Detection], asked: Container[int], monotonic: float) -> list[Visit]:
        """Follow the faces of this frame; gives the visits in view: those found when they were last asked for."""
        update = self.tracker.update(detections, monotonic, asked)
        visits = [self._follow(track, monotonic) for track in update.live if not track.misses]
        self.end(track.id for track in update.ended)
        return visits

    def to_judge(self, visits: Sequence[Visit], monotonic: float) -> list[tuple[Visit, Detection]]:
        """The faces to judge now: undecided ones first, then those that wait longest, then the best visible."""
        waiting = [(v, v.detection) for v in visits if v.detection is not None and v.due <= monotonic]
        waiting.sort(key=lambda pair: _urgency(*pair))
        undecided = any(visit.decision is None for visit, _ in waiting)
        chosen = waiting[: MAX_FACES if undecided and len(visits) < CROWD else 1]
        for visit, _ in chosen:
            visit.tried = monotonic
        return chosen

    def may_announce_unknown(self, monotonic: float, rules: UnknownSettings) -> bool:
        """Whether the rate limit allows another unknown event; one that it holds back is counted."""
        times = self._unknown_times
        while times and monotonic - times[0] >= MINUTE:
            times.popleft()
        if len(times) >= rules.per_minute:
            self.held_back += 1
            return False
        times.append(monotonic)
        return True

    def resume(self, visit: Visit, same: float) -> None:
        """Let a decided visit continue the lost visit of the same face, if there is one."""
        lost = next((lost for lost in self.gone if continues(visit, lost, same)), None)
        if lost is not None:
            self.gone.remove(lost)
            visit.continue_from(lost)

    def end(self, ids: Iterable[int]) -> None:
        """End the visits of these tracks, which the tracker has lost."""
        for visit in filter(None, (self.visits.pop(track, None) for track in ids)):
            if visit.announced:
                self.gone.append(visit)
            elif visit.conclusion is None:
                self.undecided[visit.why_undecided()] += 1

    def end_all(self) -> None:
        """End every visit, as when the camera is away."""
        self.end(track.id for track in self.tracker.finish())

    def withdraw(self, monotonic: float) -> None:
        """Withdraw the names that no frame has confirmed in time; a slow camera's next frame would come too late."""
        interval = self.tracker.interval
        for visit in self.visits.values():
            visit.withdraw(monotonic + (interval if interval >= _LATE * DOUBT else 0.0))

    def left(self, monotonic: float, gap: float) -> Iterator[Visit]:
        """Take out the visits that have been out of view for `gap` seconds."""
        for visit in [v for v in self.gone if monotonic - v.seen >= gap]:
            self.gone.remove(visit)
            yield visit

    def _follow(self, track: Track, monotonic: float) -> Visit:
        """The visit of a track, brought up to date; one that may be of another face now starts new evidence."""
        visit = self.visits.get(track.id)
        if visit is None:
            visit = self.visits[track.id] = Visit(track.id, monotonic, monotonic, track.box)
        if track.detection is not None and self._may_be_another(track, monotonic - visit.seen):
            visit.restart(monotonic)
        if track.detection is not None and not visit.looks_alike(self.scheduler.glimpse(track.detection.box)):
            visit.due = min(visit.due, monotonic)
        visit.seen, visit.box, visit.detection = track.last_seen, track.box, track.detection
        return visit

    def _may_be_another(self, track: Track, unseen: float) -> bool:
        """Whether the face just found may not be the one before it: it has jumped, changed its size, or was away."""
        away = unseen > max(GAP, SLOW_GAP * self.tracker.interval)
        return away or track.surprise > JUMP or track.steadiness < STEADY


def _urgency(visit: Visit, detection: Detection) -> tuple[bool, float, float]:
    return visit.decision is not None, visit.tried, -visit.box.height * detection.score


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

    def add(self, embedding: Embedding, monotonic: float, same: float) -> None:
        """Add one embedding to the evidence; a different face (cosine below `same`) starts new evidence."""
        self.evidence = self.evidence.add(embedding, monotonic, same)
        if self.evidence.frames == 1:
            self.unknown = None

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

    def continue_from(self, lost: Visit) -> None:
        """Continue a visit whose track was lost: same number, same start, nothing announced twice."""
        self.number, self.since = lost.number, lost.since
        self.conclusion, self.announced, self.unknown = lost.conclusion, lost.announced, lost.unknown


def continues(visit: Visit, lost: Visit, same: float) -> bool:
    """Whether a decided visit is the same face as one whose track was lost shortly before.

    By the person where one of them was matched, otherwise by the cosine of their evidence: `same` or more.
    """
    if visit.decision is None:
        return False
    person, before = visit.decision.person, lost.concluded("match")
    if person is not None or before is not None:
        return person == before
    return lost.evidence.frames > 0 and float(visit.evidence.mean() @ lost.evidence.mean()) >= same
