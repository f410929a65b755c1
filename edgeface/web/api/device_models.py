"""What goes in and out of the REST interface about the device: journal, cameras, doors, configuration, pictures."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, WithJsonSchema

from edgeface.core.event_kinds import BY_KIND
from edgeface.core.types import DecisionKind, FaceLabel
from edgeface.web.api.models import ApiModel, Facts, Limit, Time


def _kind(text: str) -> str:
    if text not in BY_KIND:
        raise ValueError(f"no kind of row; there are {', '.join(BY_KIND)}")
    return text


Kind = Annotated[str, AfterValidator(_kind), WithJsonSchema({"type": "string", "enum": list(BY_KIND)})]
Since = Annotated[
    str,
    Field(max_length=40),
    WithJsonSchema({"type": "string", "maxLength": 40, "anyOf": [{"format": "date"}, {"format": "date-time"}]}),
]
Seq = Annotated[int, Field(ge=0, lt=1 << 53)]


class RowsQuery(ApiModel):
    """Which rows of the journal."""

    kinds: Annotated[list[Kind], Field(default_factory=list)]
    """All kinds when left out; may be given more than once."""
    who: Annotated[str, Field(max_length=100)] | None = None
    """Id of a person or an unknown."""
    since: Since | None = None
    """A day, or a time as in RFC 3339."""
    before: Seq | None = None
    """Rows before this number, the newest of them."""
    after: Seq | None = None
    """Rows after this number, the oldest of them."""
    limit: Limit = 50


class ExportQuery(ApiModel):
    """Which rows of the journal are exported."""

    kinds: Annotated[list[Kind], Field(default_factory=list)]
    who: Annotated[str, Field(max_length=100)] | None = None
    since: Since | None = None


class Row(ApiModel):
    """A row of the journal."""

    seq: int
    id: str
    kind: str
    at: Time
    facts: Facts | None
    """Null when it was redacted or is altered."""
    redacted: bool
    """Whom it was about has been forgotten."""
    altered: bool
    """It is not what edgeface wrote."""
    link: str


class Rows(ApiModel):
    """Rows of the journal, the oldest first."""

    rows: list[Row]
    before: int | None
    """Give it as `before` for the rows before these; null when there are none."""
    after: int
    """Give it as `after` for what comes next."""


class Verified(ApiModel):
    """Whether the journal is what edgeface wrote."""

    intact: bool
    rows: int
    """Rows that hold, from the oldest."""
    redacted: int
    head: str
    """The last link that holds, 64 hex digits; keep it elsewhere to see later that nothing was cut off."""
    fault: str | None


class Camera(ApiModel):
    """A camera; what has not been reported yet is null."""

    id: str
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
    problem: str | None
    size: list[int] | None
    """Width, height in pixels."""
    region: list[float] | None
    """Left, top, right, bottom as fractions of the picture; null for all of it."""
    smallest_face: int | None
    """Pixels from chin to crown; null where the detector has none."""


class Cameras(ApiModel):
    """The cameras of this device."""

    cameras: list[Camera]


class Switch(ApiModel):
    """Whether a camera is looked at."""

    on: bool


class Switched(ApiModel):
    """A switch that will be obeyed within a second."""

    camera: str
    on: bool


class State(RootModel[Facts]):
    """The state as the state topic has it; empty before the first report."""


class Door(ApiModel):
    """A door, and how it is."""

    id: str
    camera: str
    level: str
    state: Facts
    """As the state topic has it; empty before the first report."""


class Doors(ApiModel):
    """The doors that this device grants."""

    doors: list[Door]


class Mistake(ApiModel):
    """What is wrong with a configuration."""

    line: int | None
    path: str | None
    """The key."""
    text: str


class Checked(ApiModel):
    """Whether a configuration can be used."""

    right: bool
    mistakes: list[Mistake]
    notes: list[str]
    """What to know of what is right, one line each."""


class FaceQuality(ApiModel):
    """What a face offers to the embedder."""

    height_px: int
    sharpness: float
    brightness: float
    yaw: float
    pitch: float


class RecognisedFace(ApiModel):
    """A face of a picture. One picture is weak evidence: it opens no door."""

    box: list[int]
    """Left, top, right, bottom in pixels; right and bottom are exclusive."""
    label: DecisionKind | Literal["not_judged"]
    person: str | None
    name: str | None
    score: float | None
    """Cosine to the nearest person."""
    level: str
    threshold: float | None
    """Cosine that had to be reached; null when the level cannot be shown for so many people."""
    margin: float | None
    """How far the nearest stands above the next."""
    unknown: str | None
    quality: FaceQuality
    reason: str | None
    """Why it is uncertain, or was not judged."""


class Recognised(ApiModel):
    """The faces of a picture, the best first."""

    faces: list[RecognisedFace]
    frame_size: list[int]
    """Width, height in pixels."""
    model: str


class Problem(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: str
    title: str
    status: int
    detail: str | None = None
    """One line that a user can act on."""
    errors: list[str] | None = None
    """One line for each mistake."""


_Side = Annotated[float, Field(ge=0, le=1, strict=False)]


class Look(ApiModel):
    """Which picture is wanted, and how."""

    boxes: bool = False
    """Draw the faces."""
    width: Annotated[int, Field(ge=16, le=7680)] | None = None
    """Pixels that are enough; the picture may be a little wider."""
    seq: Annotated[int, Field(ge=0, lt=1 << 53)] | None = None
    """The frame of which the faces were told; the newest when that is gone."""


class SeenFace(ApiModel):
    """A face of a frame."""

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
    """Why the face was not used when it was last looked at."""


class Seen(ApiModel):
    """What the pipeline has made of one frame."""

    camera: str
    seq: int
    captured_at: Time
    age: float
    """Seconds since its capture."""
    frame_size: list[int]
    """Width, height in pixels."""
    region: list[float]
    """Left, top, right, bottom as fractions of the picture."""
    smallest_face: int | None
    """Pixels from chin to crown; null where the detector has none."""
    faces: list[SeenFace]


class Region(ApiModel):
    """The part of the picture where faces are looked for."""

    region: Annotated[list[_Side], Field(min_length=4, max_length=4)]
    """Left, top, right, bottom as fractions of the picture, to four digits."""


class Smallest(ApiModel):
    """The smallest face that is looked for, in all cameras."""

    smallest_face: Annotated[int, Field(ge=16, le=1000)]
    """Pixels from chin to crown."""


class Editable(ApiModel):
    """What config.yaml says of a camera's view; the answer's ETag is that of the file."""

    camera: str
    region: list[float]
    smallest_face: int | None
    writable: bool
    """Whether the file can be changed from here."""
    problem: str | None
    """Why it cannot."""


class Edited(ApiModel):
    """A change that is in config.yaml now."""

    changed: str
    """The key."""
    effective: Literal["at_once", "restart"]
    """at_once: within a second."""
