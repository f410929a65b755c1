"""The networks MiniFASNetV2 and MiniFASNetV1SE: from their published weights to a .tflite file.

After src/model_lib/MiniFASNet.py of github.com/minivision-ai/Silent-Face-Anti-Spoofing (Apache-2.0), commit b6d5f04a.
The networks are chains of inverted residual blocks as in MobileFaceNet (Chen et al., arXiv:1804.07573) with pruned
widths; V1SE ends each stage with squeeze and excitation (Hu et al., arXiv:1709.01507).

Batch norms are folded into the convolutions in float64, number by number, which every machine rounds alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from edgeface.core.errors import ModelError
from edgeface.core.text import printable
from edgeface.faces.models.checkpoint import read_checkpoint
from edgeface.faces.models.tflite_writer import Kernel, TfliteWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edgeface.faces.models.tflite_writer import Padding

    Floats = NDArray[np.float32]
    Take: TypeAlias = Callable[[str, tuple[int, ...]], Floats]

SIZE = 80
"""Height and width of the input, in pixels."""
CLASSES = 3
"""Of the output: two kinds of attacks, and a face in the middle (test.py: `label == 1`)."""

_STEM, _LAST, _EMBEDDING = 32, 512, 128
# The side that is left of the picture after four strides of two.
_LAST_KERNEL = SIZE // 16
# PyTorch's default of BatchNorm2d, which the networks use.
_EPSILON = 1e-5
# The weights were saved from a DataParallel, which puts this before each name.
_PREFIX = "module."


class _Stage(NamedTuple):
    """Blocks of one width that follow each other."""

    name: str
    width: int
    """Channels between its blocks."""
    residual: bool
    """Whether each block adds its input; otherwise it is one block that halves the picture."""


_STAGES = (
    _Stage("conv_23", 64, residual=False),
    _Stage("conv_3", 64, residual=True),
    _Stage("conv_34", 128, residual=False),
    _Stage("conv_4", 128, residual=True),
    _Stage("conv_45", 128, residual=False),
    _Stage("conv_5", 128, residual=True),
)


@dataclass(frozen=True, slots=True)
class Architecture:
    """What one network has of its own."""

    name: str
    inner: tuple[tuple[int, ...], ...]
    """The channels inside each block, by stage."""
    excitation: int | None = None
    """By how much squeeze and excitation reduces the channels; None: there is none."""


V2 = Architecture("MiniFASNetV2", ((103,), (13, 13, 13, 13), (231,), (231, 52, 26, 77, 26, 26), (308,), (26, 26)))
V1SE = Architecture(
    "MiniFASNetV1SE", ((103,), (13, 26, 13, 52), (231,), (154, 52, 26, 52, 26, 26), (308,), (26, 26)), excitation=4
)


def convert(architecture: Architecture, data: bytes, name: str) -> bytes:
    """The .tflite file of a checkpoint's bytes, always the same; see `write`.

    Raises ModelError, which begins with `name`, if they are not the weights of this network.
    """
    weights = _Weights(read_checkpoint(data, name), name)
    written = write(architecture, weights.take)
    weights.require_empty()
    return written


def write(architecture: Architecture, take: Take) -> bytes:
    """The .tflite file of a network, from 1 x 80 x 80 x 3 BGR of 0 to 255 to 1 x 3 shares that add up to one.

    `take` returns a tensor of the network by its name, in the shape that PyTorch gives it.
    """
    writer = TfliteWriter(f"{architecture.name}, written by edgeface")
    network = _Network(writer, take)
    at = network.convolution("conv1", writer.input((1, SIZE, SIZE, 3)), _STEM, kernel=3, stride=2, prelu=True)
    at = network.depthwise("conv2_dw", at, prelu=True)
    for stage, inner in zip(_STAGES, architecture.inner, strict=True):
        at = network.stage(stage, inner, at, architecture.excitation)
    at = network.convolution("conv_6_sep", at, _LAST, prelu=True)
    at = network.depthwise("conv_6_dw", at, kernel=_LAST_KERNEL)
    at = writer.flatten("flat", at)
    return writer.finish(network.classes(at), "classes")


class _Weights:
    """The tensors of a checkpoint, each taken once."""

    def __init__(self, tensors: dict[str, NDArray[Any]], name: str) -> None:
        self._left = tensors
        self._name = name

    def take(self, name: str, shape: tuple[int, ...]) -> Floats:
        """A tensor of finite float32 numbers. Raises ModelError if it is missing, or has another shape."""
        found = self._left.pop(f"{_PREFIX}{name}", None)
        if found is None:
            raise ModelError(f"{self._name}: not the weights of this network: {name} is missing")
        if found.shape != shape or found.dtype != np.float32:
            raise ModelError(f"{self._name}: not the weights of this network: {name} is {found.shape}, not {shape}")
        if not np.isfinite(found).all():
            raise ModelError(f"{self._name}: {name} has numbers that are not finite")
        return found

    def require_empty(self) -> None:
        """Raise ModelError if a tensor was not taken, other than counters of the training."""
        if left := [name for name in self._left if not name.endswith(".num_batches_tracked")]:
            raise ModelError(f"{self._name}: not the weights of this network: {printable(left[0])} has no place in it")


class _Network:
    """Adds layers with their folded weights to a graph; names are those of the checkpoint."""

    def __init__(self, writer: TfliteWriter, take: Take) -> None:
        self._writer = writer
        self._take = take

    def stage(self, stage: _Stage, inner: tuple[int, ...], source: int, excitation: int | None) -> int:
        """The blocks of one stage."""
        if not stage.residual:
            return self._block(stage.name, source, inner[0], stage.width, stride=2)
        at = source
        for number, channels in enumerate(inner):
            name = f"{stage.name}.model.{number}"
            made = self._block(name, at, channels, stage.width, stride=1)
            if excitation is not None and number == len(inner) - 1:
                made = self._excite(f"{name}.se_module", made, excitation)
            at = self._writer.add(f"{name}.sum", at, made)
        return at

    def _block(self, name: str, source: int, inner: int, width: int, stride: int) -> int:
        at = self.convolution(f"{name}.conv", source, inner, prelu=True)
        at = self.depthwise(f"{name}.conv_dw", at, stride=stride, prelu=True)
        return self.convolution(f"{name}.project", at, width)

    def _excite(self, name: str, source: int, reduction: int) -> int:
        channels = self._writer.shape(source)[-1]
        at = self._writer.mean(f"{name}.mean", source)
        for number, size, last in ((1, channels // reduction, False), (2, channels, True)):
            weights = self._take(f"{name}.fc{number}.weight", (size, self._writer.shape(at)[-1], 1, 1))
            folded = self._folded(weights, f"{name}.bn{number}")
            at = self._writer.convolution(f"{name}.fc{number}", at, _channels_last(folded), "valid", relu=not last)
        return self._writer.multiply(f"{name}.product", source, self._writer.sigmoid(f"{name}.factors", at))

    def convolution(
        self, name: str, source: int, channels: int, *, kernel: int = 1, stride: int = 1, prelu: bool = False
    ) -> int:
        """A convolution over all channels, and its batch norm."""
        weights = self._take(f"{name}.conv.weight", (channels, self._writer.shape(source)[-1], kernel, kernel))
        folded = _channels_last(self._folded(weights, f"{name}.bn"))
        at, padding = self._padded(name, source, kernel, stride)
        at = self._writer.convolution(name, at, folded, padding, stride)
        return self._prelu(name, at) if prelu else at

    def depthwise(self, name: str, source: int, *, kernel: int = 3, stride: int = 1, prelu: bool = False) -> int:
        """A convolution of each channel by itself, and its batch norm."""
        weights = self._take(f"{name}.conv.weight", (self._writer.shape(source)[-1], 1, kernel, kernel))
        folded, bias = self._folded(weights, f"{name}.bn")
        at, padding = self._padded(name, source, kernel, stride)
        at = self._writer.depthwise(name, at, Kernel(folded.transpose(1, 2, 3, 0), bias), padding, stride)
        return self._prelu(name, at) if prelu else at

    def classes(self, source: int) -> int:
        """The two layers after the convolutions, and the shares of the classes."""
        linear = self._take("linear.weight", (_EMBEDDING, _LAST))
        at = self._writer.fully_connected("linear", source, *self._folded(linear, "bn"))
        at = self._writer.fully_connected("prob", at, self._take("prob.weight", (CLASSES, _EMBEDDING)))
        return self._writer.softmax("classes", at)

    def _padded(self, name: str, source: int, kernel: int, stride: int) -> tuple[int, Padding]:
        """What a kernel of 3 needs around the picture: PyTorch pads both sides, also where the stride is 2."""
        if kernel != 3:  # noqa: PLR2004 - the others have no border
            return source, "valid"
        return (source, "same") if stride == 1 else (self._writer.pad(f"{name}.padded", source, 1), "valid")

    def _prelu(self, name: str, source: int) -> int:
        slopes = self._take(f"{name}.prelu.weight", self._writer.shape(source)[-1:])
        return self._writer.prelu(f"{name}.prelu", source, slopes)

    def _folded(self, weights: Floats, norm: str) -> Kernel:
        """Weights and bias of a layer together with its batch norm; outputs are the first axis."""
        parts = ("weight", "bias", "running_mean", "running_var")
        scale, shift, mean, variance = (self._take(f"{norm}.{part}", (len(weights),)).astype(float) for part in parts)
        factors = scale / np.sqrt(variance + _EPSILON)
        folded = weights * factors.reshape(-1, *[1] * (weights.ndim - 1))
        return Kernel(folded.astype(np.float32), (shift - mean * factors).astype(np.float32))


def _channels_last(kernel: Kernel) -> Kernel:
    """Weights of out x in x height x width as out x height x width x in."""
    return kernel._replace(weights=kernel.weights.transpose(0, 2, 3, 1))
