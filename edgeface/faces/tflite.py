"""Opens .tflite files with LiteRT or tflite-runtime, and checks their hashes and shapes."""

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

from edgeface.core.errors import ModelError, system_reason
from edgeface.core.files import read_at_most

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_PACKAGE = Path(__file__).parents[1]
# A wheel has models/ inside the package, a checkout next to it.
FOLDER = next((f for f in (_PACKAGE / "models", _PACKAGE.parent / "models") if f.is_dir()), _PACKAGE / "models")

# A hundred times the shipped embedder; a wrong path must not fill the memory.
_MAX_BYTES = 128 << 20
_TOO_LARGE = f"larger than {_MAX_BYTES >> 20} MiB: too large for a small machine"
# Seconds to start Python and run once; the shipped embedder takes 0.3 (x86-64, LiteRT 2.3.0).
_TRIAL_TIMEOUT = 30

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shipped:
    """A model file that ships with edgeface; models/MODELS.md lists the sources."""

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

CALIBRATION_SHA256 = "f61726e09cdeca39e3881373808e06a52aa08b33ede49c3aad155dd4313cb344"
"""Of the shipped calibration table: with lower thresholds, anyone could be taken for someone enrolled."""

SHIPPED = (SHORT_RANGE, FULL_RANGE_SPARSE, ONET, EMBEDDER)
"""Every model that ships with edgeface."""


class Model:
    """One interpreter with one input; not for two threads at once."""

    def __init__(self, data: bytes, name: str, threads: int = 1) -> None:
        interpreter = _interpreter_class()
        try:
            with _quiet():
                self._interpreter: Any = interpreter(model_content=data, num_threads=threads)
                self._interpreter.allocate_tensors()
            taken: dict[str, Any] = self._interpreter.get_input_details()[0]
            given: list[dict[str, Any]] = self._interpreter.get_output_details()
        except (ValueError, RuntimeError, IndexError) as error:
            raise ModelError(f"{name}: not a usable .tflite file ({_first_line(error)})") from error
        self.name = name
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.input: Shape = tuple(map(int, taken["shape"]))
        self.outputs: tuple[Shape, ...] = tuple(tuple(map(int, output["shape"])) for output in given)
        """Shapes of the tensors, in the file's order."""
        self.floats = all(tensor["dtype"] is np.float32 for tensor in (taken, *given))
        """Whether the input and all outputs are float32."""
        self._input: int = taken["index"]
        self._outputs: list[int] = [output["index"] for output in given]

    def run(self, tensor: NDArray[Any]) -> list[NDArray[Any]]:
        """Run once; `tensor` has the input's shape and dtype, the results are copies in the file's order."""
        self._interpreter.set_tensor(self._input, tensor)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(output) for output in self._outputs]


def open_shipped(shipped: Shipped, threads: int = 1) -> Model:
    """Open a shipped model. Raises ModelError if its hash or shape is wrong."""
    model = open_model(FOLDER / shipped.file, shipped.sha256, threads)
    if (model.input, model.outputs) != (shipped.input, shipped.outputs):
        expected = f"expected {shipped.input} -> {shipped.outputs}"
        raise ModelError(f"{model.name}: shapes are {model.input} -> {model.outputs}, {expected}")
    return model


def open_model(path: Path, sha256: str | None = None, threads: int = 1) -> Model:
    """Open a .tflite file. Raises ModelError if its SHA-256 is not the expected one.

    The hash is checked before LiteRT reads the file: a crafted one can crash the process there (models/MODELS.md).
    Without a hash, the file is first tried in a separate process; if that crashes or hangs, ModelError is raised.
    """
    data = read_model(path)
    if sha256 is None:
        _try_out(data, path.name)
    else:
        check_hash(path, data, sha256)
    return Model(data, path.name, threads)


def check_hash(path: Path, data: bytes, sha256: str) -> None:
    """Raise ModelError if these bytes of a file have another SHA-256."""
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise ModelError(f"{path}: SHA-256 is {found[:16]}..., expected {sha256[:16]}...; install it again")


def read_model(path: Path, most: int = _MAX_BYTES, excess: str = _TOO_LARGE) -> bytes:
    """The bytes of a model file or its table. Raises ModelError if it cannot be read, or has more than `most` bytes."""
    try:
        data = read_at_most(path, most)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({system_reason(error)})") from error
    if len(data) > most:
        raise ModelError(f"{path}: {excess}")
    return data


_TRIAL = """
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


def _try_out(data: bytes, name: str) -> None:
    """Run a file without a known hash in a separate process, where it can do no harm.

    tflite-runtime 2.14 does not check the structure of a file: four models, each truncated at five places and opened
    four times, crashed it 55 times of 80; LiteRT 2.1.0 and 2.3.0 rejected them all.
    """
    command = [sys.executable, "-c", _TRIAL.format(module=_interpreter_class().__module__)]
    try:
        # In another folder, because Python would import files of the current one.
        child = subprocess.run(command, input=data, capture_output=True, timeout=_TRIAL_TIMEOUT, cwd="/", check=False)
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{name}: not a usable .tflite file (still running after {_TRIAL_TIMEOUT} s)") from error
    except OSError as error:
        raise ModelError(f"{name}: cannot be tried in a separate process ({system_reason(error)})") from error
    if child.returncode:
        output = child.stdout.decode(errors="replace").splitlines() or ["it crashes the TFLite runtime"]
        raise ModelError(f"{name}: not a usable .tflite file ({output[0][:200]})")


def _interpreter_class() -> Any:
    for package in ("ai_edge_litert", "tflite_runtime"):
        if importlib.util.find_spec(package) is None:
            continue
        # Built for numpy 1; with numpy 2 it can be imported, but fails later without an explanation.
        if package == "tflite_runtime" and not np.__version__.startswith("1."):
            raise ModelError("tflite-runtime needs numpy 1: pip install ai-edge-litert (or 'numpy<2')")
        try:
            return importlib.import_module(f"{package}.interpreter").Interpreter
        except ImportError as error:
            raise ModelError(f"{package}: cannot be loaded ({_first_line(error)})") from error
    raise ModelError("no TFLite runtime: pip install ai-edge-litert (or tflite-runtime with numpy 1)")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep out of our log what LiteRT writes to file descriptor 2 (that it has created a delegate).

    It has no option for that, and reports errors as exceptions as well.
    """
    try:
        kept = os.dup(2)
    except OSError:
        # Started without a standard error, so there is nothing to keep out.
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
