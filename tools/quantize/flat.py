"""Writes a list of layers as a float .tflite file at batch 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.faces.models.tflite_writer import Kernel, TfliteWriter

if TYPE_CHECKING:
    from edgeface.faces.models.tflite_writer import Padding
    from tools.quantize.network import Layer


def write_network(layers: list[Layer], size: int = 112) -> bytes:
    """Write the network for one `size` x `size` x 3 float picture; the same layers give the same bytes."""
    writer = TfliteWriter("edgeface tools/quantize")
    at = writer.input((1, size, size, 3))
    results: list[int] = []
    for number, layer in enumerate(layers):
        kernel, padding = Kernel(layer.weights, layer.bias), _padding(layer)
        convolve = writer.depthwise if layer.depthwise else writer.convolution
        at = convolve(result_name(layers, number), at, kernel, padding, layer.stride)
        if layer.slopes is not None:
            at = writer.prelu(f"prelu_{number:02d}", at, layer.slopes)
        if layer.residual is not None:
            at = writer.add(f"add_{number:02d}", results[layer.residual], at)
        results.append(at)
    return writer.finish(writer.flatten("embedding", at), "embedding")


def result_name(layers: list[Layer], number: int) -> str:
    """Name the output tensor of a layer's convolution, before its PReLU."""
    layer = layers[number]
    kind = "depthwise" if layer.depthwise else "pointwise" if layer.pointwise else "conv"
    return f"{kind}_{number:02d}"


def _padding(layer: Layer) -> Padding:
    return "same" if layer.same else "valid"
