"""The configured doors, and the policy: whether a door may open for a face."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator, model_validator

from edgeface.access.levels import DoorLimits, LevelLimit, laxer, strictest
from edgeface.access.liveness import PASSED, DoorLiveness, required_checks
from edgeface.core.events import SEND_WITHIN
from edgeface.core.settings import FactorKind, Id, Level, Settings, form
from edgeface.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from edgeface.access.liveness import Check
    from edgeface.access.schedules import BothSchedules, WeeklySchedule
    from edgeface.core.types import Claim, ExpectedPerson

RESERVED = "doors"
"""No device may have this id: the topics of doors start with it."""

EVERYONE = "everyone"
"""In an allow-list, the group of all who are enrolled, unless the configuration has a group of this name."""

Refusal = Literal[
    "person",
    "clock",
    "schedule",
    "factor",
    "spoof",
    "level",
    "faces",
    "known",
    "cooldown",
    "challenge",
    "liveness",
    "stale",
    "no_key",
    "no_nonce",
    "version",
]
"""Why a door stays shut, in the order of the checks."""


def _one_line(value: object, check: ValidatorFunctionWrapHandler) -> object:
    """Check a factor; one mistake is one line, not one for each form."""
    try:
        return check(value)
    except ValidationError:
        kinds = ", ".join(get_args(FactorKind))
        raise ValueError(f"should be none, one of {kinds}, or a list of these") from None


RequiredFactor = Annotated[
    Literal["none"]
    | FactorKind
    | Annotated[tuple[FactorKind, ...], Field(strict=False, min_length=1, examples=[["pin", "card"]])],
    WrapValidator(_one_line),
]


class Rule(Settings):
    """Who may come in, and when; also in the policy that a centre has for a site."""

    person: Id | None = None
    group: Id | None = None
    schedule: Id | None = None
    """If left out: at any time."""
    level: Level | None = None
    """A stricter level than the door's; left out: the door's."""
    factor: RequiredFactor | None = None
    """The second factor, instead of the door's; left out: the door's."""

    @model_validator(mode="after")
    def _person_or_group(self) -> Rule:
        if (self.person is None) == (self.group is None):
            raise ValueError("give one of person and group")
        return self


class AllowRule(Rule):
    """A rule of a door in config.yaml."""

    challenge: Literal["turn", "factor"] = "turn"
    """What passes a challenge: head turns, or the second factor in their place, for people who cannot turn the head."""


_KEY = "the line that `edgeface door --key` prints at the door"


class Door(Settings):
    """A door."""

    camera: Id
    """The camera that sees who is in front of the door."""
    allow: Annotated[
        tuple[AllowRule, ...], Field(strict=False, min_length=1, max_length=256, examples=[[{"group": "everyone"}]])
    ]
    """One match is enough."""
    level: Level = "high"
    """The level that the face must reach."""
    estimated: Literal["refuse", "allow"] = "refuse"
    """Whether a level may rest on rows of the calibration table that are estimated beyond its data."""
    single_face: bool = True
    """Open only for a person who is alone in the picture."""
    liveness: DoorLiveness = "off"
    """The liveness check that the face must pass: the looks of the section `liveness`; head turns on demand, and the
    looks too if there is that section; `required` means `challenge`."""
    factor: RequiredFactor = "none"
    """What a person must show in addition to the face: a kind, a list of kinds (any of them), or none."""
    factor_seconds: Annotated[float, Field(gt=0, le=60, strict=False)] = 10.0
    """Seconds from the factor within which the face must be seen."""
    result_key: Annotated[str, Field(pattern="^[A-Za-z0-9+/]{43}=$", json_schema_extra=form(_KEY))] | None = None
    """The public key of the door's controller: only what it has signed counts. Left out: every report counts."""
    cooldown: Annotated[float, Field(ge=0, le=3600, strict=False)] = 10.0
    """Seconds until the same person may open it again."""
    allow_unsynced_clock: bool = False
    """Apply schedules even if the clock may be wrong."""

    @property
    def key_of_results(self) -> bytes | None:
        """The 32 bytes of `result_key`."""
        return None if self.result_key is None else base64.b64decode(self.result_key)


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """All doors, and the groups and schedules that they refer to."""

    doors: Mapping[str, Door] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    schedules: Mapping[str, WeeklySchedule | BothSchedules] = field(default_factory=dict)
    limits: Mapping[str, DoorLimits] = field(default_factory=dict)
    """By door, for the gallery as it is now; a door without limits opens for no one."""
    readers: frozenset[str] = frozenset()
    """Doors whose readers may name a person without a proof."""
    looks: bool = False
    """Whether a liveness detector looks at the faces."""
    everyone: frozenset[str] = frozenset()
    """Who is enrolled now, without the ignored: the members of EVERYONE."""
    conflicts: tuple[str, ...] = ()
    """Where config.yaml and the policy of a centre together let no one in, one line each."""

    def with_people(self, enrolled: frozenset[str], groups: Mapping[str, tuple[str, ...]]) -> AccessPolicy:
        """The policy for those who are enrolled, and for the groups in which the centre of a fleet has them.

        The centre's members count only in a group that is configured or that a rule or camera names, never in EVERYONE.
        """
        named = {*self.groups, *(rule.group for door in self.doors.values() for rule in door.allow if rule.group)}
        added = {one: (*self.groups.get(one, ()), *groups[one]) for one in named - {EVERYONE} if one in groups}
        return replace(self, everyone=enrolled, groups={**self.groups, **added})

    def limits_of(self, door: str) -> DoorLimits:
        """What a door accepts."""
        return self.limits.get(door, DoorLimits())

    def allowed(self, door: Door, *, by_face: bool = False) -> frozenset[str]:
        """The ids of the people in a door's allow-list, at whatever time, enrolled or not.

        `by_face` leaves out those who always need a second factor: they are never searched for among others.
        """
        rules = (rule for rule in door.allow if not by_face or not factors_of(door, rule))
        return frozenset[str]().union(*(self.members(rule) for rule in rules))

    def members(self, rule: AllowRule) -> Collection[str]:
        """The ids of a rule's people."""
        if rule.person is not None:
            return (rule.person,)
        group = rule.group or ""
        return self.groups.get(group, self.everyone if group == EVERYONE else ())

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
    version: int
    """The newest version of a grant that the door reads."""
    known: bool
    """Whether this visit already has a grant."""
    opened: float | None
    """When the door was last opened for the person, in monotonic seconds."""
    failed: float | None = None
    """When the person's face failed a challenge for the last time, in monotonic seconds."""
    expected: ExpectedPerson | None = None
    """Who the latest second factor at the door names, until a grant uses it up."""


