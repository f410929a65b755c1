"""A second embedder, made from the shipped one: just as accurate, and its templates mean nothing to the first."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from edgeface.faces.calibration import path_of
from edgeface.faces.tflite import EMBEDDER, FOLDER, _interpreter_class

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 192
"""Numbers of an embedding."""


def other_model(folder: Path, name: str = "other", most: int | None = None) -> Path:
    """Write the embedder and its calibration table; with `most`, level normal holds for about so many people only.

    The channels of the last layer are in reverse order, so that a template has its numbers the other way round.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file, data = folder / f"{name}.tflite", bytearray((FOLDER / EMBEDDER.file).read_bytes())
    for part, width in _last_layer(bytes(data)):
        at = data.find(part)
        rows = [part[n : n + width] for n in range(0, len(part), width)]
        data[at : at + len(part)] = b"".join(reversed(rows))
    file.write_bytes(data)
    table = json.loads(path_of(FOLDER / EMBEDDER.file).read_bytes())
    table["embedder"] = hashlib.sha256(data).hexdigest()
    if most is not None:
        table["rows"] = [row for row in table["rows"] if row[1] * most >= 1e-3] or table["rows"][:1]
        table["estimated"] = []
    path_of(file).write_text(json.dumps(table))
    return file


def _last_layer(data: bytes) -> list[tuple[bytes, int]]:
    """Weights, scales and biases as they are in the file, each with the bytes of one channel."""
    interpreter = _interpreter(data)
    tensors: dict[int, Any] = {one["index"]: one for one in interpreter.get_tensor_details()}
    last = next(
        one
        for one in reversed(interpreter._get_ops_details())
        if one["op_name"] == "CONV_2D" and tensors[one["inputs"][1]]["shape"][0] == SIZE
    )
    weights, biases = (interpreter.get_tensor(one) for one in last["inputs"][1:3])
    scales = tensors[last["inputs"][1]]["quantization_parameters"]["scales"]
    return [(one.tobytes(), len(one.tobytes()) // SIZE) for one in (weights, scales, biases)]


def _interpreter(data: bytes) -> Any:
    made = _interpreter_class()(model_content=data)
    made.allocate_tensors()
    return made
