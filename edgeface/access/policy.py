"""The configured doors, and the policy: whether a door may open for a face."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from edgeface.access.levels import DoorLimits, LevelLimit, laxer, strictest
from edgeface.core.events import SEND_WITHIN
from edgeface.core.settings import Id, Level, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from edgeface.access.schedules import WeeklySchedule
    from edgeface.core.types import Claim

RESERVED = "doors"
"""No device may have this id: the topics of doors start with it."""

Refusal = Literal[
    "liveness", "person", "clock", "schedule", "level", "faces", "known", "cooldown", "stale", "no_key", "no_nonce"
]
"""Why a door stays shut, in the order of the checks."""


class AllowRule(Settings):
    """Who may come in, and when."""

    person: Id | None = None
    group: Id | None = None
    schedule: Id | None = None
    """If left out: at any time."""
    level: Level | None = None
    """A stricter level than the door's; left out: the door's."""

    @model_validator(mode="after")
    def _person_or_group(self) -> AllowRule:
        if (self.person is None) == (self.group is None):
            raise ValueError("give one of person and group")
        return self


class Door(Settings):
    """A door."""

    camera: Id
    """The camera that sees who is in front of the door."""
    allow: Annotated[tuple[AllowRule, ...], Field(strict=False, min_length=1, max_length=256)]
    """One match is enough."""
    level: Level = "high"
    """The level that the face must reach."""
    estimated: Literal["refuse", "allow"] = "refuse"
    """Whether a level may rest on rows of the calibration table that are estimated beyond its data."""
    single_face: bool = True
    """Open only for a person who is alone in the picture."""
    liveness: Literal["off", "required"] = "off"
    """Whether the face must pass a liveness check; this version has none, so `required` never opens."""
    cooldown: Annotated[float, Field(ge=0, le=3600, strict=False)] = 10.0
    """Seconds until the same person may open it again."""
    allow_unsynced_clock: bool = False
    """Apply schedules even if the clock may be wrong."""


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """All doors, and the groups and schedules that they refer to."""

    doors: Mapping[str, Door] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    schedules: Mapping[str, WeeklySchedule] = field(default_factory=dict)
    limits: Mapping[str, DoorLimits] = field(default_factory=dict)
    """By door, for the gallery as it is now; a door without limits opens for no one."""

    def limits_of(self, door: str) -> DoorLimits:
        """What a door accepts."""
        return self.limits.get(door, DoorLimits())

    def allowed(self, door: Door) -> frozenset[str]:
        """The ids of the people in a door's allow-list, at whatever time, enrolled or not."""
        return frozenset[str]().union(*(self.members(rule) for rule in door.allow))

    def members(self, rule: AllowRule) -> tuple[str, ...]:
        """The ids of a rule's people."""
        return (rule.person,) if rule.person is not None else self.groups.get(rule.group or "", ())

    def rules_for(self, door: Door, person: str) -> Iterator[AllowRule]:
        """The rules of a door that name a person."""
        return (rule for rule in door.allow if person in self.members(rule))


@dataclass(frozen=True, slots=True)
class DoorContext:
    """What a decision depends on apart from policy and claim."""

    monotonic: float
    wall: float
    synced: bool
    """Whether the wall clock is known to be right."""
    key: bool
    """Whether there is a key to sign with."""
    nonce: bool
    """Whether the door has published a nonce that is fresh and unused."""
    known: bool
    """Whether this visit already has a grant."""
    opened: float | None
    """When the door was last opened for the person, in monotonic seconds."""


def check(policy: AccessPolicy, door: Door, claim: Claim, now: DoorContext) -> Refusal | None:
    """None if a door of the claim's camera may open now, else why not; a pure function of its arguments."""
    refusals: tuple[tuple[Refusal | None, bool], ...] = (
        ("liveness", door.liveness != "off"),
        (_who_and_when(policy, door, claim, now), True),
        ("level", laxer(claim.level, required_level(policy, door, claim.person, now))),
        # A grant has no place for the mark.
        ("level", claim.level_basis == "estimated"),
        ("faces", door.single_face and claim.faces_in_view != 1),
        ("known", now.known),
        ("cooldown", now.opened is not None and now.monotonic - now.opened < door.cooldown),
        ("stale", not 0 <= now.monotonic - claim.monotonic <= SEND_WITHIN),
        ("no_key", not now.key),
        ("no_nonce", not now.nonce),
    )
    return next((reason for reason, holds in refusals if holds and reason is not None), None)


def levels_of(door: Door) -> tuple[Level, ...]:
    """The levels that a door requires of one person or another, its own first."""
    return tuple(dict.fromkeys((door.level, *(rule.level for rule in door.allow if rule.level is not None))))


def required_level(policy: AccessPolicy, door: Door, person: str, now: DoorContext) -> Level:
    """The strictest level of the door and of the rules that let a person in now, or may do so."""
    trusted = _trusts_clock(door, now)
    rules = policy.rules_for(door, person)
    return strictest(door.level, *(one.level for one in rules if not trusted or _covers(policy, one, now)))


def _who_and_when(policy: AccessPolicy, door: Door, claim: Claim, now: DoorContext) -> Refusal | None:
    rules = tuple(policy.rules_for(door, claim.person))
    if not rules:
        return "person"
    if any(rule.schedule is None for rule in rules):
        return None
    if not _trusts_clock(door, now):
        return "clock"
    return None if any(_covers(policy, rule, now) for rule in rules) else "schedule"


def _trusts_clock(door: Door, now: DoorContext) -> bool:
    return now.synced or door.allow_unsynced_clock


def _covers(policy: AccessPolicy, rule: AllowRule, now: DoorContext) -> bool:
    schedule = policy.schedules.get(rule.schedule or "")
    return rule.schedule is None or (schedule is not None and schedule.covers(now.wall))


def never_open(policy: AccessPolicy) -> dict[str, str]:
    """Why a door, as configured, cannot open for any face, by door."""
    why = "it never opens: liveness is required, and this version has no liveness check"
    return {name: why for name, door in policy.doors.items() if door.liveness != "off"}


def unguaranteed(policy: AccessPolicy) -> dict[str, str]:
    """The levels that a door cannot guarantee for the people who may pass it, by door: it stays shut for them."""
    found = {}
    for name, door in policy.doors.items():
        limits = policy.limits_of(name)
        lacking = [limits.of(level) for level in levels_of(door)]
        if lines := [shortfall(one, limits.people) for one in lacking if one.cosine is None]:
            found[name] = "; ".join(lines)
    return found


def shortfall(limit: LevelLimit, people: int) -> str:
    """Which level a door cannot guarantee for how many people, and what would help."""
    return f"level {limit.level!r} cannot be guaranteed: {ratio(limit, people)}"


def ratio(limit: LevelLimit, people: int) -> str:
    """How many people may pass a door, of how many at most, and what would help."""
    allow = ", estimated: allow" if limit.most < people <= limit.most_estimated else ""
    ways = f"a smaller allow-list, another level, a second factor, a better embedder{allow}"
    return f"{people:,} of {limit.most:,} people (ways out: {ways})"


def strangers(policy: AccessPolicy, enrolled: AbstractSet[str]) -> tuple[str, ...]:
    """People that a door allows and who are not enrolled, one line per door."""
    lines = []
    for name, door in policy.doors.items():
        if missing := sorted(policy.allowed(door).difference(enrolled)):
            lines.append(f"door {name}: not enrolled: {', '.join(missing)}")
    return tuple(lines)


def listed(known: Mapping[str, object]) -> str:
    """The keys, for an error message."""
    return ", ".join(known) or "none"
