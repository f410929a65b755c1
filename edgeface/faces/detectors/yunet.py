"""OpenCV's YuNet, with a model file that the user provides."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from edgeface.core.errors import ModelError, system_reason
from edgeface.core.types import Box, Detection
from edgeface.faces.detectors.base import DetectorBase
from edgeface.faces.protocols import SearchGrid

if TYPE_CHECKING:
    from edgeface.core.types import Image
    from edgeface.faces.protocols import DetectionRequest, Detector


class YunetDetector(DetectorBase):
    """cv2.FaceDetectorYN; finds faces from about 20 px on, with more CPU per frame than blazeface."""

    type: Literal["yunet"]
    model: Path = Field(strict=False)
    """The .onnx file, such as face_detection_yunet_2023mar.onnx of OpenCV's model zoo."""
    score: Annotated[float, Field(gt=0, lt=1, strict=False)] = 0.7
    """Lowest score of a face."""
    width: Annotated[int, Field(ge=64, le=4096)] = 640
    """Wider images are scaled down to this width first."""

    def open(self, threads: int = 1) -> Detector:  # noqa: ARG002 - OpenCV decides
        """Load the model; raises ModelError if the file is missing or not a YuNet that this OpenCV can run."""
        return _Yunet(self)


class _Yunet:
    """Not thread-safe."""

    def __init__(self, settings: YunetDetector) -> None:
        self._width = settings.width
        self._net = _load(settings)
        self._size = (0, 0)

    def grid(self, width: int, height: int) -> SearchGrid:
        """Only the whole image."""
        return SearchGrid(Box(0, 0, width, height))

    def detect(self, image: Image, request: DetectionRequest) -> list[Detection]:
        """Find faces as core.types.Detector describes; boxes are YuNet's, from chin to hairline."""
        if not (request.parts or request.asked or request.glance):
            return []
        from edgeface.imaging.opencv import cv2

        scale = min(1.0, self._width / image.shape[1])
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
        size = (small.shape[1], small.shape[0])
        if size != self._size:
            self._net.setInputSize(size)
            self._size = size
        # YuNet was trained on BGR.
        _, rows = self._net.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        zoom = np.array([image.shape[1] / size[0], image.shape[0] / size[1]], np.float32)
        found = [] if rows is None else [_detection(row, zoom) for row in rows]
        return sorted(found, key=lambda d: -d.score)


def _load(settings: YunetDetector) -> Any:
    from edgeface.imaging.opencv import cv2

    try:
        with settings.model.open("rb"):
            pass
    except OSError as error:
        raise ModelError(f"{settings.model}: cannot be read ({system_reason(error)})") from error
    try:
        net = cv2.FaceDetectorYN.create(str(settings.model), "", (320, 320), settings.score)
        net.detect(np.zeros((320, 320, 3), np.uint8))
    except cv2.error as error:
        raise ModelError(f"{settings.model}: not a YuNet model that OpenCV {cv2.__version__} can run") from error
    return net


def _detection(row: Any, zoom: Any) -> Detection:
    """A row of left, top, width, height, 5 points and score (opencv/modules/objdetect, face_detect.cpp)."""
    left, top = row[:2] * zoom
    width, height = row[2:4] * zoom
    eyes_nose, corners = row[4:10].reshape(3, 2) * zoom, row[10:14].reshape(2, 2) * zoom
    landmarks = np.full((6, 2), np.nan, np.float32)
    landmarks[:3] = eyes_nose
    landmarks[3] = corners.mean(axis=0)
    box = Box(float(left), float(top), float(left + width), float(top + height))
    return Detection(box, min(1.0, float(row[14])), landmarks)
