"""The issuer's state of one door: its nonces, the visits that were granted, and what has been counted."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from typing import TYPE_CHECKING, Any

from edgeface.access.protocol import Nonces
from edgeface.access.reports.limit import MAX_RESULTS_PER_MINUTE, has_room
from edgeface.core.clock import rfc3339

if TYPE_CHECKING:
    from edgeface.access.levels import LevelLimit
    from edgeface.access.policy import Refusal
    from edgeface.access.reports.desk import DoorReports
    from edgeface.access.second_factor import FactorReason
    from edgeface.core.types import ExpectedPerson

# More visits than a door sees in a day.
_MAX_VISITS = 4096

VisitKey = tuple[str, int, str]
"""Camera, number of the visit, person."""


class DoorState:
    """The state of one door; one thread uses it."""

    def __init__(self, reports: DoorReports) -> None:
        self.nonces = Nonces()
        self.reports = reports
        """What the door has reported."""
        self.granted_visits: OrderedDict[VisitKey, None] = OrderedDict()
        """Visits for which a grant was signed."""
        self.granted_at: dict[str, float] = {}
        """When a grant was last signed, by person, in monotonic seconds."""
        self.expected: ExpectedPerson | None = None
        """Who the latest second factor names, until a grant uses it up or it expires."""
        self.pass_seen: tuple[str, float] | None = None
        """The id of the pass that was read last, and when, in monotonic seconds."""
        self._refusals: OrderedDict[tuple[VisitKey, Refusal], None] = OrderedDict()
        self._result_times: deque[float] = deque(maxlen=MAX_RESULTS_PER_MINUTE)
        self._factor_times: deque[float] = deque(maxlen=MAX_RESULTS_PER_MINUTE)
        self._right = 0
        self._wrong: Counter[FactorReason] = Counter()
        self._granted = self._opened = self._rejected = 0
        self._refused: Counter[Refusal] = Counter()
        self._last: dict[str, str | None] | None = None

    def grant(self, visit: VisitKey, now: float, wall: float) -> None:
        """Record that a grant was signed; `wall` is the time for people."""
        self._last = {"result": "granted", "reason": None, "at": rfc3339(wall)}
        self.granted_visits[visit] = None
        _trim(self.granted_visits)
        self.granted_at[visit[2]] = now
        self._granted += 1

    def take_back(self, visit: VisitKey) -> None:
        """The grant may not have been delivered: the visit may get another one at once."""
        self.granted_visits.pop(visit, None)
        self.granted_at.pop(visit[2], None)

    def refuse(self, visit: VisitKey, reason: Refusal, wall: float) -> bool:
        """Count a refusal, at `wall`; False if the visit was refused for this reason before."""
        if (visit, reason) in self._refusals:
            return False
        self._refusals[visit, reason] = None
        _trim(self._refusals)
        self._refused[reason] += 1
        self._last = {"result": "refused", "reason": reason, "at": rfc3339(wall)}
        return True

    def count_result(self, now: float, *, accepted: bool) -> bool:
        """Count a result of the door; False if there are too many to record this one."""
        self._opened += accepted
        self._rejected += not accepted
        return has_room(self._result_times, now)

    def count_factor(self, now: float, reason: FactorReason | None) -> bool:
        """Count a factor that is right (None) or refused; False if there are too many to record this one."""
        if reason is None:
            self._right += 1
            return False
        self._wrong[reason] += 1
        return has_room(self._factor_times, now)

    def facts(self, now: float, problem: str | None, people: int, limit: LevelLimit) -> dict[str, Any]:
        """The door in the state message; docs/events.md names the keys."""
        age = self.nonces.age(now)
        return {
            "nonce_age": None if age is None else round(age, 1),
            "granted": self._granted,
            "refused": dict(self._refused),
            "last": self._last,
            "opened": self._opened,
            "rejected": self._rejected,
            **self.reports.facts(),
            "factors": {"right": self._right, "refused": dict(self._wrong)},
            "limit": {
                "level": limit.level if limit.cosine is not None else None,
                "level_basis": limit.basis,
                "threshold": limit.cosine,
                "people": people,
                "most": limit.most,
            },
            "problem": problem,
        }


def _trim(visits: OrderedDict[Any, None]) -> None:
    while len(visits) > _MAX_VISITS:
        visits.popitem(last=False)
