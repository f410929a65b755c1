"""What one camera sees: its tracks, the visits behind them, and those who have just gone."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgeface.tracker import Tracker
from edgeface.visit import Visit, continues

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from edgeface.tracker import Track
    from edgeface.types import Reason

MINUTE = 60.0


@dataclass(slots=True, eq=False)
class Scene:
    """The state of one camera in the pipeline; only the vision thread writes it."""

    tracker: Tracker = field(default_factory=Tracker)
    looks: int = 0
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
        """Bring the visits up to date with the tracks that this frame has seen."""
        for track in tracks:
            visit = self.visits.setdefault(track.id, Visit(track.id, monotonic, monotonic, track.box))
            visit.seen, visit.box = monotonic, track.box

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
