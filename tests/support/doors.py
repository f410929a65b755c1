"""A door at the camera of a test, and what it accepts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgeface.access.policy import AccessPolicy, Door
from edgeface.faces.calibration import CalibrationRow, CalibrationTable
from edgeface.recognition.limits import camera_limits, with_limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pytest

    from edgeface.core.settings import Level
    from edgeface.core.types import Claim
    from edgeface.gallery.snapshot import GallerySnapshot
    from edgeface.recognition.decision import Thresholds
    from edgeface.recognition.limits import CameraLimits
    from tests.support.web import Stage

CAMERA, DOOR = "porch", "front-door"

_ROWS = tuple(CalibrationRow(round(0.3 + n / 25, 3), 3.5 * 10.0**-n, 100.0) for n in range(1, 7))
TABLE = replace(CalibrationTable.shipped(), rows=_ROWS, estimated=())
"""1 in 3 at a cosine of 0.34, and ten times fewer every 0.04 up to 0.54: high for 28 people, normal for 285."""
SHORT = replace(TABLE, rows=_ROWS[:5])
"""One decade less: high for 2 people, normal for 28, low for 285."""
LONGER = replace(TABLE, estimated=(CalibrationRow(0.58, 3.5e-7, 0.0),))
"""One decade more, estimated."""


def ship(table: CalibrationTable, monkeypatch: pytest.MonkeyPatch) -> CalibrationTable:
    """Make this the table of the shipped embedder for one test."""
    monkeypatch.setattr(CalibrationTable, "shipped", lambda: table)
    return table


def guarded(stage: Stage, monkeypatch: pytest.MonkeyPatch, group: str = "barack, eileen, joe") -> None:
    """Give a web stage a door of level high for two people at most, and these in its group."""
    ship(SHORT, monkeypatch)
    path = stage.folder / "config.yaml"
    door = f"{{camera: {CAMERA}, allow: [{{group: staff}}]}}"
    path.write_text(f"{path.read_text()}mqtt: {{}}\ngroups: {{staff: [{group}]}}\ndoors: {{front: {door}}}\n")
    stage.context.reload()


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
