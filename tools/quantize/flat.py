"""Writes a list of layers as a float .tflite file at batch 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flatbuffers  # type: ignore[import-untyped] # it ships no types
import numpy as np
from ai_edge_litert import schema_py_generated as schema

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tools.quantize.network import Layer

_IDENTIFIER = b"TFL3"
_SCHEMA_VERSION = 3


class _Writer:
    def __init__(self) -> None:
        self._codes: list[int] = []
        self._buffers = [_make(schema.BufferT, data=None)]
        self._tensors: list[Any] = []
        self._operators: list[Any] = []

    def tensor(self, name: str, shape: tuple[int, ...], value: NDArray[Any] | None = None) -> int:
        """Add a tensor, constant if `value` is given, and return its index."""
        kind = schema.TensorType.INT32 if value is not None and value.dtype == np.int32 else 0
        buffer = 0
        if value is not None:
            raw = np.frombuffer(np.ascontiguousarray(value).tobytes(), np.uint8)
            self._buffers.append(_make(schema.BufferT, data=raw))
            buffer = len(self._buffers) - 1
        made = _make(schema.TensorT, name=name, shape=list(shape), type=kind, buffer=buffer, hasRank=True)
        self._tensors.append(made)
        return len(self._tensors) - 1

    def operator(self, code: int, inputs: list[int], output: int, kind: int = 0, options: Any = None) -> None:
        """Add one operation; `kind` and `options` are its builtin options."""
        if code not in self._codes:
            self._codes.append(code)
        made = _make(
            schema.OperatorT,
            opcodeIndex=self._codes.index(code),
            inputs=inputs,
            outputs=[output],
            builtinOptionsType=kind,
            builtinOptions=options,
        )
        self._operators.append(made)

    def model(self, source: int, result: int) -> bytes:
        """Close the graph between two tensors and return the file."""
        codes = [_make(schema.OperatorCodeT, builtinCode=c, deprecatedBuiltinCode=c, version=1) for c in self._codes]
        graph = _make(
            schema.SubGraphT,
            name="main",
            tensors=self._tensors,
            operators=self._operators,
            inputs=[source],
            outputs=[result],
        )
        signature = _make(
            schema.SignatureDefT,
            signatureKey="serving_default",
            subgraphIndex=0,
            inputs=[_make(schema.TensorMapT, name="input", tensorIndex=source)],
            outputs=[_make(schema.TensorMapT, name="embedding", tensorIndex=result)],
        )
        model = _make(
            schema.ModelT,
            version=_SCHEMA_VERSION,
            description="edgeface tools/quantize",
            operatorCodes=codes,
            subgraphs=[graph],
            buffers=self._buffers,
            signatureDefs=[signature],
        )
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
        return bytes(builder.Output())


def write_network(layers: list[Layer], size: int = 112) -> bytes:
    """Write the network for one `size` x `size` x 3 float picture; the same layers give the same bytes."""
    writer = _Writer()
    source = writer.tensor("input", (1, size, size, 3))
    results: list[int] = []
    current, side = source, size
    for number, layer in enumerate(layers):
        side = _side(side, layer)
        shape = (1, side, side, layer.channels)
        current = _convolve(writer, layer, result_name(layers, number), current, shape)
        if layer.slopes is not None:
            current = _prelu(writer, layer.slopes, number, current, shape)
        if layer.residual is not None:
            current = _add(writer, number, [results[layer.residual], current], shape)
        results.append(current)
    return writer.model(source, _flatten(writer, current, layers[-1].channels * side * side))


def result_name(layers: list[Layer], number: int) -> str:
    """Name the output tensor of a layer's convolution, before its PReLU."""
    layer = layers[number]
    kind = "depthwise" if layer.depthwise else "pointwise" if layer.pointwise else "conv"
    return f"{kind}_{number:02d}"


def _side(side: int, layer: Layer) -> int:
    kernel = 1 if layer.same else layer.weights.shape[1]
    return (side - kernel) // layer.stride + 1


def _convolve(writer: _Writer, layer: Layer, name: str, source: int, shape: tuple[int, ...]) -> int:
    weights = writer.tensor(f"{name}/weights", layer.weights.shape, layer.weights)
    bias = writer.tensor(f"{name}/bias", layer.bias.shape, layer.bias)
    result = writer.tensor(name, shape)
    common = {
        "padding": schema.Padding.SAME if layer.same else schema.Padding.VALID,
        "strideW": layer.stride,
        "strideH": layer.stride,
        "dilationWFactor": 1,
        "dilationHFactor": 1,
    }
    code, kinds = schema.BuiltinOperator, schema.BuiltinOptions
    if layer.depthwise:
        options = _make(schema.DepthwiseConv2DOptionsT, depthMultiplier=1, **common)
        arguments = (code.DEPTHWISE_CONV_2D, kinds.DepthwiseConv2DOptions)
    else:
        options = _make(schema.Conv2DOptionsT, **common)
        arguments = (code.CONV_2D, kinds.Conv2DOptions)
    writer.operator(arguments[0], [source, weights, bias], result, arguments[1], options)
    return result


def _prelu(writer: _Writer, slopes: NDArray[np.float32], number: int, source: int, shape: tuple[int, ...]) -> int:
    constant = writer.tensor(f"prelu_{number:02d}/slopes", (1, 1, len(slopes)), slopes)
    result = writer.tensor(f"prelu_{number:02d}", shape)
    writer.operator(schema.BuiltinOperator.PRELU, [source, constant], result)
    return result


def _add(writer: _Writer, number: int, sources: list[int], shape: tuple[int, ...]) -> int:
    result = writer.tensor(f"add_{number:02d}", shape)
    options = _make(schema.AddOptionsT, potScaleInt16=False)
    writer.operator(schema.BuiltinOperator.ADD, sources, result, schema.BuiltinOptions.AddOptions, options)
    return result


def _flatten(writer: _Writer, source: int, size: int) -> int:
    shape = writer.tensor("flat/shape", (2,), np.array([1, size], np.int32))
    result = writer.tensor("embedding", (1, size))
    options = _make(schema.ReshapeOptionsT, newShape=[1, size])
    writer.operator(
        schema.BuiltinOperator.RESHAPE, [source, shape], result, schema.BuiltinOptions.ReshapeOptions, options
    )
    return result


def _make(kind: Any, **fields: Any) -> Any:
    made = kind()
    for name, value in fields.items():
        setattr(made, name, value)
    return made
