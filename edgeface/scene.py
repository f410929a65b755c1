"""What one camera sees: its tracks, the visits behind them, and those who have just gone."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgeface.schedule import Schedule
from edgeface.tracker import Tracker
from edgeface.visit import Visit, continues

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edgeface.tracker import Track
    from edgeface.types import Reason

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
    schedule: Schedule = field(default_factory=Schedule)
    size: tuple[int, int] = (0, 0)
    """Width and height of the camera's picture."""
    origin: tuple[int, int] = (0, 0)
    """Left upper corner of the region that is looked at."""
    visits: dict[int, Visit] = field(default_factory=dict)
    """By the tracker's id."""
    gone: list[Visit] = field(default_factory=list)
    """Announced, out of view, and not yet said to have left."""
    silent: Counter[Reason] = field(default_factory=Counter)
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
