"""One door as the doorman knows it: its nonces, whom it has let in, and what has been counted."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from typing import TYPE_CHECKING, Any

from edgeface.access.protocol import Nonces

if TYPE_CHECKING:
    from edgeface.access.policy import Refusal

RESULTS_A_MINUTE = 10
"""Results of a door that are written down; the rest is counted."""

_MINUTE = 60.0
# Visits that are remembered: more than come by in a day.
_VISITS = 4096

Visit = tuple[str, int, str]
"""Camera, the visit's number, person."""


class DoorState:
    """The state of one door; one thread uses it."""

    def __init__(self) -> None:
        self.nonces = Nonces()
        self.visits: OrderedDict[Visit, None] = OrderedDict()
        """Those that were let in."""
        self.opened_at: dict[str, float] = {}
        """When somebody was last let in, by person, monotonic seconds."""
        self._told: OrderedDict[tuple[Visit, Refusal], None] = OrderedDict()
        self._written: deque[float] = deque(maxlen=RESULTS_A_MINUTE)
        self._granted = self._opened = self._rejected = 0
        self._refused: Counter[Refusal] = Counter()

    def let_in(self, visit: Visit, now: float) -> None:
        """A grant has been signed."""
        self.visits[visit] = None
        _trim(self.visits)
        self.opened_at[visit[2]] = now
        self._granted += 1

    def take_back(self, visit: Visit) -> None:
        """The grant may not have been delivered: the visit may be let in again, at once."""
        self.visits.pop(visit, None)
        self.opened_at.pop(visit[2], None)

    def refuse(self, visit: Visit, reason: Refusal) -> bool:
        """Count a refusal; False when the visit has been refused for this reason before."""
        if (visit, reason) in self._told:
            return False
        self._told[visit, reason] = None
        _trim(self._told)
        self._refused[reason] += 1
        return True

    def judged(self, now: float, *, accepted: bool) -> bool:
        """Count a result of the door's; False when it has given too many to write them all down."""
        self._opened += accepted
        self._rejected += not accepted
        if len(self._written) == RESULTS_A_MINUTE and now - self._written[0] < _MINUTE:
            return False
        self._written.append(now)
        return True

    def facts(self, now: float, problem: str | None) -> dict[str, Any]:
        """What the state topic says of the door; docs/events.md names the keys."""
        age = self.nonces.age(now)
        return {
            "nonce_age": None if age is None else round(age, 1),
            "granted": self._granted,
            "refused": dict(self._refused),
            "opened": self._opened,
            "rejected": self._rejected,
            "problem": problem,
        }


def _trim(kept: OrderedDict[Any, None]) -> None:
    while len(kept) > _VISITS:
        kept.popitem(last=False)
