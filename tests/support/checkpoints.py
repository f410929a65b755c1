"""PyTorch checkpoints of the format before version 1.6, byte by byte, and random weights of the known networks."""

from __future__ import annotations

import math
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeface.faces.models.minifasnet_network import write

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgeface.faces.models.minifasnet_network import Architecture

MAGIC = 0x1950A86A20F9469CFC6C


def head() -> bytes:
    """The three pickles before the tensors."""
    return b"".join(pickle.dumps(value, protocol=2) for value in (MAGIC, 1001, {"protocol_version": 1001}))


def saved(tensors: dict[str, NDArray[Any]]) -> bytes:
    """A checkpoint of these float32 arrays."""
    body = b"\x80\x02ccollections\nOrderedDict\n)R("
    for number, (name, array) in enumerate(tensors.items()):
        body += text(name) + tensor(str(number), array.size, array.shape)
    return head() + body + b"u." + storages(tensors.values())


def storages(arrays: Any) -> bytes:
    """The keys of storages, and their numbers."""
    keys = [str(number) for number, _ in enumerate(arrays)]
    numbers = b"".join(array.size.to_bytes(8, "little") + array.astype("<f4").tobytes() for array in arrays)
    return pickle.dumps(keys, protocol=2) + numbers


def tensor(
    key: str, count: int, shape: tuple[int, ...], strides: tuple[int, ...] | None = None, offset: int = 0
) -> bytes:
    """The operations that describe a tensor of a storage with so many numbers."""
    along = tuple(math.prod(shape[n + 1 :]) for n in range(len(shape))) if strides is None else strides
    storage = text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + integer(count)
    described = b"ctorch._utils\n_rebuild_tensor_v2\n((" + storage + b"NtQ" + integer(offset)
    return described + integers(shape) + integers(along) + b"\x89ccollections\nOrderedDict\n)RtR"


def text(value: str) -> bytes:
    return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()


def integer(value: int) -> bytes:
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def integers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(integer, values)) + b"t"


def weights(architecture: Architecture, seed: int = 5) -> dict[str, NDArray[Any]]:
    """Random tensors of the shapes that a network asks for, such that no layer's numbers grow or vanish."""
    rng, made = np.random.default_rng(seed), {}

    def take(name: str, shape: tuple[int, ...]) -> NDArray[Any]:
        if name.endswith(("running_var", "bn.weight", "bn1.weight", "bn2.weight")):
            drawn = rng.uniform(0.5, 1.5, shape)
        elif "prelu" in name:
            drawn = rng.uniform(0.1, 0.4, shape)
        elif len(shape) > 1:
            drawn = rng.normal(0, math.sqrt(1 / math.prod(shape[1:])), shape)
        else:
            drawn = rng.normal(0, 0.1, shape)
        # The pictures are 0 to 255.
        made[f"module.{name}"] = (drawn / (128 if name == "conv1.conv.weight" else 1)).astype(np.float32)
        return made[f"module.{name}"]

    write(architecture, take)
    return made
