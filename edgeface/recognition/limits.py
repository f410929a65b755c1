"""What each door and each camera accepts, from the calibration table and the people who may be meant there."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeface.access.levels import DoorLimits, LevelLimit
from edgeface.access.policy import levels_of, opens_by_face
from edgeface.access.site_policy import narrowed
from edgeface.core.text import counted
from edgeface.core.types import LEVELS, Match
from edgeface.gallery.snapshot import groups_of, sites_of
from edgeface.recognition.decision import Comparison, guaranteed, thresholds

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from edgeface.access.policy import AccessPolicy, Door
    from edgeface.access.site_policy import SitePolicy
    from edgeface.core.settings import Level
    from edgeface.core.types import Embedding
    from edgeface.faces.calibration import CalibrationTable
    from edgeface.gallery.snapshot import GallerySnapshot, Person
    from edgeface.recognition.decision import Thresholds


class DoorNeeds(NamedTuple):
    """What the doors of one camera ask for."""

    least: float
    """The smallest cosine that opens one of them; infinity if none can open."""
    sought: float
    """The largest that one of them requires: more frames may lift a score to it."""


@dataclass(frozen=True, slots=True)
class CameraLimits:
    """What is accepted at one camera."""

    thresholds: Thresholds
    """Of its events."""
    group: Group | None = None
    """The only people who are matched in its events; None: everyone."""
    doors: DoorNeeds | None = None
    """None without a door."""

    @property
    def least(self) -> float:
        """The smallest cosine that a decision or a claim needs."""
        return self.thresholds.accept if self.doors is None else min(self.thresholds.accept, self.doors.least)


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The people of a gallery who are matched at a camera."""

    gallery: GallerySnapshot
    people: frozenset[str]
    known: float
    """The cosine from which a face is of someone else who is enrolled."""
    _rows: NDArray[np.intp]

    @classmethod
    def of(cls, gallery: GallerySnapshot, people: frozenset[str], known: float) -> Group:
        """Those of `people` who are enrolled."""
        enrolled = gallery.enrolled_of(people)
        rows = [row for row, person in enumerate(gallery.people) if person.id in enrolled]
        return cls(gallery, enrolled, known, np.array(rows, np.intp))

    def among(self, seen: Comparison | None, mean: Embedding) -> Comparison | None:
        """The comparison with the group: its nearest member, and whoever is nearest as the runner-up.

        So a face that is nearer to someone outside the group is never matched.
        """
        if seen is None or seen.match.ignored or seen.match.person in self.people:
            return seen
        denied = self.gallery.denied(mean)
        rows = [row for row in self._rows.tolist() if self.gallery.people[row].id not in denied]
        if not rows:
            return None
        scores = self.gallery.matrix[rows] @ mean
        best = int(scores.argmax())
        person = self.gallery.people[rows[best]]
        match = Match(person.id, float(scores[best]), seen.match.score, look_alike=bool(person.look_alikes))
        return Comparison(match, seen.newest)

    def is_of_another(self, seen: Comparison | None) -> bool:
        """Whether a face is of someone who is enrolled, but not in the group."""
        return seen is not None and seen.match.person not in self.people and seen.match.score >= self.known


def with_limits(
    policy: AccessPolicy,
    table: CalibrationTable,
    view: GallerySnapshot,
    sites: Mapping[str, SitePolicy | None] | None = None,
) -> AccessPolicy:
    """The policy with what each door accepts for those who may pass it and are enrolled.

    `sites` are the policies of a centre, by which it is narrowed.
    """
    enrolled = view.enrolled_of(person.id for person in view.people)
    policy = with_sites(policy, enrolled, view.people, sites)
    counts = {name: len(policy.allowed(door, by_face=True) & enrolled) for name, door in policy.doors.items()}
    return replace(policy, limits={name: door_limits(policy.doors[name], table, n) for name, n in counts.items()})


def with_sites(
    policy: AccessPolicy,
    enrolled: frozenset[str],
    people: Collection[Person],
    sites: Mapping[str, SitePolicy | None] | None = None,
) -> AccessPolicy:
    """The policy for these people, narrowed by those of a centre for its `sites`."""
    policy = policy.with_people(enrolled, groups_of(people))
    return policy if sites is None else narrowed(policy, sites, sites_of(people))


def door_limits(door: Door, table: CalibrationTable, people: int) -> DoorLimits:
    """What one door accepts if so many of those who may pass it by the face alone are enrolled.

    Where everyone needs a second factor, one person may be meant.
    """
    people = people if opens_by_face(door) else 1
    estimated = door.estimated == "allow"
    levels, one_to_one = (
        tuple(level_limit(table, level, count, estimated=estimated) for level in LEVELS) for count in (people, 1)
    )
    return DoorLimits(people, levels, one_to_one)


def level_limit(table: CalibrationTable, level: Level, people: int, *, estimated: bool) -> LevelLimit:
    """What one level accepts for so many people."""
    cosine, basis = guaranteed(table, level, people, estimated=estimated) or (None, "measured")
    most = table.most(level, estimated=estimated)
    return LevelLimit(level, cosine, most, basis, table.most(level, estimated=True))


def camera_limits(
    policy: AccessPolicy,
    groups: Mapping[str, frozenset[str]],
    level: Level,
    table: CalibrationTable,
    view: GallerySnapshot,
) -> tuple[Thresholds, Mapping[str, CameraLimits]]:
    """The thresholds for everyone, and the limits of each camera that has a group or a door.

    `groups` are the people who are matched at a camera; `policy` has the limits of its doors.
    """
    everyone = thresholds(table, level, view)
    found = {}
    for camera in groups.keys() | {door.camera for door in policy.doors.values()}:
        people, accept = groups.get(camera), everyone
        group = None
        if people is not None:
            accept, group = thresholds(table, level, view, people), Group.of(view, people, everyone.accept)
        needs = _needs(policy, camera)
        if needs is not None:
            # A face that a door may accept is not unknown.
            accept = accept._replace(near=min(accept.near, needs.least))
        found[camera] = CameraLimits(accept, group, needs)
    return everyone, found


def shortfall(accept: Thresholds, level: Level, table: CalibrationTable) -> str | None:
    """What is matched instead where a level cannot be guaranteed; None where it is."""
    if accept.level == level:
        return None
    most = table.most(level, estimated=True)
    why = f"level {level!r} cannot be guaranteed for {counted(accept.people, 'person', 'people')}, only for {most:,}"
    if accept.level is None:
        return f"no one can be matched: {why}, and no laxer level can (ways out: a group of the camera, fewer people)"
    return f"{why}: people are matched at level {accept.level!r}"


def _needs(policy: AccessPolicy, camera: str) -> DoorNeeds | None:
    doors = {name: door for name, door in policy.doors.items() if door.camera == camera}
    if not doors:
        return None
    least, sought = math.inf, -math.inf
    for name, door in doors.items():
        limits = policy.limits_of(name)
        if not opens_by_face(door):
            # What the events need is enough to report that a second factor is missing.
            continue
        cosines = [cosine for level in levels_of(door) if (cosine := limits.of(level).cosine) is not None]
        least, sought = min([least, *cosines]), max([sought, *cosines])
    return DoorNeeds(least, sought)
