"""The JSON objects of the REST interface about the device: journal, cameras, doors, configuration, pictures."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, RootModel, WithJsonSchema

from edgeface.core.event_kinds import BY_KIND
from edgeface.core.settings import DescribedModel
from edgeface.core.text import closest
from edgeface.core.types import DecisionKind, FaceLabel, LivenessStatus, Prompt
from edgeface.web.api.models import ApiModel, Facts, Limit, Time


def _kind(text: str) -> str:
    if text not in BY_KIND:
        meant = closest(text, BY_KIND)
        hint = f"did you mean '{meant}'?" if meant else f"the kinds are {', '.join(BY_KIND)}"
        raise ValueError(f"not a kind of row; {hint}")
    return text


Kind = Annotated[str, AfterValidator(_kind), WithJsonSchema({"type": "string", "enum": list(BY_KIND)})]
Since = Annotated[
    str,
    Field(max_length=40),
    WithJsonSchema({"type": "string", "maxLength": 40, "anyOf": [{"format": "date"}, {"format": "date-time"}]}),
]
Seq = Annotated[int, Field(ge=0, lt=1 << 53)]
Name = Annotated[str, Field(max_length=100)]


class RowFilter(ApiModel):
    """Selects rows of the journal by what they contain; every filter must match."""

    kind: Annotated[list[Kind], Field(default_factory=list)]
    """All kinds if left out; may be given more than once."""
    person: Name | None = None
    """Id of a person."""
    unknown: Name | None = None
    """Id of an unknown."""
    camera: Name | None = None
    """Id of a camera."""
    door: Name | None = None
    """Id of a door."""
    since: Since | None = None
    """From this day in UTC, or this time as in RFC 3339."""
    until: Since | None = None
    """Up to and including this day in UTC, or before this time."""
    kinds: Annotated[list[Kind], Field(default_factory=list, json_schema_extra={"deprecated": True})]
    """As `kind`."""
    who: Annotated[Name | None, Field(json_schema_extra={"deprecated": True})] = None
    """Id of a person or an unknown."""


class RowsQuery(RowFilter):
    """Selects rows of the journal, and a part of them."""

    before: Seq | None = None
    """The newest rows before this number."""
    after: Seq | None = None
    """The oldest rows after this number."""
    limit: Limit = 50


class Row(ApiModel):
    """A row of the journal."""

    seq: int
    id: str
    kind: str
    at: Time
    facts: Facts | None
    """Null if the row was redacted or altered."""
    redacted: bool
    """The person has been forgotten."""
    altered: bool
    """It is not as edgeface wrote it."""
    link: str


class Rows(ApiModel):
    """Rows of the journal, oldest first."""

    rows: list[Row]
    before: int | None
    """Pass it as `before` to get the rows before these; null if there are none. An answer without rows may have it,
    because filters by camera and door read at most 5,000 rows for one answer."""
    after: int
    """Pass it as `after` to get the rows after these."""


class Verified(ApiModel):
    """Whether the journal is as edgeface wrote it."""

    intact: bool
    rows: int
    """Valid rows, from the oldest."""
    redacted: int
    head: str
    """The last valid link, 64 hex digits; keep it elsewhere to check later that no rows were cut off."""
    fault: str | None


class Camera(ApiModel):
    """A camera; values that have not been reported yet are null."""

    id: str
    name: str
    """What people are shown: the display name in config.yaml; the id without one."""
    type: str
    enabled: bool
    status: str | None
    fps: float | None
    age: float | None
    """Seconds since the last fresh frame was processed."""
    frames: int | None
    processed: int | None
    drops: int | None
    reopens: int | None
    repeated: int | None
    """Pictures identical to an earlier one, other than the last."""
    replayed: bool | None
    """Whether the pictures count as a recording in place of the camera; none of them is used."""
    problem: str | None
    size: list[int] | None
    """Width, height in pixels."""
    region: list[float] | None
    """Left, top, right, bottom as fractions of the picture; null for the whole picture."""
    smallest_face: int | None
    """Pixels from chin to crown; null if the detector has no such setting."""


class Cameras(ApiModel):
    """The cameras of this device."""

    cameras: list[Camera]


class Switch(ApiModel):
    """Whether recognition is on for a camera."""

    on: bool


class Switched(ApiModel):
    """A switch that takes effect within a second."""

    camera: str
    on: bool


class State(RootModel[Facts]):
    """The content of the state topic; empty before the first report."""


class Door(ApiModel):
    """A door and its state."""

    id: str
    camera: str
    level: str
    state: Facts
    """The door's part of the state topic; empty before the first report."""


