"""A pipeline whose faces are given: what each frame shows is written down, and only decisions are computed."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import cast

import numpy as np

from edgeface.core.types import (
    Box,
    Detection,
    DetectionRequest,
    Embedding,
    Frame,
    FrameResult,
    Image,
    Quality,
    RejectReason,
    SearchGrid,
    Stage,
    unmeasured,
)
from edgeface.faces.analyzer import FaceAnalyzer, InspectedFace
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


@dataclass(slots=True)
class ScriptedFaces:
    """Takes the place of the analyzer; `look` is set before each frame."""

    look: Look | None = None
    embedder: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(name="scripted"))

    def grid(self, image: Image) -> SearchGrid:
        return SearchGrid(Box(0, 0, image.shape[1], image.shape[0]))

    def detect(self, _: Image, __: DetectionRequest) -> list[Detection]:
        return [] if self.look is None else [Detection(self.look.box, 0.95, np.zeros((5, 2), np.float32))]

    def inspect(self, _: Image, face: Detection) -> InspectedFace:
        assert self.look is not None
        return InspectedFace(face, Quality(100, 0.8, 0.5, 0.0, 0.0, self.look.reason))

    def template_quality(self, _: Image, face: InspectedFace) -> Quality:
        assert self.look is not None
        return replace(face.quality, reason="covered") if self.look.covered else face.quality

    def embed(self, _: Image, __: Detection) -> Embedding:
        assert self.look is not None
        return self.look.embedding

    def measure(self, stage: Stage) -> AbstractContextManager[None]:
        return unmeasured(stage)


def analyzer(faces: ScriptedFaces) -> FaceAnalyzer:
    """The scripted faces, as the pipeline takes them."""
    return cast("FaceAnalyzer", faces)


def play(
    pipeline: Pipeline, faces: ScriptedFaces, looks: Sequence[Look | None], start: float = 0.0, fps: float = FPS
) -> Iterator[FrameResult]:
    """Process one frame for each look from `start`; None is an empty picture."""
    for number, look in enumerate(looks):
        faces.look, now = look, start + number / fps
        image = GREY if look is None else look.image
        yield pipeline.process(Frame("porch", number, now, 1_000.0 + now, image))
