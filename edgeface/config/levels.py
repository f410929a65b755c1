"""The levels in force at each camera and door with the people who are enrolled, and what more people would end."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from edgeface.access import policy
from edgeface.core.text import counted
from edgeface.faces.calibration import table_of
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.gallery import FILE, Gallery
from edgeface.recognition import limits
from edgeface.recognition.decision import thresholds_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from edgeface.access.levels import LevelLimit
    from edgeface.access.policy import AccessPolicy
    from edgeface.config.configuration import Configuration
    from edgeface.core.settings import Level
    from edgeface.core.types import LevelBasis
    from edgeface.gallery.snapshot import Person


class LevelInForce(NamedTuple):
    """What is accepted at one place."""

    place: str
    """`events`, `camera porch` or `door front-door`."""
    people: int
    """How many of those who may be meant are enrolled."""
    wanted: Level
    """As configured."""
    level: Level | None
    """The level that is guaranteed: at a camera a laxer one if need be; None if there is none."""
    cosine: float | None
    """What it accepts."""
    basis: LevelBasis
    most: int
    """The largest number of people that `wanted` can be guaranteed for."""
    problem: str | None
    """Why `wanted` is not guaranteed."""
    ending: str
    """What one person more has ended, if this was in force before."""

    @property
    def line(self) -> str:
        """All of it in one line."""
        if self.level is None or self.cosine is None:
            return f"{self.place}: {self.problem}"
        mark = ", estimated" if self.basis == "estimated" else ""
        most = f" of at most {self.most:,}" if self.problem is None else ""
        people = counted(self.people, "person", "people") if not most else f"{self.people:,}{most} people"
        text = f"{self.place}: level {self.level}, cosine {self.cosine:.3f} or more{mark}, {people}"
        return text if self.problem is None else f"{text}; {self.problem}"


def enrolled(people: Iterable[Person], today: str | None = None) -> frozenset[str]:
    """The ids of those who can be matched; without a day, the expired count until they are erased."""
    return frozenset(
        one.id for one in people if one.templates and not one.ignored and (today is None or not one.expired(today))
    )


def levels_in_force(
    configuration: Configuration, enrolled: AbstractSet[str], access: AccessPolicy | None = None
) -> tuple[LevelInForce, ...]:
    """The levels at each place, with these people enrolled, the ignored left out. Raises ModelError.

    `access` is what a fleet makes of the doors and groups of the configuration.
    """
    access = replace(configuration.access_policy, everyone=frozenset(enrolled)) if access is None else access
    groups = configuration.camera_groups(access.groups)
    places = {f"camera {name}": len(group & enrolled) for name, group in groups.items()}
    if not configuration.cameras or len(groups) < len(configuration.cameras):
        places = {"events": len(enrolled), **places}
    cameras = [_at_camera(configuration, place, people) for place, people in places.items()]
    doors = [one for name in access.doors for one in _at_door(configuration, access, name, enrolled)]
    return (*cameras, *doors)


def read_people(configuration: Configuration) -> list[Person]:
    """Everyone in the gallery, from a copy; no one without a gallery. Raises EdgefaceError or OSError."""
    if not (configuration.data / FILE).exists():
        return []
    with closing(Gallery.open(configuration.data, embedder_name(configuration.embedder.model), copy=True)) as gallery:
        return gallery.people()


class Effects(NamedTuple):
    """What changes where more people are enrolled, one line each."""

    ended: tuple[str, ...]
    """Doors that would stay shut, and cameras where no one would be matched."""
    lowered: tuple[str, ...]
    """Cameras where a laxer level would be in force."""


def effects(configuration: Configuration, before: AbstractSet[str], new: AbstractSet[str]) -> Effects:
    """What `new` people change who are enrolled in addition to those of `before`."""
    if new <= before:
        return Effects((), ())
    who = "this person" if len(new) == 1 else f"these {counted(len(new), 'person', 'people')}"
    was, then = levels_in_force(configuration, before), levels_in_force(configuration, before | new)
    changed = [one for old, one in zip(was, then, strict=True) if old.level is not None and old.level != one.level]
    return Effects(
        tuple(f"with {who}, {one.ending}" for one in changed if one.level is None),
        tuple(f"with {who}, {one.ending}" for one in changed if one.level is not None),
    )


def _at_camera(configuration: Configuration, place: str, people: int) -> LevelInForce:
    table, wanted = table_of(configuration.embedder.model), configuration.recognition.level
    accept = thresholds_for(table, wanted, people)
    problem = limits.shortfall(accept, wanted, table)
    return LevelInForce(
        place=place,
        people=people,
        wanted=wanted,
        level=accept.level,
        cosine=None if accept.level is None else accept.accept,
        basis=accept.basis,
        most=table.most(wanted, estimated=True),
        problem=problem,
        ending=f"{place}: {problem}",
    )


def _at_door(
    configuration: Configuration, access: AccessPolicy, name: str, enrolled: AbstractSet[str]
) -> Iterator[LevelInForce]:
    door = access.doors[name]
    may_be_meant = access.allowed(door, by_face=True) & enrolled
    found = limits.door_limits(door, table_of(configuration.embedder.model), len(may_be_meant))
    people = found.people
    for level in policy.levels_of(door):
        limit: LevelLimit = found.of(level)
        guaranteed = limit.cosine is not None
        yield LevelInForce(
            place=f"door {name}",
            people=people,
            wanted=level,
            level=level if guaranteed else None,
            cosine=limit.cosine,
            basis=limit.basis,
            most=limit.most,
            problem=None if guaranteed else policy.shortfall(limit, people),
            ending=f"door {name} can no longer guarantee {level!r}: {policy.ratio(limit, people)}",
        )