class Doors(ApiModel):
    """The doors that this device grants."""

    doors: list[Door]


class Mistake(ApiModel):
    """A mistake in a configuration."""

    line: int | None
    path: str | None
    """The key."""
    text: str


class Checked(ApiModel):
    """Whether a configuration can be used."""

    right: bool
    mistakes: list[Mistake]
    notes: list[str]
    """Notes about a valid configuration, one line each."""


class FaceQuality(ApiModel):
    """The quality of a face for the embedder."""

    height_px: int
    sharpness: float
    brightness: float
    yaw: float
    pitch: float


class RecognisedFace(ApiModel):
    """A face in a picture. One picture is weak evidence: no door opens for it."""

    box: list[int]
    """Left, top, right, bottom in pixels; right and bottom are exclusive."""
    label: Literal[DecisionKind, "not_judged"]
    person: str | None
    name: str | None
    score: float | None
    """Cosine to the nearest person."""
    level: str | None
    """The level that the threshold guarantees; null if none can be guaranteed for this number of people."""
    level_basis: Literal["measured", "estimated"]
    threshold: float | None
    """Cosine to reach; null without a level."""
    margin: float | None
    """How far the nearest person is ahead of the next."""
    unknown: str | None
    quality: FaceQuality
    reason: str | None
    """Why the face is uncertain or was not judged."""


class Recognised(ApiModel):
    """The faces in a picture, best first."""

    faces: list[RecognisedFace]
    frame_size: list[int]
    """Width, height in pixels."""
    model: str


class Problem(DescribedModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str | None = None
    """One line that a user can act on."""
    errors: list[str] | None = None
    """One line for each mistake."""


_Side = Annotated[float, Field(ge=0, le=1, strict=False)]


class PictureQuery(ApiModel):
    """Selects a picture and its form."""

    boxes: bool = False
    """Draw boxes around the faces."""
    width: Annotated[int, Field(ge=16, le=7680)] | None = None
    """The width in pixels that is needed; the picture may be a little wider."""
    seq: Seq | None = None
    """The number of a frame, as from `faces`; the newest frame if that one is no longer kept."""


class SeenFace(ApiModel):
    """A face in a frame."""

    track: int
    box: list[int]
    """Left, top, right, bottom in pixels of the camera's picture; right and bottom are exclusive."""
    label: FaceLabel
    person: str | None
    name: str | None
    unknown: str | None
    score: float | None
    """Cosine to the nearest person."""
    reason: str | None
    """Why the face was rejected last."""
    event: str | None
    """The event that announced this face, which can be corrected; null before it."""
    liveness: LivenessStatus
    """What is known of its liveness; `off` if nothing is judged."""
    prompt: Prompt | None
    """What the person could do; null if nothing is needed."""


class Seen(ApiModel):
    """The pipeline's result for one frame."""

    camera: str
    seq: int
    captured_at: Time
    age: float
    """Seconds since the capture."""
    frame_size: list[int]
    """Width, height in pixels."""
    region: list[float]
    """Left, top, right, bottom as fractions of the picture."""
    smallest_face: int | None
    """Pixels from chin to crown; null if the detector has no such setting."""
    faces: list[SeenFace]


class Region(ApiModel):
    """The part of the picture where edgeface searches for faces."""

    region: Annotated[list[_Side], Field(min_length=4, max_length=4)]
    """Left, top, right, bottom as fractions of the picture, to four digits."""


class Smallest(ApiModel):
    """The smallest face that edgeface searches for, for all cameras."""

    smallest_face: Annotated[int, Field(ge=16, le=1000)]
    """Pixels from chin to crown."""


class Editable(ApiModel):
    """The view settings of a camera in config.yaml; the answer's ETag is that of the file."""

    camera: str
    region: list[float]
    smallest_face: int | None
    writable: bool
    """Whether the file can be changed through this interface."""
    problem: str | None
    """Why it cannot be changed."""


class Edited(ApiModel):
    """A change that has been written to config.yaml."""

    changed: str
    """The key."""
    effective: Literal["at_once", "restart"]
    """at_once: within a second."""
