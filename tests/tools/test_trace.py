"""`make trace`: which modules are entered, by thread and by frame."""

import importlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tools.trace.__main__ import tabled
from tools.trace.recorder import Recorder

PACKAGE = {
    "one.py": "def outer():\n    from traced import two\n    return two.inner()\n",
    "two.py": "from traced.three import shared\n\nNUMBER = shared()\n\ndef inner():\n    return NUMBER\n",
    "three.py": "def shared():\n    return 3\n\nclass Thing:\n    pass\n",
}


@pytest.fixture
def traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "traced"
    folder.mkdir()
    for name, text in PACKAGE.items():
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "traced"]:
        del sys.modules[name]


def outer() -> ModuleType:
    return importlib.import_module("traced.one")


def test_a_module_is_entered_by_a_call_and_not_by_an_import(traced: Path) -> None:
    recorder = Recorder(traced)
    one = outer()
    with recorder.recording():
        assert one.outer() == 3
    assert recorder.thread(threading.current_thread().name) == ["one.py", "two.py"]


def test_threads_and_the_calls_of_a_function_are_kept_apart(traced: Path) -> None:
    recorder = Recorder(traced, {"inner": "two.py:inner", "outer": "one.py:outer"})
    one = outer()
    two = importlib.import_module("traced.two")
    with recorder.recording():
        thread = threading.Thread(target=one.outer, name="worker 1")
        thread.start()
        thread.join()
        two.inner()
        two.shared()
    assert recorder.thread("worker") == ["one.py", "two.py"]
    assert recorder.thread(threading.current_thread().name) == ["two.py", "three.py"]
    assert [list(call) for call in recorder.calls["inner"]] == [["two.py"], ["two.py"]]
    assert [list(call) for call in recorder.calls["outer"]] == [["one.py", "two.py"]]
    assert sys.getprofile() is None


def test_the_table_counts_a_module_of_two_threads_once() -> None:
    found = {
        "threads": {"capture": ["a.py", "b.py"], "vision": ["b.py", "c.py", "d.py"]},
        "average": 2.5,
        "pipeline": ["c.py"],
        "vision": ["c.py", "d.py"],
        "enroll": ["a.py"],
    }
    lines = tabled(found).splitlines()
    assert lines[2:4] == ["| capture thread | 2 |", "| vision thread | 3 |"]
    assert "| camera to broker, all threads | 4 |" in lines
    assert "| a frame in the pipeline, on average | 2.5 |" in lines
