"""The rules of the house that a machine can see (CONTRIBUTING.md)."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "edgeface").rglob("*.py"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "models").glob("*.md")])

# What the middle may not reach: it is a pure function of frames.
OUTSIDE = {"socket", "sqlite3", "subprocess", "threading", "paho", "time", "os"}
MIDDLE = ("align", "evidence", "pipeline", "quality", "scene", "tracker", "unknowns", "view", "visit")


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_is_one_noun_of_300_lines_at_most(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300


def test_only_clock_reads_clocks() -> None:
    reads = re.compile(r"\btime\.(time|monotonic|perf_counter|sleep|process_time)\(|datetime\.(now|utcnow)\(")
    assert [path.name for path in MODULES if reads.search(path.read_text())] == ["clock.py"]


@pytest.mark.parametrize("name", MIDDLE)
def test_the_middle_reaches_no_clock_file_or_socket(name: str) -> None:
    assert not imported(ROOT / "edgeface" / f"{name}.py") & OUTSIDE


def test_cv2_is_imported_in_one_place() -> None:
    assert [path.name for path in MODULES if "cv2" in imported(path)] == ["opencv.py"]


def test_a_function_is_short() -> None:
    lengths = sorted(
        node.end_lineno - node.lineno + 1
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.end_lineno is not None
    )
    assert lengths[len(lengths) // 2] <= 10
    assert lengths[len(lengths) * 99 // 100] <= 40


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_document_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_readme_names_make_targets_that_there_are() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test", "check"} <= targets
    named = re.findall(r"^make ([a-z0-9-]+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert named
    assert set(named) <= targets
