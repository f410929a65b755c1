"""Doors as they are configured, and the policy: whether a door may open for a face."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pydantic import Field, model_validator

from edgeface.events import SAYABLE
from edgeface.schedules import Schedule  # noqa: TC001 - a dataclass of the policy names it
from edgeface.schema import Id, Level, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from edgeface.settings import Configuration
    from edgeface.types import Claim

LEVELS: tuple[Level, ...] = get_args(Level)
"""The laxest first."""

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

Path = tuple[str | int, ...]
"""Keys of config.yaml, from the top."""


class Allow(Settings):
    """Who may come in, and when."""

    person: Id | None = None
    group: Id | None = None
    schedule: Id | None = None
    """Left out: at any time."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Allow:
        if (self.person is None) == (self.group is None):
            raise ValueError("give one of person and group")
        return self


class Door(Settings):
    """One door."""

    camera: Id
    """The camera that sees who stands before it."""
    allow: Annotated[tuple[Allow, ...], Field(strict=False, min_length=1, max_length=256)]
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
class House:
    """All doors, and what they refer to."""

    doors: Mapping[str, Door] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    schedules: Mapping[str, Schedule] = field(default_factory=dict)

    @classmethod
    def of(cls, configuration: Configuration) -> House:
        """The house of a configuration."""
        return cls(configuration.doors, configuration.groups, configuration.schedules)

    def rules_for(self, door: Door, person: str) -> Iterator[Allow]:
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
class Now:
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


def permitted(house: House, door: Door, claim: Claim, now: Now) -> Refusal | None:
    """Whether a door of the claim's camera may open now: None, or why not; it reads nothing but its arguments."""
    refusals: tuple[tuple[Refusal | None, bool], ...] = (
        ("liveness", door.liveness != "off"),
        (_in_time(house, door, claim, now), True),
        ("level", LEVELS.index(claim.level) < LEVELS.index(door.level)),
        ("faces", door.single_face and claim.faces_in_view != 1),
        ("known", now.known),
        ("cooldown", now.opened is not None and now.monotonic - now.opened < door.cooldown),
        ("stale", not 0 <= now.monotonic - claim.monotonic <= SAYABLE),
        ("no_key", not now.key),
        ("no_nonce", not now.nonce),
    )
    return next((reason for reason, holds in refusals if holds and reason is not None), None)


def _in_time(house: House, door: Door, claim: Claim, now: Now) -> Refusal | None:
    names = [allow.schedule for allow in house.rules_for(door, claim.person)]
    if not names:
        return "person"
    if None in names:
        return None
    if not now.synced and not door.allow_unsynced_clock:
        return "clock"
    schedules = (house.schedules.get(name) for name in names if name is not None)
    return None if any(one is not None and one.covers(now.wall) for one in schedules) else "schedule"


def mistakes(configuration: Configuration) -> Iterator[tuple[Path, str]]:
    """What the configuration refers to and does not have: where, and in words."""
    if configuration.device == RESERVED:
        yield ("device",), f"{RESERVED} is taken by the topics of doors; choose another"
    if configuration.doors and configuration.mqtt is None:
        yield ("doors",), "a door is opened by MQTT: give mqtt, too"
    known: dict[str, Mapping[str, object]] = {"group": configuration.groups, "schedule": configuration.schedules}
    for name, door in configuration.doors.items():
        if door.camera not in configuration.cameras:
            yield ("doors", name, "camera"), f"no such camera; there are {_listed(configuration.cameras)}"
        for number, allow in enumerate(door.allow):
            for key, there in known.items():
                wanted = getattr(allow, key)
                if wanted is not None and wanted not in there:
                    yield ("doors", name, "allow", number, key), f"no such {key}; there are {_listed(there)}"


def never_open(house: House) -> dict[str, str]:
    """Why no face can open a door as it is configured, by door."""
    why = "it never opens: liveness is required, and this version judges none"
    return {name: why for name, door in house.doors.items() if door.liveness != "off"}


def strangers(house: House, enrolled: set[str]) -> tuple[str, ...]:
    """People whom a door lets in and nobody has enrolled, one line a door."""
    lines = []
    for name, door in house.doors.items():
        named = {one.person for one in door.allow if one.person is not None}
        named.update(*(house.groups.get(one.group, ()) for one in door.allow if one.group is not None))
        if missing := sorted(named.difference(enrolled)):
            lines.append(f"door {name}: not enrolled: {', '.join(missing)}")
    return tuple(lines)


def _listed(known: Mapping[str, object]) -> str:
    return ", ".join(known) or "none"
