"""The objects that flow from camera to broker: read this first.

Coordinates are pixels of the whole camera image, x to the right and y down. Everything here is frozen.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from edgeface.core.settings import FactorKind, Level

if TYPE_CHECKING:
    from collections.abc import Callable
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

Values: TypeAlias = NDArray[np.uint16]
"""Height x width, in the Unit of its camera; 0 where nothing was measured."""

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

EventType: TypeAlias = Literal["match", "unknown", "uncertain", "spoof", "left"]
DecisionKind: TypeAlias = Literal["match", "unknown", "uncertain", "ignored"]
"""What can be decided about a face; `ignored` is never published."""
FaceLabel: TypeAlias = Literal["new", "spoof", DecisionKind]

LivenessStatus: TypeAlias = Literal["off", "undecided", "living", "spoof", "challenge"]
"""What is known of a visit's liveness: nothing is judged; not enough looks; the verdict of the looks; a passed
challenge."""

PassedChecks: TypeAlias = Literal["off", "passive", "challenge", "both"]
"""The liveness checks that a visit has passed."""

LookReason: TypeAlias = Literal["close", "blurred", "no_picture"]
"""Why a frame gives no look: too little room around the face; not sharp enough; no picture of the other sensor."""

SpoofReason: TypeAlias = Literal["screen_or_print", "no_infrared", "flat", "not_warm", "challenge"]
"""What gave a spoof away."""

Turn: TypeAlias = Literal["left", "right"]
"""The side to which a person turns the head: the person's own."""

Prompt: TypeAlias = Literal[
    "step_closer",
    "step_back",
    "more_light",
    "hold_still",
    "face_camera",
    "turn_left",
    "turn_right",
    "looks_like_picture",
]
"""What would help the person in front of a camera."""

Stage: TypeAlias = Literal["detect", "landmark", "look", "embed", "match", "frame", "event", "publish"]
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

    def placed(self, scale: float, dx: float, dy: float) -> Box:
        """The same rectangle in an image `scale` times as large, then shifted by pixels."""
        left, top, right, bottom = (side * scale for side in self)
        return Box(left + dx, top + dy, right + dx, bottom + dy)

    def moved(self, dx: float, dy: float) -> Box:
        """The same rectangle, shifted by pixels."""
        return Box(self.left + dx, self.top + dy, self.right + dx, self.bottom + dy)


@dataclass(frozen=True, slots=True, eq=False)
class CameraImage:
    """One image from a camera."""

    image: Image
    timestamp: float | None
    """The source's own time in seconds from an arbitrary start; None if it has none."""
    values: Values | None = None
    """What a camera with 16 bits per pixel measures; `image` shows it. None: an ordinary camera."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One camera image, stamped once when it is captured."""

    camera: str
    seq: int
    """Counts the camera's images since the daemon started, from 0; a gap is a drop."""
    monotonic: float
    wall: float
    image: Image
    doubtful: bool = False
    """It may be an old picture, given once more: no match and no claim may rest on it."""
    values: Values | None = None
    """As in CameraImage."""
    companion: Frame | None = None
    """The picture of another sensor that is nearest in time, however old; None: there is none."""


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """A face found in one frame."""

    box: Box
    score: float
    """0 to 1."""
    landmarks: Landmarks
    found: Box | None = None
    """The detector's own box, where a landmarker has drawn another one."""

    def placed(self, scale: float, dx: float = 0.0, dy: float = 0.0) -> Detection:
        """The same face in an image `scale` times as large, then shifted by pixels."""
        landmarks = (self.landmarks * scale + np.array((dx, dy))).astype(np.float32)
        found = None if self.found is None else self.found.placed(scale, dx, dy)
        return Detection(self.box.placed(scale, dx, dy), self.score, landmarks, found)


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
class Look:
    """What a liveness detector says about one face in one frame."""

    scores: tuple[float, ...]
    """One for each of its models: 0 (an attack) to 1 (a living face)."""


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
    liveness: LivenessStatus = "off"
    living: float | None = None
    """The lowest mean of a model's scores over the looks, 0 to 1; None without looks."""
    looks_like: str | None = None
    """The person that the face of a spoof resembles; for the journal alone, never published."""


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
    passed: PassedChecks = "off"
    """The liveness checks that this visit has passed."""
    spoof: bool = False
    """Whether the looks say that this is an attack: no door opens."""


@dataclass(frozen=True, slots=True)
class ChallengeRequest:
    """Head turns that a door asks of one visit."""

    number: int
    """Counts the challenges of this run."""
    camera: str
    visit: int
    """The track's number in events."""
    person: str
    """Whose face it must be during the turns."""
    turns: tuple[Turn, ...]
    final: bool
    """Whether a failure makes the visit a spoof."""


@dataclass(frozen=True, slots=True)
class ChallengeReport:
    """What a challenge asks for now, or how it has ended."""

    request: ChallengeRequest
    turn: Turn | None
    """The turn that is asked for; None once it has ended."""
    until: float
    """By when the turn must be done, in monotonic seconds."""
    result: Literal["passed", "failed"] | None = None
    """None while it is under way."""


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
    liveness: LivenessStatus = "off"
    prompt: Prompt | None = None
    """What would help; None if nothing is needed."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameResult:
    """The pipeline's result for one frame."""

    frame: Frame
    faces: tuple[Face, ...]
    events: tuple[Event, ...]
    claims: tuple[Claim, ...] = ()
    probes: tuple[Probe, ...] = ()
    """One for each event that announces a face."""
    challenges: tuple[ChallengeReport, ...] = ()
    """Challenges that have begun, asked for the next turn, or ended with this frame."""