def check(policy: AccessPolicy, door: Door, claim: Claim, now: DoorContext) -> Refusal | None:
    """None if a door of the claim's camera may open now, else why not; a pure function of its arguments."""
    lacking = lacking_checks(policy, door, claim, now)
    refusals: tuple[tuple[Refusal | None, bool], ...] = (
        (_who_when_and_factor(policy, door, claim, now), True),
        ("spoof", claim.spoof),
        ("level", laxer(claim.level, required_level(policy, door, claim.person, now))),
        ("level", claim.level_basis == "estimated" and door.estimated == "refuse"),
        ("faces", door.single_face and claim.faces_in_view != 1),
        ("known", now.known),
        ("cooldown", _within(door.cooldown, now.opened, now)),
        ("challenge", "challenge" in lacking and _within(door.cooldown, now.failed, now)),
        ("liveness", bool(lacking)),
        ("stale", not 0 <= now.monotonic - claim.monotonic <= SEND_WITHIN),
        ("no_key", not now.key),
        ("no_nonce", not now.nonce),
        # Version 1 of a grant has no place for either.
        ("version", now.version == 1 and (claim.level_basis == "estimated" or claim.factor != "none")),
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


def lacking_checks(policy: AccessPolicy, door: Door, claim: Claim, now: DoorContext) -> frozenset[Check]:
    """The liveness checks that the door requires and the claim has not passed.

    By a rule with `challenge: factor`, the second factor replaces the challenge, and nothing else.
    """
    lacking = required_checks(door.liveness, looks=policy.looks) - PASSED[claim.passed]
    rules = _valid_rules(policy, door, claim, now)
    instead = any(rule.challenge == "factor" and _has_factor(door, rule, claim, now) for rule in rules)
    return lacking - PASSED["challenge"] if instead and claim.factor != "none" else lacking


def _within(seconds: float, since: float | None, now: DoorContext) -> bool:
    """Whether so many seconds are not over yet."""
    return since is not None and now.monotonic - since < seconds


def _valid_rules(policy: AccessPolicy, door: Door, claim: Claim, now: DoorContext) -> list[AllowRule]:
    """The rules that name the claim's person and hold now."""
    trusted, rules = _trusts_clock(door, now), policy.rules_for(door, claim.person)
    return [rule for rule in rules if rule.schedule is None or (trusted and _covers(policy, rule, now))]


def _who_when_and_factor(policy: AccessPolicy, door: Door, claim: Claim, now: DoorContext) -> Refusal | None:
    if not any(policy.rules_for(door, claim.person)):
        return "person"
    valid = _valid_rules(policy, door, claim, now)
    if not valid:
        return "schedule" if _trusts_clock(door, now) else "clock"
    # A spoof is refused as a spoof, whatever else it lacks.
    return None if claim.spoof or any(_has_factor(door, rule, claim, now) for rule in valid) else "factor"


def _has_factor(door: Door, rule: AllowRule, claim: Claim, now: DoorContext) -> bool:
    """Whether a claim has what a rule requires: the latest factor at this door, or the face alone."""
    required, expected = factors_of(door, rule), claim.expected
    if not required or expected is None:
        return not required and expected is None
    latest = now.expected
    # A challenge holds the factor for longer than the claim knows.
    fresh = latest is not None and latest.number == expected.number and claim.monotonic <= latest.until
    return fresh and expected.kind in required and expected.person == claim.person


def factors_of(door: Door, *rules: AllowRule) -> frozenset[FactorKind]:
    """The kinds of factors that these rules of a door accept; none if the face is enough."""
    return frozenset[FactorKind]().union(*(one_of(rule.factor or door.factor) for rule in rules))


def one_of(required: RequiredFactor) -> frozenset[FactorKind]:
    """The kinds of which a person must show one; none if nothing is required."""
    if isinstance(required, tuple):
        return frozenset(required)
    return frozenset() if required == "none" else frozenset({required})


def kinds_of(door: Door) -> frozenset[FactorKind]:
    """The kinds of factors that a door accepts from one person or another."""
    return factors_of(door, *door.allow)


def opens_by_face(door: Door) -> bool:
    """Whether a rule of a door requires no second factor."""
    return not all(factors_of(door, rule) for rule in door.allow)


def _trusts_clock(door: Door, now: DoorContext) -> bool:
    return now.synced or door.allow_unsynced_clock


def _covers(policy: AccessPolicy, rule: AllowRule, now: DoorContext) -> bool:
    schedule = policy.schedules.get(rule.schedule or "")
    return rule.schedule is None or (schedule is not None and schedule.covers(now.wall))


def face_alone(policy: AccessPolicy) -> dict[str, str]:
    """A warning for each door that a face alone opens."""
    why = "a face alone opens it, so a photo may (ways out: liveness: challenge, a second factor)"
    return {name: why for name, door in policy.doors.items() if door.liveness == "off" and opens_by_face(door)}


def unproven(policy: AccessPolicy) -> str | None:
    """A note on the doors whose reports nothing proves, in one line for all of them; None if there is none."""
    names = [name for name, door in policy.doors.items() if door.result_key is None]
    why = "no result_key, so anyone who may write to their topics can claim that they have opened"
    return f"{', '.join(names)}: {why}" if names else None


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
    return f"{people:,} of {counted(limit.most, 'person', 'people')} (ways out: {ways})"


def strangers(policy: AccessPolicy, enrolled: Collection[str]) -> tuple[str, ...]:
    """People that a door allows and who are not enrolled, one line per door."""
    lines = []
    for name, door in policy.doors.items():
        if missing := sorted(policy.allowed(door).difference(enrolled)):
            lines.append(f"door {name}: not enrolled: {', '.join(missing)}")
    return tuple(lines)


def listed(known: Mapping[str, object]) -> str:
    """The keys, for an error message."""
    return ", ".join(known) or "none"
