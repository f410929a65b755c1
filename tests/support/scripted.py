"""A pipeline whose faces are given: what each frame shows is written down, and only decisions are computed."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import cast

import numpy as np

from edgeface.core.types import (
    Box,
    Detection,
    Embedding,
    Frame,
    FrameResult,
    Image,
    Landmarks,
    LookReason,
    Quality,
    RejectReason,
    SpoofReason,
    Stage,
    unmeasured,
)
from edgeface.core.types import Look as LifeLook
from edgeface.faces.analyzer import FaceAnalyzer, InspectedFace
from edgeface.faces.liveness.base import LivenessBase
from edgeface.faces.protocols import DetectionRequest, Detector, LivenessDetector, SearchGrid
from edgeface.recognition.pipeline import Pipeline

FPS = 15.0
BOX = Box(200, 120, 280, 220)
GREY = np.full((480, 640, 3), 110, np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What one frame shows: a face with its embedding, or one that is rejected; the picture matters for cuts only."""

    embedding: Embedding
    box: Box = BOX
    reason: RejectReason | None = None
    image: Image = field(default_factory=lambda: GREY)
    covered: bool = False
    yaw: float = 0.0
    scores: tuple[float, ...] | LookReason = (1.0, 1.0)
    """What a liveness detector says of it, where there is one."""


def turned_landmarks(yaw: float) -> Landmarks:
    """Landmarks whose eyes are as far apart as those of a head that is turned by so many degrees."""
    half = 20 * math.cos(math.radians(yaw))
    return np.array([(100 - half, 100), (100 + half, 100), (100, 120), (100, 144), (0, 0), (0, 0)], np.float32)


@dataclass(slots=True)
class ScriptedFaces:
    """Takes the place of the analyzer; `look` is set before each frame."""

    look: Look | None = None
    liveness: LivenessDetector | None = None
    embedder: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(name="scripted"))

    def grid(self, image: Image) -> SearchGrid:
        return SearchGrid(Box(0, 0, image.shape[1], image.shape[0]))

    def detect(self, _: Image, __: DetectionRequest) -> list[Detection]:
        return [] if self.look is None else [Detection(self.look.box, 0.95, turned_landmarks(self.look.yaw))]

    def inspect(self, _: Image, face: Detection) -> InspectedFace:
        assert self.look is not None
        return InspectedFace(face, Quality(100, 0.8, 0.5, self.look.yaw, 0.0, self.look.reason))

    def template_quality(self, _: Image, face: InspectedFace) -> Quality:
        assert self.look is not None
        return replace(face.quality, reason="covered") if self.look.covered else face.quality

    def embed(self, _: Image, __: Detection) -> Embedding:
        assert self.look is not None
        return self.look.embedding

    def look_at(self, frame: Frame, face: InspectedFace) -> LifeLook | LookReason | None:
        return None if self.liveness is None else self.liveness.look(frame, face.detection, 0.8)

    def measure(self, stage: Stage) -> AbstractContextManager[None]:
        return unmeasured(stage)


class ScriptedDetector:
    """A liveness detector that says what is written down."""

    names: Mapping[str, str] = {}
    reason: SpoofReason = "screen_or_print"

    def __init__(self, faces: ScriptedFaces) -> None:
        self._faces = faces
        self.looks = 0
        """How many faces it has looked at."""

    def look(self, _: Frame, __: Detection, ___: float) -> LifeLook | LookReason:
        assert self._faces.look is not None
        self.looks += 1
        scores = self._faces.look.scores
        return scores if isinstance(scores, str) else LifeLook(scores)


class ScriptedRules(LivenessBase):
    """The rules of a verdict, whose detector is scripted."""

    def open(self, _: Detector) -> LivenessDetector:
        raise NotImplementedError


def analyzer(faces: ScriptedFaces) -> FaceAnalyzer:
    """The scripted faces, as the pipeline takes them."""
    return cast("FaceAnalyzer", faces)


def play(
    pipeline: Pipeline,
    faces: ScriptedFaces,
    looks: Sequence[Look | None],
    start: float = 0.0,
    fps: float = FPS,
    *,
    doubtful: bool = False,
) -> Iterator[FrameResult]:
    """Process one frame for each look from `start`; None is an empty picture."""
    for number, look in enumerate(looks):
        faces.look, now = look, start + number / fps
        image = GREY if look is None else look.image
        yield pipeline.process(Frame("porch", number, now, 1_000.0 + now, image, doubtful))
