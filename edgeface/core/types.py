"""The data that flows through edgeface, and the Protocols of the parts that handle it: read this first.

Coordinates are pixels of the camera's whole picture, x to the right and y down. Everything here is frozen.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from edgeface.core.settings import Level

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    Measure: TypeAlias = Callable[["Stage"], AbstractContextManager[None]]
    """Gives a context whose time counts for a stage."""

LEVELS: tuple[Level, ...] = get_args(Level)
"""The least strict first."""

Image: TypeAlias = NDArray[np.uint8]
"""Height x width x 3, RGB, read-only once it is in a Frame."""

Landmarks: TypeAlias = NDArray[np.float32]
"""6 x 2 points as BlazeFace gives them: the person's right eye, left eye, nose tip, mouth, right ear, left ear.
A detector that does not know a point puts NaN. A landmarker that knows the mouth better adds its right and left
corner: 8 x 2."""

Embedding: TypeAlias = NDArray[np.float32]
"""A vector of length one; its size is the embedder's."""

RejectReason: TypeAlias = Literal["small", "blurred", "turned", "dark", "bright", "cut", "few_frames"]
"""Why a face was rejected, or a whole track ended without a decision."""

EventType: TypeAlias = Literal["match", "unknown", "uncertain", "left"]

Stage: TypeAlias = Literal["detect", "landmark", "embed", "match", "frame", "event", "publish"]
"""frame: everything that the pipeline does with one frame; event: from capture to the event; publish: from sending an
event to the broker's answer."""


def unmeasured(_: Stage) -> AbstractContextManager[None]:
    """A Measure that measures nothing."""
    return _NO_MEASURE


_NO_MEASURE = nullcontext()


class Box(NamedTuple):
    """A rectangle in pixels: left, top, right, bottom; right and bottom are exclusive."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Pixels."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Pixels."""
        return self.bottom - self.top

    @property
    def centre(self) -> tuple[float, float]:
        """x, y."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.width * self.height + other.width * other.height - shared)

    def moved(self, dx: float, dy: float) -> Box:
        """The same rectangle, shifted by pixels."""
        return Box(self.left + dx, self.top + dy, self.right + dx, self.bottom + dy)


@dataclass(frozen=True, slots=True, eq=False)
class CameraImage:
    """One picture as a camera gives it."""

    image: Image
    timestamp: float | None
    """The source's own time in seconds from any start; None where the source has none."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a camera, stamped once at the edge."""

    camera: str
    seq: int
    """Counts the camera's pictures since the daemon started, from 0; gaps are drops."""
    monotonic: float
    wall: float
    image: Image


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """A face found in one frame."""

    box: Box
    score: float
    """0 to 1."""
    landmarks: Landmarks

    def placed(self, scale: float, dx: float = 0.0, dy: float = 0.0) -> Detection:
        """The same face in a picture that is `scale` times as large, then shifted by pixels."""
        shift = (dx, dy)
        box = Box(*(side * scale + shift[n % 2] for n, side in enumerate(self.box)))
        return Detection(box, self.score, (self.landmarks * scale + np.array(shift)).astype(np.float32))


@dataclass(frozen=True, slots=True)
class Quality:
    """How usable a face is for the embedder, and why it is rejected if it is."""

    height_px: int
    sharpness: float
    """0 (smeared) to 1 (crisp)."""
    brightness: float
    """Mean luma, 0 to 1."""
    yaw: float
    """Degrees; positive when the face looks to the picture's right."""
    pitch: float
    """Degrees; positive when the face looks up."""
    reason: RejectReason | None
    """None when the face is good."""


@dataclass(frozen=True, slots=True)
class Match:
    """The nearest person, and the nearest other person."""

    person: str
    score: float
    """Cosine, -1 to 1."""
    runner_up: float | None
    """Cosine of the nearest other person; None when there is none."""
    ignored: bool = False
    """The nearest is on the ignore list."""

    @property
    def margin(self) -> float | None:
        """How far the nearest person is above the next; None when there is no other."""
        return None if self.runner_up is None else self.score - self.runner_up


