"""Decides which targets get a notice: by kind, place, person and hour, once a visit, and not too often."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from edgeface.core import event_kinds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgeface.access.schedules import WeeklySchedule
    from edgeface.notify.notice import Notice
    from edgeface.notify.settings import Rule

HOUR = 3600.0
"""Seconds."""

MAX_SUBJECTS = 2048
"""Subjects that a rule remembers, and visits that all do; with more, the oldest is forgotten and may be sent again."""


class Selected(NamedTuple):
    """A notice for one target."""

    target: str
    held_back: int
    """Notices that hourly limits have held back from this target since its last one."""


class RuleContext(NamedTuple):
    """What rules refer to in the rest of the configuration."""

    groups: Mapping[str, Sequence[str]]
    schedules: Mapping[str, WeeklySchedule]


class NotificationRules:
    """The rules of one configuration with what they have sent; one thread uses it."""

    def __init__(self, rules: Sequence[Rule], context: RuleContext, before: NotificationRules | None = None) -> None:
        """With `before`, rules that have not changed continue with what those have sent."""
        self._rules = [_AppliedRule(rule, context) for rule in rules]
        self._visits: dict[_Key, float] = {}
        self._waiting: dict[str, int] = {}
        self.held_back = 0
        """Notices that an hourly limit has held back from every target, since the start."""
        if before is not None:
            self._visits, self._waiting, self.held_back = before._visits, before._waiting, before.held_back  # noqa: SLF001 - the same class
            for one in self._rules:
                for earlier in before._rules:  # noqa: SLF001 - the same class
                    if earlier.rule == one.rule:
                        one.continue_from(earlier)

    def select(self, notice: Notice, now: float) -> tuple[Selected, ...]:
        """The targets of a notice, each once; `now` is in monotonic seconds."""
        wanting = [(rule, self._targets(rule, notice)) for rule in self._rules if rule.wants(notice, now)]
        free = [(rule, targets) for rule, targets in wanting if targets and not rule.full(notice.kind, now)]
        for rule, _ in free:
            rule.sent(notice, now)
        sent = dict.fromkeys(target for _, targets in free for target in targets)
        held = {target for _, targets in wanting for target in targets} - sent.keys()
        for target in (*sent, *held):
            self._remember_visit(target, notice, now)
        for target in held:
            self._waiting[target] = self._waiting.get(target, 0) + 1
        self.held_back += bool(held) and not sent
        return tuple(Selected(target, self._waiting.pop(target, 0)) for target in sent)

    def _targets(self, rule: _AppliedRule, notice: Notice) -> tuple[str, ...]:
        """The targets of a rule that have not got the visit of the notice."""
        return tuple(target for target in rule.rule.to if _visit(target, notice) not in self._visits)

    def _remember_visit(self, target: str, notice: Notice, now: float) -> None:
        if (visit := _visit(target, notice)) is not None:
            _remember(self._visits, visit, now)


class _AppliedRule:
    """A rule and its memory."""

    def __init__(self, rule: Rule, context: RuleContext) -> None:
        self.rule = rule
        self._people = frozenset(one for name in rule.people for one in (name, *context.groups.get(name, ())))
        self._schedule = None if rule.schedule is None else context.schedules[rule.schedule]
        self._subjects: dict[_Key, float] = {}
        self._times: dict[str, deque[float]] = {}

    def continue_from(self, earlier: _AppliedRule) -> None:
        """Take over what an equal rule has sent."""
        self._subjects, self._times = earlier._subjects, earlier._times

    def wants(self, notice: Notice, now: float) -> bool:
        """Whether the rule sends it, but for the hourly limit and the visit."""
        rule = self.rule
        last = self._subjects.get(notice.subject)
        return (
            notice.kind in rule.kinds
            and (not rule.cameras or notice.camera in rule.cameras)
            and (not rule.doors or notice.door in rule.doors)
            and (not self._people or notice.person in self._people)
            and (self._schedule is None or self._schedule.covers(notice.at))
            and (last is None or now - last >= rule.pause)
        )

    def full(self, kind: str, now: float) -> bool:
        """Whether as many of this kind were sent within the last hour as the rule allows.

        Each kind has a limit of its own: who comes with many faces must not silence a door that is forced open.
        """
        times = self._times.get(kind, deque[float]())
        return len(times) == self.rule.per_hour and now - times[0] < HOUR

    def sent(self, notice: Notice, now: float) -> None:
        """Remember it."""
        self._times.setdefault(notice.kind, deque(maxlen=self.rule.per_hour)).append(now)
        _remember(self._subjects, notice.subject, now)


_Key: TypeAlias = "tuple[str | int | bool, ...]"


def _visit(target: str, notice: Notice) -> _Key | None:
    """What a target gets once: a visit, and once more what is bad about it, since an attack may follow a match."""
    return None if notice.visit is None else (target, *notice.visit, event_kinds.of(notice.kind).tone == "bad")


def _remember(memory: dict[_Key, float], key: _Key, now: float) -> None:
    memory.pop(key, None)
    memory[key] = now
    if len(memory) > MAX_SUBJECTS:
        del memory[next(iter(memory))]
