from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeface.core.errors import ModelError
from edgeface.faces import tflite
from edgeface.faces.tflite import (
    FULL_RANGE_SPARSE,
    SHIPPED,
    SHORT_RANGE,
    Model,
    open_model,
    open_shipped,
)

if TYPE_CHECKING:
    from edgeface.faces.tflite import Shipped

EACH = pytest.mark.parametrize("shipped", SHIPPED, ids=lambda shipped: str(shipped.file))


@EACH
def test_each_shipped_model_opens_with_its_hash_and_shapes(shipped: Shipped) -> None:
    opened = open_shipped(shipped)
    assert opened.sha256 == shipped.sha256
    assert opened.input == shipped.input
    assert opened.outputs == shipped.outputs


@EACH
def test_each_shipped_model_runs_and_gives_finite_numbers(shipped: Shipped) -> None:
    opened = open_shipped(shipped)
    for result, shape in zip(opened.run(np.zeros(shipped.input, np.float32)), shipped.outputs, strict=True):
        assert result.shape == shape
        assert np.isfinite(result).all()


def test_opening_and_running_a_model_writes_nothing() -> None:
    code = (
        "import numpy as np; from edgeface.faces.tflite import EMBEDDER, open_shipped;"
        "open_shipped(EMBEDDER).run(np.zeros(EMBEDDER.input, np.float32))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
    subprocess.run(["/bin/sh", "-c", f"{sys.executable} -c '{code}' 2>&-"], check=True)


@EACH
def test_models_md_names_each_file_with_its_hash_and_shapes(shipped: Shipped) -> None:
    text = (tflite.FOLDER / "MODELS.md").read_text()
    section = next(part for part in re.split(r"(?m)^## ", text) if part.startswith(shipped.file))
    assert f"`{shipped.sha256}`" in section
    for shape in (shipped.input, *shipped.outputs):
        assert " x ".join(str(n) for n in shape) in section


def test_no_other_model_file_ships() -> None:
    assert {path.name for path in tflite.FOLDER.glob("*.tflite")} == {shipped.file for shipped in SHIPPED}


@EACH
def test_one_flipped_bit_refuses_the_file(shipped: Shipped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray((tflite.FOLDER / shipped.file).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / shipped.file).write_bytes(data)
    monkeypatch.setattr(tflite, "FOLDER", tmp_path)
    with pytest.raises(ModelError, match="SHA-256"):
        open_shipped(shipped)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 229_031), bit=st.integers(0, 7))
def test_any_flipped_bit_is_refused_before_the_runtime_sees_it(tmp_path: Path, place: int, bit: int) -> None:
    data = bytearray((tflite.FOLDER / SHORT_RANGE.file).read_bytes())
    data[place] ^= 1 << bit
    (tmp_path / "x.tflite").write_bytes(data)
    with pytest.raises(ModelError, match="SHA-256"):
        open_model(tmp_path / "x.tflite", SHORT_RANGE.sha256)


def test_a_file_without_end_is_refused() -> None:
    with pytest.raises(ModelError, match="not a file"):
        open_model(Path("/dev/zero"))


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "huge.tflite").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(ModelError, match="larger than"):
        open_model(tmp_path / "huge.tflite")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        open_model(tmp_path / "none.tflite")


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        open_model(tmp_path)


def test_another_shape_is_refused() -> None:
    other = replace(SHORT_RANGE, input=FULL_RANGE_SPARSE.input, outputs=FULL_RANGE_SPARSE.outputs)
    with pytest.raises(ModelError, match="shapes are"):
        open_shipped(other)


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\0" * 4096, b"not a model" * 100], ids=repr)
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(ModelError, match="not a usable"):
        Model(data, "x.tflite")


@settings(max_examples=50)
@given(st.binary(max_size=2000))
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(ModelError):
        Model(data, "x.tflite")


@EACH
@pytest.mark.parametrize("share", [0.01, 0.5, 0.9])
def test_a_truncated_model_is_refused(shipped: Shipped, share: float, tmp_path: Path) -> None:
    data = (tflite.FOLDER / shipped.file).read_bytes()
    (tmp_path / "cut.tflite").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelError, match="not a usable"):
        open_model(tmp_path / "cut.tflite")


@pytest.mark.parametrize(("does", "says"), [("os.abort()", "crashes"), ("time.sleep(60)", "still running after 1 s")])
def test_what_crashes_or_hangs_the_runtime_is_refused(does: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tflite, "_TRIAL", f"import os, time\n{does}")
    monkeypatch.setattr(tflite, "_TRIAL_TIMEOUT", 1)
    with pytest.raises(ModelError, match=says):
        open_model(tflite.FOLDER / SHORT_RANGE.file)


@pytest.mark.parametrize(
    ("installed", "numpy", "says"),
    [(set(), "2.0.0", "pip install ai-edge-litert"), ({"tflite_runtime"}, "2.0.0", "needs numpy 1")],
)
def test_a_machine_without_a_runtime_that_works_is_told_what_to_install(
    installed: set[str], numpy: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name in installed else None)
    monkeypatch.setattr(np, "__version__", numpy)
    with pytest.raises(ModelError, match=says):
        open_shipped(SHORT_RANGE)
