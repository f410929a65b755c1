"""What one camera sees: its tracks, the visits behind them, and those who have just gone."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from edgeface.core.types import DecisionKind
from edgeface.recognition.evidence import Evidence
from edgeface.recognition.scheduler import DetectionScheduler
from edgeface.recognition.tracker import Tracker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edgeface.core.types import Box, Quality, RejectReason
    from edgeface.recognition.evidence import Decision
    from edgeface.recognition.tracker import Track

MINUTE = 60.0

EMBEDDINGS, CROWD = 2, 5
"""Faces judged a frame at most while some are undecided, and from how many in view on it is one: a crowd costs time,
and not frames."""

JUMP = 0.5
"""A face that is so far from where it was expected, in faces, may be another one."""


@dataclass(slots=True, eq=False)
class Scene:
    """The state of one camera in the pipeline; only the vision thread writes it."""

    tracker: Tracker = field(default_factory=Tracker)
    schedule: DetectionScheduler = field(default_factory=DetectionScheduler)
    size: tuple[int, int] = (0, 0)
    """Width and height of the camera's picture."""
    origin: tuple[int, int] = (0, 0)
    """Left upper corner of the region that is looked at."""
    visits: dict[int, Visit] = field(default_factory=dict)
    """By the tracker's id."""
    gone: list[Visit] = field(default_factory=list)
    """Announced, out of view, and not yet said to have left."""
    silent: Counter[RejectReason] = field(default_factory=Counter)
    """Tracks that ended with nothing decided, by reason."""
    held_back: int = 0
    """Unknown events beyond the rate limit."""
    _unknown_times: deque[float] = field(default_factory=deque)

    def follow(self, tracks: Iterable[Track], monotonic: float) -> None:
        """Bring the visits up to date with the tracks that are in view; one that has jumped is looked at anew."""
        for track in tracks:
            visit = self.visits.get(track.id)
            if visit is None:
                visit = self.visits[track.id] = Visit(track.id, monotonic, monotonic, track.box)
            visit.seen, visit.box = track.last_seen, track.box
            if track.surprise > JUMP:
                visit.due = monotonic

    def due(self, monotonic: float) -> set[int]:
        """The tracks whose faces are to be judged now."""
        return {track for track, visit in self.visits.items() if visit.due <= monotonic}

    def chosen(self, seen: Sequence[Track], monotonic: float) -> list[Track]:
        """The tracks to judge now: the undecided first, then those who have waited longest, then the best to see."""
        waiting = [track for track in seen if track.detection is not None and self.visits[track.id].due <= monotonic]
        waiting.sort(key=lambda track: _urgency(self.visits[track.id], track))
        undecided = any(self.visits[track.id].decision is None for track in waiting)
        chosen = waiting[: EMBEDDINGS if undecided and len(seen) < CROWD else 1]
        for track in chosen:
            self.visits[track.id].tried = monotonic
        return chosen

    def end(self, ids: Iterable[int]) -> None:
        """The tracker has lost these tracks."""
        for visit in filter(None, (self.visits.pop(track, None) for track in ids)):
            if visit.announced:
                self.gone.append(visit)
            elif visit.told is None:
                self.silent[visit.why_silent()] += 1

    def end_all(self) -> None:
        """The camera is away: nobody is in view."""
        self.end(track.id for track in self.tracker.finish())

    def recover(self, visit: Visit, same: float) -> None:
        """Let a decided visit go on with the one of the same face that was lost, if there is one."""
        lost = next((lost for lost in self.gone if continues(visit, lost, same)), None)
        if lost is not None:
            self.gone.remove(lost)
            visit.take_over(lost)

    def left(self, monotonic: float, gap: float) -> Iterator[Visit]:
        """Take out the visits that have been out of view for `gap` seconds."""
        for visit in [v for v in self.gone if monotonic - v.seen >= gap]:
            self.gone.remove(visit)
            yield visit

    def may_say_unknown(self, monotonic: float, per_minute: int) -> bool:
        """Whether the rate limit lets another unknown event through; a refused one is counted."""
        times = self._unknown_times
        while times and monotonic - times[0] >= MINUTE:
            times.popleft()
        if len(times) >= per_minute:
            self.held_back += 1
            return False
        times.append(monotonic)
        return True


def _urgency(visit: Visit, track: Track) -> tuple[bool, float, float]:
    score = track.detection.score if track.detection is not None else 0.0
    return visit.decision is not None, visit.tried, -track.box.height * score


Told = tuple[DecisionKind, str]
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
    refused: Counter[RejectReason] = field(default_factory=Counter)
    """Frames that were not worth embedding, by reason."""
    last_reason: RejectReason | None = None
    """Why the latest look was refused; None when it was good."""
    wasted: int = 0
    """Looks in a row that were refused."""
    due: float = 0.0
    """When the face is judged next, monotonic seconds."""
    tried: float = 0.0
    """When it was last judged."""

    def why_silent(self) -> RejectReason:
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
