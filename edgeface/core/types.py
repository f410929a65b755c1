"""The objects that flow from camera to broker, and the Protocols of their makers: read this first.

Coordinates are pixels of the whole camera image, x to the right and y down. Everything here is frozen.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from edgeface.core.settings import FactorKind, Level

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    Measure: TypeAlias = Callable[["Stage"], AbstractContextManager[None]]
    """Returns a context whose time counts for a stage."""

LEVELS: tuple[Level, ...] = get_args(Level)
"""From lax to strict."""

LevelBasis: TypeAlias = Literal["measured", "estimated"]
"""What a level's cosine follows from: rows that the calibration data shows, or rows of a model beyond them."""

GrantFactor: TypeAlias = Literal["none", "pin", "code", "card", "pass", "reader"]
"""What a person has shown in addition to the face."""

Image: TypeAlias = NDArray[np.uint8]
"""Height x width x 3, RGB, read-only once it is in a Frame."""

Landmarks: TypeAlias = NDArray[np.float32]
"""6 x 2 points in the order of BlazeFace: the person's right eye, left eye, nose tip, mouth, right ear, left ear.
A point that a detector does not find is NaN. A landmarker that finds the corners of the mouth adds the right and the
left one: 8 x 2."""

Embedding: TypeAlias = NDArray[np.float32]
"""A vector of length one; the embedder defines its size."""

RejectReason: TypeAlias = Literal["small", "blurred", "turned", "dark", "bright", "cut", "covered", "few_frames"]
"""Why a face, or a whole track, was rejected; `covered` applies to faces that become templates only."""

HiddenPart: TypeAlias = Literal["eyes", "mouth", "side"]
"""The part of a face that a cover hides."""

EventType: TypeAlias = Literal["match", "unknown", "uncertain", "left"]
DecisionKind: TypeAlias = Literal["match", "unknown", "uncertain", "ignored"]
"""What can be decided about a face; `ignored` is never published."""
FaceLabel: TypeAlias = Literal["new", DecisionKind]

Stage: TypeAlias = Literal["detect", "landmark", "embed", "match", "frame", "event", "publish"]
"""frame: everything that the pipeline does with one frame; event: from capture to the event; publish: from sending an
event to the broker's answer."""


def unmeasured(_: Stage) -> AbstractContextManager[None]:
    """A Measure that measures nothing."""
    return nullcontext()


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
    """One image from a camera."""

    image: Image
    timestamp: float | None
    """The source's own time in seconds from an arbitrary start; None if it has none."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One camera image, stamped once when it is captured."""

    camera: str
    seq: int
    """Counts the camera's images since the daemon started, from 0; a gap is a drop."""
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
        """The same face in an image `scale` times as large, then shifted by pixels."""
        shift = (dx, dy)
        box = Box(*(side * scale + shift[n % 2] for n, side in enumerate(self.box)))
        return Detection(box, self.score, (self.landmarks * scale + np.array(shift)).astype(np.float32))


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a face can be embedded, and why it is rejected if it is."""

    height_px: int
    sharpness: float
    """0 (smeared) to 1 (crisp)."""
    brightness: float
    """Mean luma, 0 to 1."""
    yaw: float
    """Degrees; positive if the face looks to the right of the image."""
    pitch: float
    """Degrees; positive if the face looks up."""
    reason: RejectReason | None
    """None if the face is good."""
    hidden: HiddenPart | None = None
    """What is hidden of a face that is rejected as covered."""


@dataclass(frozen=True, slots=True)
class Match:
    """The nearest person, and the nearest other person."""

    person: str
    score: float
    """Cosine, -1 to 1."""
    runner_up: float | None
    """Cosine of the nearest other person; None if there is none."""
    ignored: bool = False
    """The nearest person is on the ignore list."""
    look_alike: bool = False
    """Whether someone else is enrolled with the nearest person's face."""

    @property
    def margin(self) -> float | None:
        """The lead of the nearest over the next; None if there is no other."""
        return None if self.runner_up is None else self.score - self.runner_up


