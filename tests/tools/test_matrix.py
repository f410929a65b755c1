"""`make matrix`, without the suites that it runs."""

from pathlib import Path

import pytest

from tools.matrix import environments
from tools.matrix.environments import Environment
from tools.matrix.results import Result, Versions, tabled

VERSIONS = '{"Python": "3.11.7", "numpy": "1.26.4", "opencv-python-headless": "4.10.0.84", "ai-edge-litert": null,'
VERSIONS += ' "tflite-runtime": "2.14.0", "paho-mqtt": "2.2.0", "pydantic": "2.14.3"}'
REPORT = """<?xml version="1.0"?><testsuites><testsuite>
<testcase classname="tests.test_a" name="test_good"/>
<testcase classname="tests.test_a" name="test_skipped"><skipped message="no gi"/></testcase>
<testcase classname="tests.test_a" name="test_bad[1]"><failure message="no">text</failure></testcase>
<testcase classname="tests.test_a" name="test_both"/>
<testcase classname="tests.test_a" name="test_end"><error message="no">at its end</error></testcase>
</testsuite></testsuites>"""


def interpreter(path: Path, says: str) -> str:
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(0o755)
    return str(path)


def result_of(tmp_path: Path, report: str = REPORT) -> Result:
    file = tmp_path / "report.xml"
    file.write_text(report)
    return Result.read(Versions.read(VERSIONS), file, tmp_path / "report.txt", 301.6)


def test_a_table_has_a_column_for_each_environment_and_names_what_failed(tmp_path: Path) -> None:
    result = result_of(tmp_path)
    assert not result.good
    lines = tabled("today", {"tflite-runtime": result, "Debian 13": "only root can"}).splitlines()
    assert lines[0] == "today"
    assert "| | tflite-runtime | Debian 13 |" in lines
    assert "| TFLite | tflite-runtime 2.14.0 | - |" in lines
    assert "| passed, skipped, failed | 2, 1, 2 | - |" in lines
    assert "| seconds | 302 | - |" in lines
    assert "- tflite-runtime: failed: `tests.test_a::test_bad[1]`" in lines
    assert lines[-1] == "- Debian 13: not run: only root can"


def test_a_suite_without_a_test_is_not_good(tmp_path: Path) -> None:
    assert not result_of(tmp_path, "<testsuites><testsuite/></testsuites>").good
    good = '<testsuites><testsuite><testcase classname="a" name="b"/></testsuite></testsuites>'
    assert result_of(tmp_path, good).good


def test_the_newest_interpreter_comes_first_and_one_that_cannot_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter(tmp_path / "python3.10", "echo 3.10")
    interpreter(tmp_path / "python3.13", "echo no such version >&2; exit 127")
    interpreter(tmp_path / "python3.12", "echo 3.12")
    interpreter(tmp_path / "python3", "echo 3.12")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(environments.pythons([]).items()) == [("3.12", "python3.12"), ("3.10", "python3.10")]


def test_an_interpreter_that_was_named_has_to_be_there(tmp_path: Path) -> None:
    old = interpreter(tmp_path / "python2", "echo 2.7")
    for program in (old, str(tmp_path / "none")):
        with pytest.raises(SystemExit, match=r"not a Python 3\.10 or newer"):
            environments.pythons([program])


def test_paths_are_those_that_the_interpreter_sees(tmp_path: Path) -> None:
    root, source = tmp_path / "root", tmp_path / "source"
    environment = Environment(root / "venv", "/usr/bin/python3", source, (), root, {source: "/source"})
    command = environment._command([environment._own, "-V"])
    assert command[-4:] == ["-D", str(root), "/venv/bin/python", "-V"]
    assert {f"--bind={source}:/source", "--chdir=/source", "--private-network"} <= set(command)
    plain = Environment(tmp_path / "venv", "python3", source, ())
    assert plain._command([plain._own]) == [str(tmp_path / "venv" / "bin" / "python")]
