"""The rules of CONTRIBUTING.md that a test can check."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "edgeface").rglob("*.py"))

ROOMS = (  # from the top; an import goes down only, and rooms on one line do not import each other
    {"cli"},
    {"demo"},
    {"daemon", "recognition_service", "centre"},
    {"workers"},
    {"web"},
    {"fleet"},
    {"people", "doctor"},
    {"config"},
    {"evaluation", "door"},
    {"mqtt", "notify", "recognition"},
    {"access", "gallery", "faces", "cameras", "journal"},
    {"security", "imaging"},
    {"core"},
)
RANK = {room: rank for rank, rooms in enumerate(ROOMS) for room in rooms}
MOST_FILES, MOST_LINES = 16, 400

# What the middle may not reach: it is a pure function of frames.
OUTSIDE = {"socket", "sqlite3", "subprocess", "threading", "paho", "time", "os"}
MIDDLE = (
    "faces/analyzer",
    "faces/quality",
    "gallery/snapshot",
    "gallery/unknowns",
    "recognition/challenge",
    "recognition/decision",
    "recognition/pipeline",
    "recognition/scene",
    "recognition/scheduler",
    "recognition/tracker",
)


def dotted(path: Path, package: Path = ROOT / "edgeface") -> str:
    """edgeface.core.clock of edgeface/core/clock.py; a package has the name of its folder."""
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {dotted(path) for path in MODULES}
tree = cache(ast.parse)


def imported(path: Path) -> set[str]:
    """The packages that a module imports from elsewhere, by their first name."""
    names: set[str] = set()
    for node in ast.walk(tree(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def arrows(source: str, package: str, names: set[str] = NAMES) -> set[str]:
    """The modules of ours that a module imports by any form, inside functions and under TYPE_CHECKING too.

    `package` is the package that the module is in, from which relative imports go.
    """
    found: set[str] = set()
    for node in ast.walk(tree(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found.update(f"{base}.{alias.name}" if f"{base}.{alias.name}" in names else base for alias in node.names)
        elif isinstance(node, ast.Call) and "import" in ast.unparse(node.func):
            found.update(arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str))
    return {name for name in found if name.partition(".")[0] == "edgeface"}


def arrows_of(path: Path) -> set[str]:
    name = dotted(path)
    return arrows(path.read_text(), name if path.stem == "__init__" else name.rpartition(".")[0])


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def wrong(module: str, others: set[str]) -> list[str]:
    """The imports that do not go down: into a room above, or another one on the same line."""
    room = room_of(module)
    return sorted(
        other
        for other in others
        if room_of(other) and room_of(other) != room and (not room or RANK[room_of(other)] <= RANK[room])
    )


def test_imports_go_down() -> None:
    found = {dotted(path): wrong(dotted(path), arrows_of(path)) for path in MODULES}
    assert {module: others for module, others in found.items() if others} == {}


def test_no_circle_of_imports() -> None:
    graph = {dotted(path): {name for name in arrows_of(path) if name in NAMES} for path in MODULES}
    # Whoever imports nothing that is left goes, and whoever nothing imports; what is left at the end goes round.
    while ends := [
        name
        for name, others in graph.items()
        if not others & graph.keys() or not any(name in other for other in graph.values())
    ]:
        for name in ends:
            del graph[name]
    assert graph == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import edgeface.web.app", {"edgeface.web.app"}),
        ("from edgeface.web import app", {"edgeface.web.app"}),
        ("from edgeface import web", {"edgeface.web"}),
        ("from edgeface.web.app import application", {"edgeface.web.app"}),
        ("from . import text", {"edgeface.core.text"}),
        ("from .text import slug", {"edgeface.core.text"}),
        ("from ..web import app", {"edgeface.web.app"}),
        ("def f():\n    from edgeface.web import app", {"edgeface.web.app"}),
        ("if TYPE_CHECKING:\n    from edgeface.web import app", {"edgeface.web.app"}),
        ("import_module('edgeface.web.app')", {"edgeface.web.app"}),
        ("import os", set()),
    ],
)
def test_every_form_of_import_is_seen(source: str, found: set[str]) -> None:
    assert arrows(source, "edgeface.core") == found
    assert bool(wrong("edgeface.core.clock", found)) == any("web" in name for name in found)


def test_every_room_has_its_place_in_the_order() -> None:
    assert {room_of(name) for name in NAMES} - {""} == RANK.keys()


def test_a_room_fits_in_the_head() -> None:
    files = Counter(str(path.parent.relative_to(ROOT)) for path in MODULES if path.stem != "__init__")
    assert {folder: count for folder, count in files.items() if count > MOST_FILES} == {}


def test_a_module_has_400_lines_at_most() -> None:
    lines = {dotted(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {module: count for module, count in lines.items() if count > MOST_LINES} == {}


def test_only_clock_reads_clocks() -> None:
    reads = re.compile(r"\btime\.(time|monotonic|perf_counter|sleep|(process|thread)_time)\b|datetime\.(now|utcnow)\b")
    assert [dotted(path) for path in MODULES if reads.search(path.read_text())] == ["edgeface.core.clock"]


@pytest.mark.parametrize("name", MIDDLE)
def test_the_middle_reaches_no_clock_file_or_socket(name: str) -> None:
    assert not imported(ROOT / "edgeface" / f"{name}.py") & OUTSIDE


def test_cv2_is_imported_in_one_place() -> None:
    assert [dotted(path) for path in MODULES if "cv2" in imported(path)] == ["edgeface.imaging.opencv"]


def test_a_function_is_short() -> None:
    lengths = sorted(
        node.end_lineno - node.lineno + 1
        for path in MODULES
        for node in ast.walk(tree(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.end_lineno is not None
    )
    assert lengths[len(lengths) // 2] <= 8
    assert lengths[len(lengths) * 95 // 100] <= 20


def test_the_readme_names_make_targets_that_there_are() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test", "check"} <= targets
    named = re.findall(r"^make ([a-z0-9-]+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert named
    assert set(named) <= targets
