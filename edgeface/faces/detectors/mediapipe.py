"""MediaPipe's own FaceDetector, from the mediapipe package.

mediapipe 1.x reports usage to Google: its NOTICE asks you to obtain your users' consent, and its Python API cannot
turn that off. 0.10.35 looks up play.googleapis.com as well; versions up to 0.10.33 do not.
"""

from __future__ import annotations

import atexit
import importlib
import weakref
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from edgeface.core.errors import ModelError
from edgeface.core.installed.place import add_part
from edgeface.core.types import Box, Detection
from edgeface.faces.detectors.base import DetectorBase
from edgeface.faces.protocols import SearchGrid
from edgeface.faces.tflite import FOLDER, FULL_RANGE_SPARSE, SHORT_RANGE, open_shipped

if TYPE_CHECKING:
    from edgeface.core.types import Image
    from edgeface.faces.protocols import DetectionRequest, Detector

_MODELS = {"short_range": SHORT_RANGE, "full_range_sparse": FULL_RANGE_SPARSE}
# They scale BlazeFace's input to -1 to 1.
_MEAN = _STD = 127.5


class MediapipeDetector(DetectorBase):
    """The package's Tasks FaceDetector on whole images; mediapipe 1.x reports usage to Google."""

    type: Literal["mediapipe"]
    model: Literal["short_range", "full_range_sparse"] = "full_range_sparse"
    """short_range finds faces from a fifth of the image's longer side, full_range_sparse from an eighth."""
    score: Annotated[float, Field(gt=0, lt=1, strict=False)] = 0.6
    """Lowest score of a face."""

    def open(self, threads: int = 1) -> Detector:  # noqa: ARG002 - the package decides
        """Load the model; raises ModelError if it is missing or altered, or the package is not installed."""
        shipped = _MODELS[self.model]
        open_shipped(shipped)
        try:
            return _Tasks((FOLDER / shipped.file).read_bytes(), self.score)
        except (ImportError, OSError) as error:
            # OSError: the package links the system's libEGL and libGLESv2.
            libraries = "sudo apt-get install libegl1 libgles2"
            way_out = add_part("mediapipe") if isinstance(error, ImportError) else libraries
            raise ModelError(f"detector mediapipe: {error}: {way_out}") from error


class _Tasks:
    """Not thread-safe."""

    def __init__(self, model: bytes, score: float) -> None:
        package = importlib.import_module("mediapipe")
        tasks = importlib.import_module("mediapipe.tasks.python")
        self._image = package.Image
        self._rgb = package.ImageFormat.SRGB
        options = tasks.vision.FaceDetectorOptions(
            base_options=tasks.BaseOptions(model_asset_buffer=with_metadata(model)),
            min_detection_confidence=score,
        )
        self._detector = tasks.vision.FaceDetector.create_from_options(options)
        atexit.register(_keep_open, weakref.ref(self._detector))

    def grid(self, width: int, height: int) -> SearchGrid:
        """Only the whole image."""
        return SearchGrid(Box(0, 0, width, height))

    def detect(self, image: Image, request: DetectionRequest) -> list[Detection]:
        """Find faces as core.types.Detector describes; boxes are in whole pixels, as the package returns them."""
        if not (request.parts or request.asked or request.glance):
            return []
        wrapped = self._image(image_format=self._rgb, data=np.ascontiguousarray(image))
        found = [_detection(d, image.shape[1], image.shape[0]) for d in self._detector.detect(wrapped).detections]
        return sorted(found, key=lambda d: -d.score)


def _keep_open(reference: weakref.ref[Any]) -> None:
    """Keep the package from closing a detector at interpreter exit: its threads are gone by then, and it fails."""
    detector = reference()
    if detector is not None:
        detector._handle = None  # noqa: SLF001 there is no public way to release it


def with_metadata(model: bytes) -> bytes:
    """The same model with the metadata that Tasks requires: the mean and deviation of its input.

    The package's own metadata writer does not work in its wheels; the schema that they contain does.
    """
    flatbuffers = importlib.import_module("flatbuffers")
    schema = importlib.import_module("mediapipe.tasks.metadata.schema_py_generated")
    content = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(_metadata(flatbuffers), np.uint8)
    entry = schema.MetadataT()
    entry.name, entry.buffer = "TFLITE_METADATA", len(content.buffers)
    content.buffers.append(buffer)
    content.metadata = [*(content.metadata or []), entry]
    builder = flatbuffers.Builder(len(model) + 4096)
    builder.Finish(content.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _metadata(flatbuffers: Any) -> bytes:
    schema = importlib.import_module("mediapipe.tasks.metadata.metadata_schema_py_generated")
    unit = schema.ProcessUnitT()
    unit.optionsType = schema.ProcessUnitOptions.NormalizationOptions
    unit.options = schema.NormalizationOptionsT()
    unit.options.mean, unit.options.std = [_MEAN], [_STD]
    tensor, graph, model = schema.TensorMetadataT(), schema.SubGraphMetadataT(), schema.ModelMetadataT()
    tensor.processUnits = [unit]
    graph.inputTensorMetadata = [tensor]
    model.subgraphMetadata = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"M001")
    return bytes(builder.Output())


def _detection(found: Any, width: int, height: int) -> Detection:
    box = found.bounding_box
    # Tasks truncates left, top, width and height to whole pixels; half a pixel more is the best estimate.
    left, top = box.origin_x + 0.5, box.origin_y + 0.5
    whole = Box(left, top, left + box.width + 0.5, top + box.height + 0.5)
    # Tasks returns key points as fractions of the image.
    landmarks = np.array([[p.x * width, p.y * height] for p in found.keypoints], np.float32)
    return Detection(whole, float(found.categories[0].score), landmarks)
