"""A door at the camera of a test, and what it accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.access.policy import AccessPolicy, Door
from edgeface.faces.calibration import CalibrationTable
from edgeface.recognition.limits import camera_limits, with_limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edgeface.core.settings import Level
    from edgeface.core.types import Claim
    from edgeface.gallery.snapshot import GallerySnapshot
    from edgeface.recognition.decision import Thresholds
    from edgeface.recognition.limits import CameraLimits

CAMERA, DOOR = "porch", "front-door"


def policy_for(
    view: GallerySnapshot, level: Level = "normal", allow: Iterable[str] = (), table: CalibrationTable | None = None
) -> AccessPolicy:
    """A door for those of `allow`; left out: for everyone."""
    door = Door.model_validate({"camera": CAMERA, "allow": [{"group": "passers"}], "level": level})
    groups = {"passers": tuple(allow) or tuple(person.id for person in view.people)}
    return with_limits(AccessPolicy({DOOR: door}, groups), table or CalibrationTable.shipped(), view)


def limits_for(
    view: GallerySnapshot,
    level: Level = "normal",
    door: Level | None = None,
    allow: Iterable[str] = (),
    groups: Mapping[str, frozenset[str]] | None = None,
    table: CalibrationTable | None = None,
) -> tuple[Thresholds, Mapping[str, CameraLimits]]:
    """What is accepted for everyone, and by camera, with a door of a level or none."""
    table = table or CalibrationTable.shipped()
    policy = AccessPolicy() if door is None else policy_for(view, door, allow, table)
    return camera_limits(policy, groups or {}, level, table, view)


def levels(policy: AccessPolicy, claims: Iterable[Claim]) -> list[tuple[str, Level | None]]:
    """The person of each claim, with the level that it reaches at the door."""
    required = policy.doors[DOOR].level
    return [(claim.person, policy.limits_of(DOOR).judged(claim, required).level) for claim in claims]
