"""Doors as they are configured, and the policy: whether a door may open for a face."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from edgeface.core.events import SAYABLE
from edgeface.core.settings import Id, Level, Settings
from edgeface.core.types import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from edgeface.access.schedules import WeeklySchedule
    from edgeface.core.types import Claim

RESERVED = "doors"
"""No device's id: the topics of doors stand where a device's would."""

Refusal = Literal[
    "liveness",
    "person",
    "clock",
    "schedule",
    "level",
    "faces",
    "known",
    "cooldown",
    "stale",
    "no_key",
    "no_nonce",
]
"""Why a door stays shut, in the order in which it is looked at."""

FieldPath = tuple[str | int, ...]
"""Keys of config.yaml, from the top."""


class AllowRule(Settings):
    """Who may come in, and when."""

    person: Id | None = None
    group: Id | None = None
    schedule: Id | None = None
    """Left out: at any time."""

    @model_validator(mode="after")
    def _one_of_both(self) -> AllowRule:
        if (self.person is None) == (self.group is None):
            raise ValueError("give one of person and group")
        return self


class Door(Settings):
    """One door."""

    camera: Id
    """The camera that sees who stands before it."""
    allow: Annotated[tuple[AllowRule, ...], Field(strict=False, min_length=1, max_length=256)]
    """One suffices."""
    level: Level = "high"
    """The least level that the face must reach."""
    single_face: bool = True
    """Open only for somebody who is alone in the picture."""
    liveness: Literal["off", "required"] = "off"
    """Whether the face must be shown to be alive; this version judges no liveness, so `required` never opens."""
    cooldown: Annotated[float, Field(ge=0, le=3600, strict=False)] = 10.0
    """Seconds until the same person may open it again."""
    allow_unsynced_clock: bool = False
    """Go by schedules although the clock may be wrong."""


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """All doors, and what they refer to."""

    doors: Mapping[str, Door] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    schedules: Mapping[str, WeeklySchedule] = field(default_factory=dict)

    def rules_for(self, door: Door, person: str) -> Iterator[AllowRule]:
        """What a door says of a person."""
        for allow in door.allow:
            if person == allow.person or (allow.group is not None and person in self.groups.get(allow.group, ())):
                yield allow

    def strictest(self) -> dict[str, Level]:
        """The strictest level that the doors of each camera ask for."""
        asked: dict[str, Level] = {}
        for door in self.doors.values():
            asked[door.camera] = max(door.level, asked.get(door.camera, door.level), key=LEVELS.index)
        return asked


@dataclass(frozen=True, slots=True)
class DoorContext:
    """What a decision goes by besides the claim."""

    monotonic: float
    wall: float
    synced: bool
    """Whether the wall clock is known to be right."""
    key: bool
    """There is a key to sign with."""
    nonce: bool
    """The door has given a nonce that is fresh and not used up."""
    known: bool
    """The door has been opened for this visit."""
    opened: float | None
    """Monotonic seconds at which it was last opened for the person."""


def check(policy: AccessPolicy, door: Door, claim: Claim, now: DoorContext) -> Refusal | None:
    """Whether a door of the claim's camera may open now: None, or why not; it reads nothing but its arguments."""
    refusals: tuple[tuple[Refusal | None, bool], ...] = (
        ("liveness", door.liveness != "off"),
        (_in_time(policy, door, claim, now), True),
        ("level", LEVELS.index(claim.level) < LEVELS.index(door.level)),
        ("faces", door.single_face and claim.faces_in_view != 1),
        ("known", now.known),
        ("cooldown", now.opened is not None and now.monotonic - now.opened < door.cooldown),
        ("stale", not 0 <= now.monotonic - claim.monotonic <= SAYABLE),
        ("no_key", not now.key),
        ("no_nonce", not now.nonce),
    )
    return next((reason for reason, holds in refusals if holds and reason is not None), None)


def _in_time(policy: AccessPolicy, door: Door, claim: Claim, now: DoorContext) -> Refusal | None:
    names = [allow.schedule for allow in policy.rules_for(door, claim.person)]
    if not names:
        return "person"
    if None in names:
        return None
    if not now.synced and not door.allow_unsynced_clock:
        return "clock"
    schedules = (policy.schedules.get(name) for name in names if name is not None)
    return None if any(one is not None and one.covers(now.wall) for one in schedules) else "schedule"


def never_open(policy: AccessPolicy) -> dict[str, str]:
    """Why no face can open a door as it is configured, by door."""
    why = "it never opens: liveness is required, and this version judges none"
    return {name: why for name, door in policy.doors.items() if door.liveness != "off"}


def strangers(policy: AccessPolicy, enrolled: set[str]) -> tuple[str, ...]:
    """People whom a door lets in and nobody has enrolled, one line a door."""
    lines = []
    for name, door in policy.doors.items():
        named = {one.person for one in door.allow if one.person is not None}
        named.update(*(policy.groups.get(one.group, ()) for one in door.allow if one.group is not None))
        if missing := sorted(named.difference(enrolled)):
            lines.append(f"door {name}: not enrolled: {', '.join(missing)}")
    return tuple(lines)


def listed(known: Mapping[str, object]) -> str:
    """The names, for an error message."""
    return ", ".join(known) or "none"
