"""MobileFaceNet as a list of layers, read from a float .tflite file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_CODE_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
_CONVOLUTIONS = {"CONV_2D": False, "DEPTHWISE_CONV_2D": True}


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A convolution with everything that follows it up to the next one: y = prelu(conv(x)) + residual.

    `weights` are out x height x width x in; for a depthwise convolution, 1 x height x width x channels.
    """

    depthwise: bool
    weights: Floats
    bias: Floats
    stride: int
    same: bool
    """Padding: SAME if true, VALID if false."""
    slopes: Floats | None = None
    """Slopes of the PReLU, one per channel; None if the layer is linear."""
    residual: int | None = None
    """The layer whose result is added to this one's."""

    @property
    def pointwise(self) -> bool:
        """Whether this is a 1 x 1 convolution over all channels."""
        return not self.depthwise and self.weights.shape[1:3] == (1, 1)

    @property
    def channels(self) -> int:
        """Number of channels of the result."""
        return len(self.bias)


@dataclass(frozen=True, slots=True, eq=False)
class _Operator:
    name: str
    inputs: tuple[int, ...]
    output: int
    options: Any


class _File:
    """The single graph of a .tflite file, with its constants as arrays."""

    def __init__(self, data: bytes) -> None:
        self._model = schema.ModelT.InitFromPackedBuf(data, 0)
        self._graph = self._model.subgraphs[0]

    def operators(self) -> Iterator[_Operator]:
        codes = [max(c.builtinCode, c.deprecatedBuiltinCode) for c in self._model.operatorCodes]
        for operator in self._graph.operators:
            name = _CODE_NAMES[codes[operator.opcodeIndex]]
            inputs = tuple(int(i) for i in operator.inputs)
            yield _Operator(name, inputs, int(operator.outputs[0]), operator.builtinOptions)

    def constant(self, tensor: int) -> Floats | None:
        found = self._graph.tensors[tensor]
        raw = self._model.buffers[found.buffer].data
        if raw is None or found.type != schema.TensorType.FLOAT32:
            return None
        values: Floats = np.frombuffer(bytes(raw), np.float32).reshape(found.shape)
        return values


def read_network(data: bytes) -> list[Layer]:
    """Read a chain of convolutions, decomposed PReLUs and residual additions.

    The file expresses a PReLU as relu(x) + c * (x - abs(x)), whose slope is 2 c.
    ValueError if the file contains anything else.
    """
    file = _File(data)
    layers: list[Layer] = []
    made_by: dict[int, int] = {}
    halves: dict[int, Floats] = {}
    for operator in file.operators():
        sources = [made_by[i] for i in operator.inputs if i in made_by]
        if operator.name in _CONVOLUTIONS:
            layers.append(_convolution(file, operator))
            if len(layers) > 1 and sources != [len(layers) - 2]:
                raise ValueError("the network is not a chain")
        elif operator.name == "MUL":
            half = file.constant(operator.inputs[0])
            if half is None:
                raise ValueError("a MUL has no constant")
            halves[operator.output] = half.reshape(-1)
        elif operator.name == "ADD":
            layers[-1] = _addition(layers[-1], operator, sources, halves)
        elif operator.name not in {"RELU", "ABS", "SUB", "RESHAPE"}:
            raise ValueError(f"{operator.name} is not expected")
        made_by[operator.output] = len(layers) - 1
    return layers


def _convolution(file: _File, operator: _Operator) -> Layer:
    weights, bias = file.constant(operator.inputs[1]), file.constant(operator.inputs[2])
    options = operator.options
    if weights is None or bias is None or options.fusedActivationFunction:
        raise ValueError("a convolution does not have the expected form")
    depthwise = _CONVOLUTIONS[operator.name]
    return Layer(depthwise, weights, bias, int(options.strideH), options.padding == schema.Padding.SAME)


def _addition(layer: Layer, operator: _Operator, sources: list[int], halves: dict[int, Floats]) -> Layer:
    half = next((halves[i] for i in operator.inputs if i in halves), None)
    if half is not None:
        return replace(layer, slopes=2 * half)
    return replace(layer, residual=min(sources))
