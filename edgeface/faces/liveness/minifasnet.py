"""Screens and prints by two small networks: one sees the face, the other what is around it.

The networks and the crops are those of github.com/minivision-ai/Silent-Face-Anti-Spoofing (Apache-2.0), commit
b6d5f04a: src/anti_spoof_predict.py and src/generate_patches.py. The user brings the weights (docs/liveness.md).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from pydantic import Field

from edgeface.core.errors import ModelError
from edgeface.core.types import Look
from edgeface.faces.liveness.base import LivenessBase
from edgeface.faces.models.known import MINIFASNET_V1SE, MINIFASNET_V2
from edgeface.faces.tflite import check_hash, open_model, read_model

if TYPE_CHECKING:
    from edgeface.core.types import Box, Detection, Frame, Image, LookReason, SpoofReason
    from edgeface.faces.models.known import KnownModel
    from edgeface.faces.protocols import Detector
    from edgeface.faces.tflite import Model

SIDE = 80
"""Pixels of a crop."""
NEAR, WIDE = 2.7, 4.0
"""How many times the face each network sees."""

# BlazeFace's box as the square that the networks were trained with: RetinaFace draws it larger and higher.
_LARGER, _HIGHER = 1.05, 0.045

LEAST_ROOM = 1.3
"""The near crop must be at least so many times the face. Below, 29 % of the frames of living faces fail and 5 % of the
attacks pass; above, 5 to 12 % and 0 to 1 % (docs/liveness.md)."""

LEAST_SHARPNESS = 0.7
"""Quality.sharpness that 95 % of the frames of the measured clips reach; of blurred living faces, a third fail."""

# Of the three classes, the one of living faces.
_LIVING = 1


class MinifasnetLiveness(LivenessBase):
    """Looks at the face and at its surroundings, in the very frame that is embedded."""

    type: Literal["minifasnet"] = "minifasnet"
    near: Path = Field(strict=False)
    """The .tflite file of minifasnet-v2, as `edgeface models add` writes it."""
    wide: Path = Field(strict=False)
    """The .tflite file of minifasnet-v1se."""

    def open(self, _detector: "Detector") -> "Minifasnet":
        """Load both models. Raises ModelError if one is not the file that it should be."""
        near, wide = (open_model(path, known.converted) for path, known in self._files().values())
        return Minifasnet(near, wide)

    def problems(self) -> Iterator[tuple[str, str]]:
        """The keys whose files cannot be used, and why."""
        for key, (path, known) in self._files().items():
            try:
                check_hash(path, read_model(path), known.converted)
            except ModelError as error:
                yield key, f"{error} (edgeface models add FOLDER/{known.file})"

    def _files(self) -> Mapping[str, tuple[Path, "KnownModel"]]:
        return {"near": (self.near, MINIFASNET_V2), "wide": (self.wide, MINIFASNET_V1SE)}


class Crop(NamedTuple):
    """The part of a picture that one network sees, in whole pixels; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int
    scale: float
    """How many times the face it is."""


class Minifasnet:
    """The two networks; not for two threads at once."""

    reason: "SpoofReason" = "screen_or_print"
    names: Mapping[str, str] = {
        MINIFASNET_V2.installed: MINIFASNET_V2.converted,
        MINIFASNET_V1SE.installed: MINIFASNET_V1SE.converted,
    }

    def __init__(self, near: "Model", wide: "Model") -> None:
        self._near, self._wide = near, wide

    def look(self, frame: "Frame", face: "Detection", sharpness: float) -> "Look | LookReason":
        """Judge one face of a frame; `close` without room around it, `blurred` if it is not sharp."""
        image = frame.image
        height, width = image.shape[:2]
        # The crops were measured with the detector's box. The landmarker's is up to a fifth larger where a face is
        # small, and the wide network then sees less of what is around it.
        box = face.found or face.box
        near = crop(box, width, height, NEAR)
        if near.scale < LEAST_ROOM:
            return "close"
        if sharpness < LEAST_SHARPNESS:
            return "blurred"
        return Look((_score(self._near, image, near), _score(self._wide, image, crop(box, width, height, WIDE))))


def crop(box: "Box", width: int, height: int, scale: float) -> Crop:
    """The crop of `scale` times a face in a picture of this size.

    It is moved inside where it would reach over the edge, and smaller only if the picture is.
    """
    side = _LARGER * max(box.width, box.height)
    x, y = box.centre[0], box.centre[1] - _HIGHER * side
    scale = min(scale, (width - 1) / side, (height - 1) / side)
    left, right = _inside(x, scale * side, width)
    top, bottom = _inside(y, scale * side, height)
    return Crop(left, top, right, bottom, scale)


def _inside(middle: float, size: float, most: int) -> tuple[int, int]:
    start = min(max(0.0, middle - size / 2), most - 1 - size)
    return max(0, int(start)), min(most, int(start + size) + 1)


def _score(model: "Model", image: "Image", part: Crop) -> float:
    from edgeface.imaging.opencv import cv2

    cut = image[part.top : part.bottom, part.left : part.right]
    small = cv2.resize(cut, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    # The colours in the order that the networks know: in the other one, 13 % of the frames of attacks pass.
    shares = model.run(np.ascontiguousarray(small[None, :, :, ::-1], np.float32))[0][0]
    living = float(shares[_LIVING])
    return living if np.isfinite(living) else 0.0