@dataclass(frozen=True, slots=True)
class Event:
    """What is published; docs/events.md is the contract of its wire form."""

    type: EventType
    id: str
    boot: str
    seq: int
    device: str
    camera: str
    track: int
    monotonic: float
    """Time of the decision, the only one that decides whether it is late."""
    captured_at: float
    """Wall seconds, an annotation only."""
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
    level: Level | None = None
    """The level that the threshold guarantees; None if none can be guaranteed for so many people."""
    level_basis: LevelBasis = "measured"
    frames: int = 0
    """Good frames behind the decision."""
    quality: Quality | None = None
    reason: str | None = None
    unknown: str | None = None
    seconds: float | None = None
    """Time in view; only in `left`."""


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """The template of a visit that was announced: what a correction of its event is made from."""

    event: str
    """The event's id."""
    camera: str
    wall: float
    """Wall seconds of the event."""
    person: str | None
    """The person of the event; None unless it was a match."""
    unknown: str | None
    embedding: Embedding
    """The mean of the evidence at that moment, of length one."""
    covered: bool = False
    """Whether a frame behind it shows a covered face, or was not checked: it must not become a template."""


@dataclass(frozen=True, slots=True)
class ExpectedPerson:
    """Who a second factor names at a door: the face in front of its camera is compared with this person alone."""

    number: int
    """Counts the factors of this run."""
    door: str
    camera: str
    person: str
    kind: FactorKind
    until: float
    """The face must be captured by then, in monotonic seconds."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A face that this very frame confirms as one person, or compares with one: the basis of a grant."""

    camera: str
    visit: int
    """The track's number in events: a visit gets one grant."""
    monotonic: float
    """Time of capture, the only one that decides whether it is late."""
    person: str
    score: float
    """Cosine of the mean of the good frames, -1 to 1."""
    newest: float
    """Cosine of the newest frame alone; what a door acts on, it must reach, too."""
    look_alike: bool
    """Whether someone else is enrolled with the person's face; with `expected`, whether the face may be theirs."""
    frames: int
    """Good frames behind the score."""
    faces_in_view: int
    level: Level | None = None
    """The security level that the face reaches at one door; the issuer sets it. None: none."""
    level_basis: LevelBasis = "measured"
    """Of `level`."""
    factor: GrantFactor = "none"
    """The second factor that named the person before the face was compared with that person alone."""
    expected: ExpectedPerson | None = None
    """Who that factor names, for a comparison with one person; None: the nearest of all people."""


@dataclass(frozen=True, slots=True)
class Face:
    """A track after one frame, for observers."""

    track: int
    box: Box
    label: FaceLabel
    person: str | None
    name: str | None
    unknown: str | None
    score: float | None
    reason: RejectReason | None
    """Why this frame's face was rejected; None if it was used, or not inspected."""
    event: str | None = None
    """The id of the event that announced this face; None if what was announced may be another face."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameResult:
    """The pipeline's result for one frame."""

    frame: Frame
    faces: tuple[Face, ...]
    events: tuple[Event, ...]
    claims: tuple[Claim, ...] = ()
    probes: tuple[Probe, ...] = ()
    """One for each event that announces a face."""


class Camera(Protocol):
    """A source of images; the settings object of a camera is the camera."""

    def images(self) -> Generator[CameraImage, None, None]:
        """Open the device and yield images until a clip ends; raises CameraError. It holds all state of the device.

        Closing the generator closes the device.
        """


class SearchGrid(NamedTuple):
    """How a detector divides an image of one size, in its pixels."""

    whole: Box
    tiles: tuple[Box, ...] = ()
    """Squares that cover the image, for faces too small for the whole; they may exceed its edges."""
    per_frame: int = 0
    """Tiles that may be searched in one frame."""


@dataclass(frozen=True, slots=True)
class DetectionRequest:
    """What a detector has to search in one image, in its pixels."""

    parts: tuple[Box, ...]
    """The parts to search for new faces."""
    asked: tuple[Box, ...] = ()
    """Boxes of followed faces to search for, those unseen for longest first."""
    known: tuple[Box, ...] = ()
    """Boxes of further followed faces: not new if found, and not searched for."""
    glance: bool = False
    """Whether to scan the whole image at the lowest cost, for near faces."""


class Detector(Protocol):
    """Finds faces in one image."""

    def grid(self, width: int, height: int) -> SearchGrid:
        """Divide an image of this size."""

    def detect(self, image: Image, request: DetectionRequest) -> list[Detection]:
        """Find the faces of `image`, best first, each once; only what is requested is searched."""


class Landmarker(Protocol):
    """Finds the landmarks of one face more exactly than the detector does."""

    def locate(self, image: Image, face: Detection) -> Detection | None:
        """Locate the landmarks of a detected face; None if it is not a face."""


class Embedder(Protocol):
    """Turns an aligned face into its embedding."""

    @property
    def name(self) -> str:
        """The model's name and the first 8 digits of its SHA-256: mobilefacenet-int8:1a2b3c4d."""

    def embed(self, crop: Image) -> Embedding:
        """Embed one aligned 112 x 112 RGB crop."""
