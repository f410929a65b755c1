"""What the pipeline needs of the models: detector, landmarker, liveness detector, embedder, and their requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgeface.core.types import Box, Detection, Embedding, Frame, Image, Look, LookReason, SpoofReason


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


class LivenessDetector(Protocol):
    """Judges whether a face is alive: a presentation attack detector (ISO/IEC 30107-3)."""

    @property
    def names(self) -> Mapping[str, str]:
        """The SHA-256 of its model files, by file; empty without one."""

    @property
    def reason(self) -> SpoofReason:
        """What a verdict `spoof` of this detector means."""

    def look(self, frame: Frame, face: Detection, sharpness: float) -> Look | LookReason:
        """Judge one face of a frame, or give the reason why this frame is not fit for it.

        `face` is in pixels of the whole picture; `sharpness` is that of Quality.
        """


class Embedder(Protocol):
    """Turns an aligned face into its embedding."""

    @property
    def name(self) -> str:
        """The model's name and the first 8 digits of its SHA-256: mobilefacenet-int8:1a2b3c4d."""

    def embed(self, crop: Image) -> Embedding:
        """Embed one aligned 112 x 112 RGB crop."""
