"""What calibration crops show about each tensor: the span of every channel, and the best range for int8."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_STEPS = 255
# Shares of the full range to try; below a third, clipping always costs more than it saves.
_SHARES = np.linspace(1.0, 0.35, 27)
_SAMPLES = 200_000


def observe(model: bytes, tensors: Sequence[Floats], names: Sequence[str]) -> dict[str, Floats]:
    """Run a float model over 1 x 112 x 112 x 3 inputs and return values x channels of the named tensors."""
    # A delegate would not keep its intermediate tensors.
    interpreter = Interpreter(
        model_content=model,
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    index = {d["name"]: d["index"] for d in interpreter.get_tensor_details()}
    source = interpreter.get_input_details()[0]["index"]
    seen: dict[str, list[Floats]] = {name: [] for name in names}
    for tensor in tensors:
        interpreter.set_tensor(source, tensor)
        interpreter.invoke()
        for name in names:
            value = interpreter.get_tensor(index[name])
            seen[name].append(value.reshape(-1, value.shape[-1]))
    return {name: np.concatenate(values) for name, values in seen.items()}


def best_range(values: Floats) -> tuple[float, float]:
    """Find the range, always around zero, whose 255 int8 steps give the smallest mean squared error."""
    sample = values.ravel()[:: max(1, values.size // _SAMPLES)].astype(np.float64)
    lowest, highest = min(0.0, float(values.min())), max(0.0, float(values.max()))
    pairs = [(lowest * share, highest * share) for share in _SHARES]
    low, high = min(pairs, key=lambda pair: _error(sample, *pair))
    return low, high


def _error(sample: NDArray[np.float64], low: float, high: float) -> float:
    step = max(high - low, 1e-12) / _STEPS
    rounded = np.round(np.clip(sample, low, high) / step) * step
    return float(np.mean((rounded - sample) ** 2))
