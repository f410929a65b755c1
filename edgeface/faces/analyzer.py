"""The models of one run, and the path from a picture to an embedding that enrollment and recognition share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from edgeface.core.types import Box, Detection, Quality, unmeasured
from edgeface.faces import covered
from edgeface.faces.embedder import align, open_embedder
from edgeface.faces.landmarks import Onet
from edgeface.faces.protocols import DetectionRequest, SearchGrid
from edgeface.faces.quality import judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.core.types import Embedding, Frame, Image, Look, LookReason, Measure
    from edgeface.faces.detectors import DetectorSettings
    from edgeface.faces.liveness.base import LivenessBase
    from edgeface.faces.protocols import Detector, Embedder, Landmarker, LivenessDetector
    from edgeface.faces.settings import EmbedderSettings, QualityLimits


class InspectedFace(NamedTuple):
    """A face with its landmarks and its quality."""

    detection: Detection
    quality: Quality


@dataclass(frozen=True, slots=True, eq=False)
class FaceAnalyzer:
    """Detector, landmarker and embedder; not for two threads at once."""

    detector: Detector
    landmarker: Landmarker
    embedder: Embedder
    limits: QualityLimits
    liveness: LivenessDetector | None = None
    """None: nothing is judged."""
    measure: Measure = unmeasured
    """Measures each stage, the pipeline's included."""

    @classmethod
    def open(
        cls,
        detector: DetectorSettings,
        embedder: EmbedderSettings,
        limits: QualityLimits,
        liveness: LivenessBase | None = None,
    ) -> FaceAnalyzer:
        """Load the models that the settings name. Raises ModelError if one cannot be used."""
        covered.load()
        finder = detector.open()
        looks = None if liveness is None else liveness.open(finder)
        return cls(finder, Onet(), open_embedder(embedder.model), limits, looks)

    def grid(self, image: Image) -> SearchGrid:
        """How the detector divides pictures of this size."""
        return self.detector.grid(image.shape[1], image.shape[0])

    def detect(self, image: Image, request: DetectionRequest) -> list[Detection]:
        """Find the faces of `image`, best first."""
        with self.measure("detect"):
            return self.detector.detect(image, request)

    def inspect(self, image: Image, face: Detection) -> InspectedFace | None:
        """Locate the landmarks of a detected face and judge its quality; None when there is no face.

        Where the landmarks of a face that is too dark, blurred or cut cannot be located, the detector's are kept.
        """
        with self.measure("landmark"):
            located = self.landmarker.locate(image, face)
        quality = judge(image, located or face, self.limits)
        return None if located is None and quality.reason is None else InspectedFace(located or face, quality)

    def template_quality(self, image: Image, face: InspectedFace) -> Quality:
        """The quality of a face that is to become a template, which must not be covered either.

        A gallery of covered faces accepts others far more often than stated; covered probes do not.
        """
        detection, quality = face
        if quality.reason is not None:
            return quality
        hidden = covered.hidden_part(align(image, detection.landmarks))
        return quality if hidden is None else replace(quality, reason="covered", hidden=hidden)

    def embed(self, image: Image, detection: Detection) -> Embedding:
        """Embed one face; `detection` comes from `inspect`."""
        crop = align(image, detection.landmarks)
        with self.measure("embed"):
            return self.embedder.embed(crop)

    def look_at(self, frame: Frame, face: InspectedFace) -> Look | LookReason | None:
        """Judge whether a face is alive, in pixels of the frame's whole picture; None without a liveness detector."""
        if self.liveness is None:
            return None
        with self.measure("look"):
            return self.liveness.look(frame, face.detection, face.quality.sharpness)

    def faces(self, image: Image, number: int = 0, known: Sequence[Box] = ()) -> list[InspectedFace]:
        """Find and inspect the faces of one picture; `number` is as in `round_robin`, `known` faces are expected."""
        request = DetectionRequest(self.round_robin(image, number), tuple(known))
        found = (self.inspect(image, detection) for detection in self.detect(image, request))
        return [face for face in found if face is not None]

    def round_robin(self, image: Image, number: int) -> tuple[Box, ...]:
        """The parts of this picture to search in the search of this number; see the function."""
        return round_robin(self.grid(image), number)


def round_robin(grid: SearchGrid, number: int) -> tuple[Box, ...]:
    """The parts to search where motion is not known, by the search's number from 0: the whole, then tiles in turn."""
    each = grid.per_frame
    if not grid.tiles or not each:
        return (grid.whole,)
    turn = number % (1 - -len(grid.tiles) // each)
    return grid.tiles[(turn - 1) * each : turn * each] if turn else (grid.whole,)
