"""Opens any .tflite file: hash and shapes checked, on LiteRT or tflite-runtime."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeface.core.errors import ModelError
from edgeface.core.files import read_at_most

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_PACKAGE = Path(__file__).parents[1]
# The wheel carries models/ inside the package; a checkout has it beside the package.
FOLDER = next((f for f in (_PACKAGE / "models", _PACKAGE.parent / "models") if f.is_dir()), _PACKAGE / "models")

# A hundred times the shipped embedder; keeps a wrong path from filling the memory.
_LARGEST = 128 << 20
# Seconds for Python's start and one run; the shipped embedder takes 0.3 (x86-64, LiteRT 2.3.0).
_PATIENCE = 30

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shipped:
    """A model file that comes with edgeface; models/MODELS.md says where each is from."""

    file: str
    sha256: str
    input: Shape
    outputs: tuple[Shape, ...]


SHORT_RANGE = Shipped(
    "blazeface_short_range.tflite",
    "3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633",
    (1, 128, 128, 3),
    ((1, 896, 16), (1, 896, 1)),
)
FULL_RANGE_SPARSE = Shipped(
    "blazeface_full_range_sparse.tflite",
    "671dd2f9ed11a78436fc21cc42357a803dfc6f73e9fb86541be942d5716c2dce",
    (1, 192, 192, 3),
    ((1, 2304, 16), (1, 2304, 1)),
)
ONET = Shipped(
    "onet.tflite",
    "946543640bd17e5275f442646422a4816441bb00897439a69bc9ea5fcf1fe601",
    (1, 48, 48, 3),
    ((1, 2), (1, 4), (1, 10)),
)
EMBEDDER = Shipped(
    "mobilefacenet_int8.tflite",
    "1fdadcb90294b1c55c6f26aa4d2fdc1302b0e155a9497e0bf2e1b3f0f5d8abdb",
    (1, 112, 112, 3),
    ((1, 192),),
)

CALIBRATION_SHA256 = "48187f5c3d3b46eafbe0277ce164f3ccf1e1eebd477ecf7ea71f00a4df45839c"
"""Of the calibration table that ships: whoever could lower its thresholds could let in anybody."""

SHIPPED = (SHORT_RANGE, FULL_RANGE_SPARSE, ONET, EMBEDDER)
"""Every model that comes with edgeface."""


class Model:
    """One interpreter with one input; not for two threads at once."""

    def __init__(self, data: bytes, name: str, threads: int = 1) -> None:
        interpreter = _interpreter_class()
        try:
            with _quiet():
                self._interpreter: Any = interpreter(model_content=data, num_threads=threads)
                self._interpreter.allocate_tensors()
            self._input: dict[str, Any] = self._interpreter.get_input_details()[0]
            self._outputs: list[dict[str, Any]] = self._interpreter.get_output_details()
        except (ValueError, RuntimeError, IndexError) as error:
            raise ModelError(f"{name}: not a usable .tflite file ({_first_line(error)})") from error
        self.name = name
        self.sha256 = hashlib.sha256(data).hexdigest()

    @property
    def input(self) -> Shape:
        """Shape of the input tensor."""
        return tuple(int(n) for n in self._input["shape"])

    @property
    def outputs(self) -> tuple[Shape, ...]:
        """Shapes of the output tensors, in the file's order."""
        return tuple(tuple(int(n) for n in output["shape"]) for output in self._outputs)

    @property
    def floats(self) -> bool:
        """Whether the input and all outputs are float32."""
        return all(tensor["dtype"] is np.float32 for tensor in (self._input, *self._outputs))

    def run(self, tensor: NDArray[Any]) -> list[NDArray[Any]]:
        """Run once; `tensor` has the input's shape and dtype, the results are copies in the file's order."""
        self._interpreter.set_tensor(self._input["index"], tensor)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(output["index"]) for output in self._outputs]


def open_shipped(shipped: Shipped, threads: int = 1) -> Model:
    """Open a model that comes with edgeface; a wrong hash or shape is a ModelError."""
    model = open_model(FOLDER / shipped.file, shipped.sha256, threads)
    require_shape(model, shipped.input, shipped.outputs)
    return model


