"""The JSON objects of the REST interface about visits."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgeface.core.event_kinds import DoorOutcome, FaceKind
from edgeface.web.api.models import ApiModel, Time

Since = Annotated[str, Field(max_length=40)]
Limit = Annotated[int, Field(ge=1, le=500)]


class VisitsQuery(ApiModel):
    """Selects visits."""

    who: Annotated[str, Field(max_length=100)] | None = None
    """Id of a person or an unknown, under all the ids that they have had."""
    camera: Annotated[str, Field(max_length=64)] | None = None
    since: Since | None = None
    """Visits that began then or later: a day in UTC, or a time as in RFC 3339. 30 days ago if left out."""
    until: Since | None = None
    """Visits that began before: written like `since`. Now if left out."""
    limit: Limit = 100


class DoorUse(ApiModel):
    """What a door did during a visit."""

    door: str
    outcome: DoorOutcome
    reason: str | None


class Visit(ApiModel):
    """One face in view of a camera, from when it was announced until it left."""

    first_seen: Time
    last_seen: Time
    in_view: bool
    """The face has not left yet."""
    kind: FaceKind
    person: str | None
    """Who it was, by what is known now: with corrections, enrollments and merges made since."""
    name: str | None
    """The display name as it is now; the one that was announced if the person is gone."""
    unknown: str | None
    camera: str
    doors: list[DoorUse]
    event: str
    """The event that can be corrected."""
    corrected: bool


class Visits(ApiModel):
    """Visits, the latest first."""

    visits: list[Visit]
    until: Time | None
    """Pass it as `until` to get earlier visits; null at the end."""
