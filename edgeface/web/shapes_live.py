"""What goes in and out of the REST interface about looking through a camera."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edgeface.web.shapes import Shape, Time

_Side = Annotated[float, Field(ge=0, le=1, strict=False)]


class Look(Shape):
    """Which picture is wanted, and how."""

    boxes: bool = False
    """Draw the faces."""
    width: Annotated[int, Field(ge=16, le=7680)] | None = None
    """Pixels that are enough; the picture may be a little wider."""
    seq: Annotated[int, Field(ge=0, lt=1 << 53)] | None = None
    """The frame of which the faces were told; the newest when that is gone."""


class SeenFace(Shape):
    """A face of a frame."""

    track: int
    box: list[int]
    """Left, top, right, bottom in pixels of the camera's picture; right and bottom are exclusive."""
    label: Literal["new", "match", "unknown", "uncertain", "ignored"]
    person: str | None
    name: str | None
    unknown: str | None
    score: float | None
    """Cosine to the nearest person."""
    reason: str | None
    """Why the face was not used when it was last looked at."""


class Seen(Shape):
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


class Region(Shape):
    """The part of the picture where faces are looked for."""

    region: Annotated[list[_Side], Field(min_length=4, max_length=4)]
    """Left, top, right, bottom as fractions of the picture, to four digits."""


class Smallest(Shape):
    """The smallest face that is looked for, in all cameras."""

    smallest_face: Annotated[int, Field(ge=16, le=1000)]
    """Pixels from chin to crown."""


class Editable(Shape):
    """What config.yaml says of a camera's view; the answer's ETag is that of the file."""

    camera: str
    region: list[float]
    smallest_face: int | None
    writable: bool
    """Whether the file can be changed from here."""
    problem: str | None
    """Why it cannot."""


class Edited(Shape):
    """A change that is in config.yaml now."""

    changed: str
    """The key."""
    effective: Literal["at_once", "restart"]
    """at_once: within a second."""
