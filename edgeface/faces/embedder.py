"""An aligned face to its embedding, with MobileFaceNet or another model of the same form."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from edgeface.core.errors import ModelError
from edgeface.faces.tflite import EMBEDDER, open_model, open_shipped, read_model

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.core.types import Embedding, Image
    from edgeface.faces.tflite import Model

SIZE = 112
"""Height and width of the crop, in pixels."""

_MEAN, _SCALE = np.float32(127.5), np.float32(1 / 128)


class Mobilefacenet:
    """An Embedder that wraps a model from 1 x 112 x 112 x 3 floats, RGB as (x - 127.5) / 128, to 1 x N floats.

    The scaling is that of sirius-ai/MobileFaceNet_TF, which the shipped model descends from.
    A model of another shape is a ModelError.
    """

    def __init__(self, model: Model) -> None:
        if model.input != (1, SIZE, SIZE, 3) or len(model.outputs) != 1 or not _is_vector(model.outputs[0]):
            raise ModelError(
                f"{model.name}: shapes are {model.input} -> {model.outputs}, "
                f"an embedder has {(1, SIZE, SIZE, 3)} -> ((1, N),)"
            )
        if not model.floats:
            raise ModelError(f"{model.name}: takes or gives integers; an embedder's input and output are float32")
        self._model = model
        self._name = _called(model.name, model.sha256)

    @property
    def name(self) -> str:
        """The model's file name without its ending, and the first 8 digits of its SHA-256."""
        return self._name

    @property
    def size(self) -> int:
        """How many numbers an embedding has."""
        return self._model.outputs[0][1]

    def embed(self, crop: Image) -> Embedding:
        """Embed one aligned 112 x 112 RGB crop; the result is float32 of length one.

        A crop of another shape is a ValueError; a model that gives no direction is a ModelError.
        """
        if crop.shape != (SIZE, SIZE, 3):
            raise ValueError(f"a crop is {SIZE} x {SIZE} x 3, not {crop.shape}")
        tensor = (crop.astype(np.float32)[np.newaxis] - _MEAN) * _SCALE
        vector: Embedding = self._model.run(tensor)[0][0]
        length = float(np.linalg.norm(vector))
        if not np.isfinite(length) or length == 0:
            raise ModelError(f"{self._model.name}: gives no usable embedding; install the model again")
        unit: Embedding = vector / np.float32(length)
        return unit


def embedder_name(path: Path | None = None) -> str:
    """Name the embedder that `open_embedder` gives, without loading it; ModelError when its file cannot be read."""
    if path is None:
        return _called(EMBEDDER.file, EMBEDDER.sha256)
    return _called(path.name, hashlib.sha256(read_model(path)).hexdigest())


def open_embedder(path: Path | None = None, threads: int = 1) -> Mobilefacenet:
    """Open the embedder that ships, or another one from `path`; ModelError when it cannot be used."""
    if path is None:
        return Mobilefacenet(open_shipped(EMBEDDER, threads))
    return Mobilefacenet(open_model(path, threads=threads))


def _called(file: str, sha256: str) -> str:
    return f"{file.removesuffix('.tflite').replace('_', '-')}:{sha256[:8]}"


def _is_vector(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 and shape[0] == 1 and shape[1] > 1  # noqa: PLR2004 - batch and size
