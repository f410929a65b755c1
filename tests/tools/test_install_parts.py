"""What an installation contains: parts that are kept, wheels that are accepted, what is removed as never loaded."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

INSTALL = Path(__file__).parents[2] / "tools" / "install"
KEPT = (
    "numpy/testing/__init__.py",
    "cv2/data/__init__.py",
    "ai_edge_litert/libLiteRt.so",
    "edgeface/models/onet.tflite",
)
REMOVED = (
    "numpy/lib/tests/test_io.py",
    "numpy/tests/test_all.py",
    "cv2/data/haarcascade_eye.xml",
    "ai_edge_litert/libLiteRtWebGpuAccelerator.so",
    "ai_edge_litert/vendors/a.so",
    "ai_edge_litert/tools/a.py",
    "ai_edge_litert/aot/a.py",
    "ai_edge_litert/schema_py_generated.py",
    "apprise/i18n/de/LC_MESSAGES/apprise.mo",
    "apprise/assets/themes/default/apprise-logo.png",
    "numpy/f2py/__init__.py",
    "numpy/_core/include/numpy/arrayobject.h",
    "numpy/_core/_simd.cpython-313-x86_64-linux-gnu.so",
    "numpy/__init__.pyi",
    "pip/__main__.py",
    "pip-23.2.1.dist-info/METADATA",
    "setuptools/__init__.py",
)
# LiteRT needs them for models that are compiled, and edgeface has none; mediapipe needs them always.
OF_MEDIAPIPE = ("google/protobuf/__init__.py", "ml_dtypes/__init__.py", "protobuf-7.36.2.dist-info/METADATA")


def parts(release: Path, more: str = "") -> str:
    done = subprocess.run([INSTALL / "parts", release, more], check=True, capture_output=True, text=True, timeout=120)
    return done.stdout.strip()


def test_the_page_is_always_a_part(tmp_path: Path) -> None:
    assert parts(tmp_path / "none") == "web"
    assert parts(tmp_path / "none", "door") == "door,web"


def test_an_update_keeps_the_parts_of_the_release_before(tmp_path: Path) -> None:
    (tmp_path / "extras").write_text("notify,web\n")
    assert parts(tmp_path) == "notify,web"
    assert parts(tmp_path, "door,notify") == "door,notify,web"


@pytest.mark.parametrize(("has", "found"), [("apprise", "notify,web"), ("gpiozero", "door,web"), ("nothing", "web")])
def test_the_parts_of_an_older_release_are_those_that_it_can_import(tmp_path: Path, has: str, found: str) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\n[ "$2" = "import {has}" ]\n')
    python.chmod(0o755)
    assert parts(tmp_path) == found


@pytest.mark.parametrize("mediapipe", [True, False])
def test_only_what_is_never_loaded_is_removed(tmp_path: Path, *, mediapipe: bool) -> None:
    folder = tmp_path / "lib" / "python3.11" / "site-packages"
    kept = [*KEPT, *((*OF_MEDIAPIPE, "mediapipe/__init__.py") if mediapipe else ())]
    for name in (*kept, *REMOVED, *OF_MEDIAPIPE):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"0" * 1000)
    done = subprocess.run([INSTALL / "prune", folder], check=True, capture_output=True, text=True, timeout=120)
    assert "MB without what edgeface never loads" in done.stdout
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == sorted(kept)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_wheels_for_every_older_c_library_are_accepted_and_for_no_newer(machine: str) -> None:
    command: list[str | Path] = [INSTALL / "platforms", machine, "13", "41"]
    words = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert words[:2] == ["--python-version", "3.13"]
    accepted = [word for word in words if word.endswith(machine)]
    assert accepted == [f"manylinux2014_{machine}", *(f"manylinux_2_{minor}_{machine}" for minor in range(17, 42))]
    assert words.count("--platform") == len(accepted)
