"""The configured doors, and the policy: whether a door may open for a face."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from edgeface.core.events import SEND_WITHIN
from edgeface.core.settings import Id, Level, Settings
from edgeface.core.types import LEVELS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

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

    def strictest(self) -> dict[str, Level]:
        """The strictest level that the doors of each camera require."""
        required: dict[str, Level] = {}
        for door in self.doors.values():
            required[door.camera] = max(door.level, required.get(door.camera, door.level), key=LEVELS.index)
        return required


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
        ("level", LEVELS.index(claim.level) < LEVELS.index(door.level)),
        ("faces", door.single_face and claim.faces_in_view != 1),
        ("known", now.known),
        ("cooldown", now.opened is not None and now.monotonic - now.opened < door.cooldown),
        ("stale", not 0 <= now.monotonic - claim.monotonic <= SEND_WITHIN),
        ("no_key", not now.key),
        ("no_nonce", not now.nonce),
    )
    return next((reason for reason, holds in refusals if holds and reason is not None), None)


def _who_and_when(policy: AccessPolicy, door: Door, claim: Claim, now: DoorContext) -> Refusal | None:
    groups = {name for name, people in policy.groups.items() if claim.person in people}
    names = [rule.schedule for rule in door.allow if rule.person == claim.person or rule.group in groups]
    if not names:
        return "person"
    if None in names:
        return None
    if not now.synced and not door.allow_unsynced_clock:
        return "clock"
    schedules = (policy.schedules.get(name) for name in names if name is not None)
    return None if any(one is not None and one.covers(now.wall) for one in schedules) else "schedule"


def never_open(policy: AccessPolicy) -> dict[str, str]:
    """Why a door, as configured, cannot open for any face, by door."""
    why = "it never opens: liveness is required, and this version has no liveness check"
    return {name: why for name, door in policy.doors.items() if door.liveness != "off"}


def strangers(policy: AccessPolicy, enrolled: Collection[str]) -> tuple[str, ...]:
    """People that a door allows and who are not enrolled, one line per door."""
    lines = []
    for name, door in policy.doors.items():
        people = {rule.person for rule in door.allow if rule.person is not None}
        people.update(*(policy.groups.get(rule.group, ()) for rule in door.allow if rule.group is not None))
        if missing := sorted(people.difference(enrolled)):
            lines.append(f"door {name}: not enrolled: {', '.join(missing)}")
    return tuple(lines)


def listed(known: Mapping[str, object]) -> str:
    """The keys, for an error message."""
    return ", ".join(known) or "none"
