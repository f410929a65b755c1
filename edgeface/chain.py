"""The models of one run, and the way from a picture to an embedding that enrollment and probing share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeface.align import align
from edgeface.embedder import open_embedder
from edgeface.onet import Onet
from edgeface.quality import judge
from edgeface.schedule import turn
from edgeface.types import Look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.settings import Configuration, QualityLimits
    from edgeface.types import Box, Detection, Detector, Embedder, Embedding, Image, Landmarker, Quality


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """Detector, landmarker and embedder; not for two threads at once."""

    detector: Detector
    landmarker: Landmarker
    embedder: Embedder
    limits: QualityLimits

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
        look = Look(self.turn(image, number), tuple(known))
        found = (self.study(image, detection) for detection in self.detector.detect(image, look))
        return [face for face in found if face is not None]

    def embed(self, image: Image, detection: Detection) -> Embedding:
        """Embed one face; `detection` comes from the landmarker."""
        return self.embedder.embed(align(image, detection.landmarks))


def open_chain(configuration: Configuration) -> Chain:
    """Load the models that the configuration names; ModelError when one cannot be used."""
    return Chain(
        configuration.detector.open(), Onet(), open_embedder(configuration.embedder.model), configuration.quality
    )
