"""Models and tables that somebody has touched, and formats that could run code."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgeface.faces import covered, tflite
from edgeface.faces.calibration import path_of

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "edgeface").rglob("*.py"), *(ROOT / "tools").rglob("*.py")])
FILES = [*(shipped.file for shipped in tflite.SHIPPED), path_of(Path(tflite.EMBEDDER.file)).name, covered.FILE]
# Whatever of these reads a file can run what is in it.
FORBIDDEN = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


@pytest.mark.parametrize("file", FILES)
def test_one_changed_byte_in_any_model_or_table_ends_the_daemon_with_78(file: str, tmp_path: Path, python: str) -> None:
    (tmp_path / "edgeface").symlink_to(ROOT / "edgeface")
    shutil.copytree(tflite.FOLDER, tmp_path / "models")
    data = bytearray((tmp_path / "models" / file).read_bytes())
    place = int(np.random.default_rng(len(data)).integers(len(data)))
    # A digit stays a digit, so that the table stays a table.
    data[place] ^= 1
    (tmp_path / "models" / file).write_bytes(data)
    config = tmp_path / "config.yaml"
    config.write_text(f"data: {tmp_path / 'data'}\ncameras: {{porch: {{type: opencv, source: /dev/video63}}}}\n")
    done = subprocess.run(
        [python, "-m", "edgeface.cli", "run", "--config", str(config)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 78, done.stderr
    (line,) = done.stderr.splitlines()
    assert file in line
    assert "SHA-256" in line


def calls(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]


def test_nothing_that_is_read_can_run_code() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names.append(node.module or "")
            assert not FORBIDDEN & {name.partition(".")[0] for name in names}, path


def test_arrays_are_loaded_without_pickle_and_yaml_by_the_safe_loader() -> None:
    loads = 0
    for path in SOURCES:
        for call in calls(path):
            name = ast.unparse(call.func)
            if name in {"np.load", "numpy.load"}:
                loads += 1
                keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
                assert keywords.get("allow_pickle") == "False", path
            assert name not in {"yaml.load", "yaml.unsafe_load", "yaml.full_load", "eval", "exec"}, path
    assert loads >= 1