def open_model(path: Path, sha256: str | None = None, threads: int = 1) -> Model:
    """Open a .tflite file, and refuse it when its SHA-256 is not the one that is expected.

    The hash is checked before LiteRT sees the file: a crafted one can crash the process there (models/MODELS.md).
    Without a hash the file is first run in a process of its own, and what crashes or hangs that is a ModelError.
    """
    data = read_model(path)
    found = hashlib.sha256(data).hexdigest()
    if sha256 is None:
        _rehearse(data, path.name)
    elif found != sha256:
        raise ModelError(f"{path}: SHA-256 is {found[:16]}..., expected {sha256[:16]}...; install it again")
    return Model(data, path.name, threads)


def require_shape(model: Model, wanted: Shape, outputs: Sequence[Shape]) -> None:
    """Raise ModelError unless the model's input and outputs have these shapes."""
    if model.input != tuple(wanted) or model.outputs != tuple(outputs):
        raise ModelError(
            f"{model.name}: shapes are {model.input} -> {model.outputs}, expected {wanted} -> {tuple(outputs)}"
        )


def read_model(path: Path) -> bytes:
    """The bytes of a model file; ModelError when it cannot be read, or is too large for a small machine."""
    try:
        data = read_at_most(path, _LARGEST)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    if len(data) > _LARGEST:
        raise ModelError(f"{path}: larger than {_LARGEST >> 20} MiB, which is no embedder for a small machine")
    return data


_REHEARSAL = """
import sys, numpy
from {module} import Interpreter
try:
    interpreter = Interpreter(model_content=sys.stdin.buffer.read(), num_threads=1)
    interpreter.allocate_tensors()
    for tensor in interpreter.get_input_details():
        interpreter.set_tensor(tensor["index"], numpy.zeros(tensor["shape"], tensor["dtype"]))
    interpreter.invoke()
except Exception as error:
    print(error)
    sys.exit(1)
"""


def _rehearse(data: bytes, name: str) -> None:
    """Run a file that nobody has pinned where it can do no harm.

    tflite-runtime 2.14 does not check a file's structure: four models, each cut off at five places and opened four
    times, crashed it 55 times of 80; LiteRT 2.1.0 and 2.3.0 refused them all.
    """
    command = [sys.executable, "-c", _REHEARSAL.format(module=_interpreter_class().__module__)]
    try:
        # Elsewhere than here, for Python would import what lies in the folder it is started from.
        child = subprocess.run(command, input=data, capture_output=True, timeout=_PATIENCE, cwd="/", check=False)
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{name}: not a usable .tflite file (still running after {_PATIENCE} s)") from error
    except OSError as error:
        raise ModelError(f"{name}: cannot be tried in a process of its own ({error.strerror})") from error
    if child.returncode:
        said = child.stdout.decode(errors="replace").splitlines() or ["it crashes the TFLite runtime"]
        raise ModelError(f"{name}: not a usable .tflite file ({said[0][:200]})")


def _interpreter_class() -> Any:
    for package in ("ai_edge_litert", "tflite_runtime"):
        if importlib.util.find_spec(package) is None:
            continue
        # Built for numpy 1; with numpy 2 it imports, and then fails with an error that explains nothing.
        if package == "tflite_runtime" and not np.__version__.startswith("1."):
            raise ModelError("tflite-runtime needs numpy 1: pip install ai-edge-litert (or 'numpy<2')")
        try:
            return importlib.import_module(f"{package}.interpreter").Interpreter
        except ImportError as error:
            raise ModelError(f"{package}: cannot be loaded ({_first_line(error)})") from error
    raise ModelError("no TFLite runtime: pip install ai-edge-litert (or tflite-runtime with numpy 1)")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what LiteRT writes to file descriptor 2 by itself (that it has made a delegate) out of our log.

    It has no switch for that, and its errors come as exceptions too.
    """
    try:
        kept = os.dup(2)
    except OSError:
        # Started without a standard error: nobody reads it.
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - os.devnull is no Path
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
