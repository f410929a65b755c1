"""Writes a float network as a .tflite file at batch 1; the same calls give the same bytes.

The numbers of operations, options and fields are those of the format's schema (LiteRT, schema.fbs, version 3).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from edgeface.faces.models.flatbuffer import Number, Table, serialised

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Shape = tuple[int, ...]

_IDENTIFIER, _SCHEMA = b"TFL3", 3
_FLOAT32, _INT32 = 0, 2
_RELU = 1

Padding = Literal["same", "valid"]
_PADDINGS: Mapping[str, int] = {"same": 0, "valid": 1}


class _Operation(NamedTuple):
    """The number of an operation, and that of its options; 0 if it has none."""

    code: int
    options: int = 0


ADD = _Operation(0, 11)
CONVOLUTION = _Operation(3, 1)
DEPTHWISE = _Operation(4, 2)
FULLY_CONNECTED = _Operation(9, 8)
SIGMOID = _Operation(14)
MULTIPLY = _Operation(18, 21)
RESHAPE = _Operation(22, 17)
SOFTMAX = _Operation(25, 9)
PAD = _Operation(34, 22)
MEAN = _Operation(40, 27)
PRELU = _Operation(54)


class Kernel(NamedTuple):
    """The constants of a convolution."""

    weights: Floats
    bias: Floats
    """One number for each channel of the result."""


class TfliteWriter:
    """A graph that grows by one operation a call; tensors are known by their index.

    Convolutions take pictures of 1 x height x width x channels. Operations name the tensor that they give.
    """

    def __init__(self, description: str) -> None:
        self._description = description
        self._operations: list[_Operation] = []
        # By the format's rule the first buffer is empty: tensors without constant numbers refer to it.
        self._buffers = [Table()]
        self._tensors: list[Table] = []
        self._shapes: list[Shape] = []
        self._operators: list[Table] = []

    def shape(self, tensor: int) -> Shape:
        """The shape of a tensor."""
        return self._shapes[tensor]

    def input(self, shape: Shape) -> int:
        """Add the network's input."""
        return self._tensor("input", shape)

    def convolution(
        self, name: str, source: int, kernel: Kernel, padding: Padding, stride: int = 1, *, relu: bool = False
    ) -> int:
        """Convolve with weights of out x height x width x in."""
        options = Table({0: _pad(padding), 1: _int(stride), 2: _int(stride), 3: Number("Int8", _RELU * relu)})
        return self._convolve(CONVOLUTION, name, source, kernel, padding, stride, options)

    def depthwise(self, name: str, source: int, kernel: Kernel, padding: Padding, stride: int = 1) -> int:
        """Convolve each channel by itself, with weights of 1 x height x width x channels."""
        options = Table({0: _pad(padding), 1: _int(stride), 2: _int(stride), 3: _int(1)})
        return self._convolve(DEPTHWISE, name, source, kernel, padding, stride, options)

    def prelu(self, name: str, source: int, slopes: Floats) -> int:
        """Multiply what is below zero with the slope of its channel."""
        constant = self._constant(f"{name}/slopes", slopes.reshape(1, 1, -1))
        return self._operator(PRELU, name, [source, constant], self.shape(source))

    def add(self, name: str, one: int, other: int) -> int:
        """Add two tensors of one shape."""
        return self._operator(ADD, name, [one, other], self.shape(other), Table({1: Number("Bool", 0)}))

    def multiply(self, name: str, source: int, factors: int) -> int:
        """Multiply with one factor a channel, 1 x 1 x 1 x channels."""
        return self._operator(MULTIPLY, name, [source, factors], self.shape(source), Table())

    def pad(self, name: str, source: int, border: int) -> int:
        """Put zeros around a picture on all four sides."""
        around = self._constant(f"{name}/borders", np.array([[0, 0], [border] * 2, [border] * 2, [0, 0]], np.int32))
        _, height, width, channels = self.shape(source)
        shape = (1, height + 2 * border, width + 2 * border, channels)
        return self._operator(PAD, name, [source, around], shape, Table())

    def mean(self, name: str, source: int) -> int:
        """The mean of each channel: 1 x 1 x 1 x channels."""
        axes = self._constant(f"{name}/axes", np.array([1, 2], np.int32))
        shape = (1, 1, 1, self.shape(source)[-1])
        return self._operator(MEAN, name, [source, axes], shape, Table({0: Number("Bool", 1)}))

    def sigmoid(self, name: str, source: int) -> int:
        """1 / (1 + exp(-x))."""
        return self._operator(SIGMOID, name, [source], self.shape(source))

    def softmax(self, name: str, source: int) -> int:
        """Shares of exp(x) that add up to one."""
        return self._operator(SOFTMAX, name, [source], self.shape(source), Table({0: Number("Float32", 1)}))

    def flatten(self, name: str, source: int) -> int:
        """All numbers as 1 x N."""
        size = math.prod(self.shape(source))
        shape = self._constant("flat/shape", np.array([1, size], np.int32))
        return self._operator(RESHAPE, name, [source, shape], (1, size), Table({0: [1, size]}))

    def fully_connected(self, name: str, source: int, weights: Floats, bias: Floats | None = None) -> int:
        """Multiply 1 x in with weights of out x in, and add the bias."""
        inputs = [source, self._constant(f"{name}/weights", weights)]
        # -1 stands for an input that is left out.
        inputs.append(-1 if bias is None else self._constant(f"{name}/bias", bias))
        return self._operator(FULLY_CONNECTED, name, inputs, (1, len(weights)), Table())

    def finish(self, result: int, signature: str) -> bytes:
        """Close the graph between its input, the first tensor, and `result`; returns the file.

        `signature` is the name of the result in the file's signature.
        """
        codes = [Table({0: Number("Int8", one.code), 2: _int(1), 3: _int(one.code)}) for one in self._operations]
        graph = Table({0: self._tensors, 1: [0], 2: [result], 3: self._operators, 4: "main"})
        taken, given = (Table({0: n, 1: Number("Uint32", t)}) for n, t in (("input", 0), (signature, result)))
        signatures = [Table({0: [taken], 1: [given], 2: "serving_default"})]
        model = Table({0: Number("Uint32", _SCHEMA), 1: codes, 2: [graph], 3: self._description})
        model[4], model[7] = self._buffers, signatures
        return serialised(model, _IDENTIFIER)

    def _convolve(
        self,
        operation: _Operation,
        name: str,
        source: int,
        kernel: Kernel,
        padding: Padding,
        stride: int,
        options: Table,
    ) -> int:
        _, height, width, _ = self.shape(source)
        lost = (0, 0) if padding == "same" else (kernel.weights.shape[1] - 1, kernel.weights.shape[2] - 1)
        shape = (1, (height - lost[0] - 1) // stride + 1, (width - lost[1] - 1) // stride + 1, len(kernel.bias))
        constants = [self._constant(f"{name}/{part}", value) for part, value in kernel._asdict().items()]
        return self._operator(operation, name, [source, *constants], shape, options)

    def _operator(
        self, operation: _Operation, name: str, inputs: list[int], shape: Shape, options: Table | None = None
    ) -> int:
        result = self._tensor(name, shape)
        if operation not in self._operations:
            self._operations.append(operation)
        made = Table({0: Number("Uint32", self._operations.index(operation)), 1: inputs, 2: [result]})
        if options is not None:
            made[3], made[4] = Number("Uint8", operation.options), options
        self._operators.append(made)
        return result

    def _constant(self, name: str, value: NDArray[Any]) -> int:
        kind = _INT32 if value.dtype == np.int32 else _FLOAT32
        little = value.astype(value.dtype.newbyteorder("<"))
        self._buffers.append(Table({0: little.tobytes()}))
        return self._tensor(name, value.shape, kind, len(self._buffers) - 1)

    def _tensor(self, name: str, shape: Shape, kind: int = _FLOAT32, buffer: int = 0) -> int:
        made = Table({0: list(shape), 1: Number("Int8", kind), 2: Number("Uint32", buffer)})
        made[3], made[8] = name, Number("Bool", 1)
        self._tensors.append(made)
        self._shapes.append(shape)
        return len(self._tensors) - 1


def _int(value: int) -> Number:
    return Number("Int32", value)


def _pad(padding: Padding) -> Number:
    return Number("Int8", _PADDINGS[padding])
