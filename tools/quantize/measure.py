"""How close a quantised model is to the float one, layer by layer, and what each costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgeface.core.clock import thread_cpu
from edgeface.faces.tflite import Model
from tools.quantize.flat import result_name, write_network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from tools.quantize.network import Layer

    Floats = NDArray[np.float32]

_ROUNDS = 40
_CALLS = 5


def outputs(model: bytes, tensors: Sequence[Floats]) -> Floats:
    """Run a model over 1 x 112 x 112 x 3 inputs; one row of results per input."""
    runner = Model(model, "model")
    rows: Floats = np.concatenate([runner.run(tensor)[0].reshape(1, -1) for tensor in tensors])
    return rows


def cosines(one: Floats, other: Floats) -> Floats:
    """Cosine of each row of one with the same row of the other."""
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    result: Floats = np.sum(one * other, axis=1) / lengths
    return result


def by_layer(
    layers: list[Layer], tensors: Sequence[Floats], quantise: Callable[[list[Layer]], bytes]
) -> Iterator[tuple[str, float]]:
    """Yield each pointwise layer's name, with the mean cosine to float of the network's output up to there.

    Each network is cut after the layer and quantised again, so the kernels are those that run in production.
    """
    for number, layer in enumerate(layers):
        if layer.pointwise:
            part = layers[: number + 1]
            near = cosines(outputs(write_network(part), tensors), outputs(quantise(part), tensors))
            yield result_name(layers, number), float(near.mean())


def cpu_times(models: Sequence[bytes], tensor: Floats) -> list[float]:
    """Median CPU milliseconds of one call of each model, one thread, the models taking turns."""
    runners = [Model(data, "model") for data in models]
    times: list[list[float]] = [[] for _ in runners]
    for _ in range(_ROUNDS):
        for runner, spent in zip(runners, times, strict=True):
            start = thread_cpu()
            for _ in range(_CALLS):
                runner.run(tensor)
            spent.append((thread_cpu() - start) / _CALLS * 1000)
    return [float(np.median(spent)) for spent in times]
