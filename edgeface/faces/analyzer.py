"""The models of one run, and the way from a picture to an embedding that enrollment and probing share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeface.core.types import Box, DetectionRequest, SearchGrid
from edgeface.faces.align import align
from edgeface.faces.embedder import open_embedder
from edgeface.faces.landmarks import Onet
from edgeface.faces.quality import judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.core.types import Detection, Detector, Embedder, Embedding, Image, Landmarker, Quality
    from edgeface.faces.detectors import DetectorSettings
    from edgeface.faces.settings import EmbedderSettings, QualityLimits


@dataclass(frozen=True, slots=True, eq=False)
class FaceAnalyzer:
    """Detector, landmarker and embedder; not for two threads at once."""

    detector: Detector
    landmarker: Landmarker
    embedder: Embedder
    limits: QualityLimits

    @classmethod
    def open(cls, detector: DetectorSettings, embedder: EmbedderSettings, limits: QualityLimits) -> FaceAnalyzer:
        """Load the models that the settings name; ModelError when one cannot be used."""
        return cls(detector.open(), Onet(), open_embedder(embedder.model), limits)

    def study(self, image: Image, face: Detection) -> tuple[Detection, Quality] | None:
        """Look closely at a face that the detector has found, and judge it; None when there is no face.

        One that is too dark, blurred or cut for its landmarks to be found is given as the detector has it.
        """
        close = self.landmarker.locate(image, face)
        quality = judge(image, close or face, self.limits)
        return None if close is None and quality.reason is None else (close or face, quality)

    def turn(self, image: Image, number: int) -> tuple[Box, ...]:
        """The parts of a picture to search when nothing is known of what has changed: `number` counts the looks."""
        return turn(self.detector.parts(image.shape[1], image.shape[0]), number)

    def faces(self, image: Image, number: int = 0, known: Sequence[Box] = ()) -> list[tuple[Detection, Quality]]:
        """Find the faces of one camera picture and judge each; `number` is as in `turn`, `known` faces are expected."""
        look = DetectionRequest(self.turn(image, number), tuple(known))
        found = (self.study(image, detection) for detection in self.detector.detect(image, look))
        return [face for face in found if face is not None]

    def embed(self, image: Image, detection: Detection) -> Embedding:
        """Embed one face; `detection` comes from the landmarker."""
        return self.embedder.embed(align(image, detection.landmarks))


def turn(parts: SearchGrid, number: int) -> tuple[Box, ...]:
    """The parts for the look of this number, from 0, of those that know of no motion: the whole, then tiles in turn."""
    each = parts.per_frame
    if not parts.tiles or not each:
        return (parts.whole,)
    now = number % (1 - -len(parts.tiles) // each)
    return parts.tiles[(now - 1) * each : now * each] if now else (parts.whole,)
