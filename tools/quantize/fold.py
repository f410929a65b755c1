"""Joins consecutive linear layers: fewer operations, the same function."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tools.quantize.network import Layer


def fold(layers: list[Layer]) -> list[Layer]:
    """Replace two pointwise layers with their product if the first is linear and the product costs less.

    In MobileFaceNet these are the first projection with the second expansion, and the last two layers.
    The product is computed in extended precision. numpy then does not call BLAS, whose order of summation depends on
    the machine, so every machine rounds to the same float32.
    """
    kept: list[Layer] = []
    place: dict[int, int] = {}
    for number, layer in enumerate(layers):
        moved = layer if layer.residual is None else replace(layer, residual=place[layer.residual])
        if kept and not _is_residual(layers, number - 1) and _pays(kept[-1], moved):
            kept[-1] = _product(kept[-1], moved)
        else:
            kept.append(moved)
        place[number] = len(kept) - 1
    return kept


def _is_residual(layers: list[Layer], number: int) -> bool:
    return any(layer.residual == number for layer in layers)


def _pays(first: Layer, second: Layer) -> bool:
    if not (first.pointwise and second.pointwise and first.stride == second.stride == 1):
        return False
    if first.slopes is not None or first.residual is not None:
        return False
    return bool(second.channels * first.weights.shape[3] <= first.weights.size + second.weights.size)


def _product(first: Layer, second: Layer) -> Layer:
    one, two = (layer.weights[:, 0, 0].astype(np.longdouble) for layer in (first, second))
    weights = (two @ one).astype(np.float32)[:, np.newaxis, np.newaxis]
    bias = (two @ first.bias + second.bias).astype(np.float32)
    return replace(second, weights=weights, bias=bias)
