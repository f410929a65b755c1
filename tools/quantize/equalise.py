"""Cross-layer channel equalisation: gives every channel its share of an int8 range, exactly.

A convolution, a PReLU and a residual addition commute with a positive factor per channel, so a channel that is
divided by one layer and multiplied back by the next leaves the network's function unchanged (Nagel et al.,
Data-Free Quantization, arXiv:1906.04721, section 4.1; PReLU is positively homogeneous as ReLU is).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tools.quantize.network import Layer

    Floats = NDArray[np.float32]

# A channel that is nearly always zero must not be scaled up to a full range.
_FAINTEST = 1e-2


def equalise(layers: Sequence[Layer], spans: Sequence[Floats]) -> list[Layer]:
    """Rescale channels so that those of one quantised tensor have similar spans.

    `spans[k]` holds, for each channel of layer k, the largest absolute value of the tensor that is quantised
    there: before the PReLU for a pointwise layer, after it for a depthwise one.
    """
    done = list(layers)
    for group in _groups(layers):
        factors = _factors(done, group, spans)
        for number in group:
            done[number] = _divided(done[number], factors)
        for number in sorted({n + 1 for n in group if n + 1 < len(done)}):
            done[number] = _multiplied(done[number], factors)
    return done


def _groups(layers: Sequence[Layer]) -> list[list[int]]:
    """Layers that share their channels' factors: one alone, or all that residual additions tie together."""
    groups: list[list[int]] = []
    for number, layer in enumerate(layers[:-1]):
        if layer.residual is None:
            groups.append([number])
        else:
            next(group for group in groups if layer.residual in group).append(number)
    return [group for group in groups if layers[group[0] + 1].pointwise or layers[group[0]].pointwise]


def _factors(layers: Sequence[Layer], group: Sequence[int], spans: Sequence[Floats]) -> Floats:
    span = np.max([spans[number] for number in group], axis=0)
    span = np.maximum(span, _FAINTEST * span.max())
    first = layers[group[0] + 1]
    if first.depthwise:
        # The next layer stays in float: it can absorb the whole imbalance without loss.
        factors = span
    else:
        # The next layer's weights are int8 as well: both errors are equal at the square root of the quotient.
        columns = np.max([_columns(layers[number + 1]) for number in group if number + 1 < len(layers)], axis=0)
        factors = np.sqrt(span / np.maximum(columns, _FAINTEST * columns.max()))
    scaled: Floats = (factors / np.exp(np.mean(np.log(factors)))).astype(np.float32)
    return scaled


def _columns(layer: Layer) -> Floats:
    """The largest weight of each input channel, each row as a share of its own largest."""
    rows = np.abs(layer.weights[:, 0, 0])
    largest: Floats = (rows / np.maximum(rows.max(axis=1, keepdims=True), np.float32(1e-12))).max(axis=0)
    return largest


def _divided(layer: Layer, factors: Floats) -> Layer:
    shape = (1, 1, 1, -1) if layer.depthwise else (-1, 1, 1, 1)
    return replace(layer, weights=layer.weights / factors.reshape(shape), bias=layer.bias / factors)


def _multiplied(layer: Layer, factors: Floats) -> Layer:
    return replace(layer, weights=layer.weights * factors)