@dataclass(frozen=True, slots=True)
class Event:
    """What subscribers receive; docs/events.md is the contract of its wire form."""

    type: EventType
    id: str
    boot: str
    seq: int
    device: str
    camera: str
    track: int
    monotonic: float
    """The decision's time: nothing else may judge lateness."""
    captured_at: float
    """Wall seconds, an annotation."""
    box: Box
    frame_size: tuple[int, int]
    """Width, height."""
    faces_in_view: int
    model: str
    person: str | None = None
    name: str | None = None
    score: float | None = None
    threshold: float | None = None
    margin: float | None = None
    level: str | None = None
    frames: int = 0
    """Good frames behind the decision."""
    quality: Quality | None = None
    reason: str | None = None
    unknown: str | None = None
    seconds: float | None = None
    """In view; only in `left`."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A face that this frame has confirmed as one person: a door may be asked to open for it."""

    camera: str
    visit: int
    """The track's number, as events have it: a door opens once a visit."""
    monotonic: float
    """Capture of the frame: nothing else may judge lateness."""
    person: str
    score: float
    """Cosine, -1 to 1."""
    level: str
    """The strictest security level that the score reaches with the current gallery."""
    frames: int
    """Good frames behind the score."""
    faces_in_view: int


@dataclass(frozen=True, slots=True)
class Face:
    """A track as an observer sees it after one frame."""

    track: int
    box: Box
    label: Literal["new", "match", "unknown", "uncertain", "ignored"]
    person: str | None
    name: str | None
    unknown: str | None
    score: float | None
    reason: RejectReason | None
    """Why this frame's face was rejected; None when it was used, or not inspected."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameResult:
    """What the pipeline makes of one frame."""

    frame: Frame
    faces: tuple[Face, ...]
    events: tuple[Event, ...]
    claims: tuple[Claim, ...] = ()


class Camera(Protocol):
    """A source of pictures; a camera's settings object is the camera."""

    def images(self) -> Generator[CameraImage, None, None]:
        """Open the device and yield pictures until a clip ends or CameraError; all device state lives here.

        Closing the generator closes the device.
        """
        ...


class SearchGrid(NamedTuple):
    """How a detector divides a picture of one size, in its pixels."""

    whole: Box
    tiles: tuple[Box, ...] = ()
    """Squares that cover the picture, for faces that are too small in the whole; they may reach over its edges."""
    per_frame: int = 0
    """Tiles for which one frame has time."""


@dataclass(frozen=True, slots=True)
class DetectionRequest:
    """What a detector has to find in one picture, in its pixels."""

    parts: tuple[Box, ...]
    """The parts to search for new faces."""
    asked: tuple[Box, ...] = ()
    """Where tracked faces are expected that must be found, those unseen for longest first."""
    known: tuple[Box, ...] = ()
    """Where other tracked faces are expected: they are not new, and need not be found."""
    glance: bool = False
    """Whether to search the whole picture for near faces, as cheaply as possible."""


class Detector(Protocol):
    """Finds faces in one picture."""

    def grid(self, width: int, height: int) -> SearchGrid:
        """Divide a picture of this size."""
        ...

    def detect(self, image: Image, request: DetectionRequest) -> list[Detection]:
        """Find the faces of `image`, best first, none twice; an empty request costs nothing."""
        ...


class Landmarker(Protocol):
    """Finds the landmarks of one face more exactly than the detector does."""

    def locate(self, image: Image, face: Detection) -> Detection | None:
        """Locate the landmarks of a detected face; None when there is no face."""
        ...


class Embedder(Protocol):
    """Turns an aligned face into its embedding."""

    @property
    def name(self) -> str:
        """The model's name and the first 8 digits of its SHA-256: mobilefacenet-int8:1a2b3c4d."""
        ...

    def embed(self, crop: Image) -> Embedding:
        """Embed one aligned 112 x 112 RGB crop."""
        ...
