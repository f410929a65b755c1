"""What one camera sees: its tracks, the visits behind them, and the visits that have just ended."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgeface.recognition.liveness import STICKS, LivenessCounts, SpoofPlace
from edgeface.recognition.scheduler import DetectionScheduler
from edgeface.recognition.tracker import Tracker
from edgeface.recognition.visit import DOUBT, Visit, continues

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from edgeface.core.types import Detection, Image, RejectReason
    from edgeface.faces.protocols import DetectionRequest, SearchGrid
    from edgeface.recognition.active_challenge import ActiveChallenge
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

GAP, SLOW_GAP = 0.5, 2.0
"""A face that was not found for longer than this many seconds, and this many intervals of the camera, may be another
one: at 1.5 frames per second, two frames in a row are 0.67 s apart."""

_LATE = 0.9
"""Share of DOUBT from which a camera's interval is too long: its next frame may come too late to withdraw a name."""


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
    challenge: ActiveChallenge | None = None
    """The head turns that are asked of someone now."""
    liveness_counts: LivenessCounts = field(default_factory=LivenessCounts)
    _spoofs: dict[int, SpoofPlace] = field(default_factory=dict)
    """Where spoofs were seen, by the tracker's id."""
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
        due = {track for track, visit in self.visits.items() if self._is_due(visit, monotonic)}
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
        waiting = [(v, v.detection) for v in visits if v.detection is not None and self._is_due(v, monotonic)]
        waiting.sort(key=lambda pair: _urgency(*pair))
        undecided = any(visit.decision is None for visit, _ in waiting)
        chosen = waiting[: MAX_FACES if undecided and len(visits) < CROWD else 1]
        for visit, _ in chosen:
            visit.tried = monotonic
        return chosen

    def _is_due(self, visit: Visit, monotonic: float) -> bool:
        """Whether a face is judged now: with every frame while it is to turn, and no more once it is a spoof."""
        turning = self.challenge is not None and self.challenge.visit is visit
        return visit.liveness.spoof is None and (turning or visit.due <= monotonic)

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
            self._stick(visit)
        if track.detection is not None and self._may_be_another(track, monotonic - visit.seen):
            visit.restart(monotonic)
        if track.detection is not None and not visit.looks_alike(self.scheduler.glimpse(track.detection.box)):
            visit.due = min(visit.due, monotonic)
        visit.seen, visit.box, visit.detection = track.last_seen, track.box, track.detection
        if visit.liveness.spoof is not None:
            self._spoofs[track.id] = SpoofPlace(track.box, track.last_seen, visit.liveness.spoof)
        return visit

    def _stick(self, visit: Visit) -> None:
        """A new face at the place of a spoof is the same spoof, and is not announced again."""
        self._spoofs = {track: one for track, one in self._spoofs.items() if visit.since - one.seen <= STICKS}
        found = next((one for one in self._spoofs.values() if one.covers(visit.box, visit.since)), None)
        if found is not None:
            visit.expose(found.reason)

    def _may_be_another(self, track: Track, unseen: float) -> bool:
        """Whether the face just found may not be the one before it: it has jumped, changed its size, or was away."""
        away = unseen > max(GAP, SLOW_GAP * self.tracker.interval)
        return away or track.surprise > JUMP or track.steadiness < STEADY


def _urgency(visit: Visit, detection: Detection) -> tuple[bool, float, float]:
    return visit.decision is not None, visit.tried, -visit.box.height * detection.score
