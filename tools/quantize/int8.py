"""Converts float layers to an int8 model with ai-edge-quantizer.

Pointwise convolutions do 93 % of the arithmetic and become int8, with one scale per output channel. Depthwise
convolutions and PReLUs stay in float: their int8 forms are slower than float on LiteRT (docs/quantisation.md).
"""

from __future__ import annotations

import io
import warnings
from contextlib import contextmanager, redirect_stderr
from typing import TYPE_CHECKING, Any

import numpy as np

from tools.quantize.equalise import equalise
from tools.quantize.flat import result_name, write_network
from tools.quantize.ranges import best_range, observe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.quantize.network import Layer
    from tools.quantize.ranges import Floats

_POINTWISE = "pointwise_.*"
_OPERATION = "CONV_2D"


def dynamic(layers: list[Layer]) -> bytes:
    """Quantise with activation ranges measured at each pixel while the model runs; needs no calibration."""
    quantizer = _quantizer(write_network(layers))
    quantizer.add_dynamic_config(_POINTWISE, _OPERATION, 8)
    return _result(quantizer, None)


def static(layers: list[Layer], tensors: Sequence[Floats]) -> bytes:
    """Quantise with fixed activation ranges, found on `tensors` (1 x 112 x 112 x 3) after equalisation.

    The last layer runs on one pixel and costs nothing, so its ranges are measured while the model runs.
    """
    even = equalise(layers, spans(layers, tensors))
    model = write_network(even)
    quantizer = _quantizer(model)
    quantizer.add_static_config(_POINTWISE, _OPERATION, 8, 8)
    quantizer.add_dynamic_config(f"{result_name(even, len(even) - 1)}$", _OPERATION, 8)
    seen = observe(model, tensors, _quantised(even) + _sums(even))
    with _quiet():
        ranges = quantizer.calibrate({"serving_default": [{"input": tensors[0]}]}, num_threads=1)
    ranges.update({name: _as_range(values) for name, values in seen.items()})
    return _result(quantizer, ranges)


def spans(layers: list[Layer], tensors: Sequence[Floats]) -> list[Floats]:
    """Find the largest absolute value of each channel, for each layer's quantised tensor."""
    names = _quantised(layers)
    seen = observe(write_network(layers), tensors, names + _sums(layers))
    found: list[Floats] = [np.abs(seen[name]).max(axis=0) for name in names]
    for number, layer in enumerate(layers):
        if layer.residual is not None:
            found[number] = np.maximum(found[number], np.abs(seen[f"add_{number:02d}"]).max(axis=0))
    return found


def _quantised(layers: list[Layer]) -> list[str]:
    """Name each layer's quantised tensor: a depthwise layer's is the one after its PReLU."""
    return [
        f"prelu_{number:02d}" if layer.depthwise and layer.slopes is not None else result_name(layers, number)
        for number, layer in enumerate(layers)
    ]


def _sums(layers: list[Layer]) -> list[str]:
    return [f"add_{number:02d}" for number, layer in enumerate(layers) if layer.residual is not None]


def _as_range(values: Floats) -> dict[str, Floats]:
    low, high = best_range(values)
    return {"min": np.full((1, 1, 1, 1), low, np.float32), "max": np.full((1, 1, 1, 1), high, np.float32)}


def _quantizer(model: bytes) -> Any:
    from ai_edge_quantizer.quantizer import Quantizer

    return Quantizer(bytearray(model))


def _result(quantizer: Any, ranges: dict[str, Any] | None) -> bytes:
    with _quiet():
        done = quantizer.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
    return bytes(done.quantized_model)


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress ai-edge-quantizer's progress bars, which it draws regardless, and its warning about memory."""
    with redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors")
        yield
