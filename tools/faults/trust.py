"""trust.yaml as records, and as the table in docs/trust.md.

    python -m tools.faults.trust

writes the table between its marks.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tools.faults import table

ROOT = Path(__file__).parent.parent.parent
FILE = ROOT / "trust.yaml"
DOCUMENT = ROOT / "docs" / "trust.md"
MARK = "promises"

PROMISES = ("P1", "P2", "P3", "P4", "P5")
_MEASURED = "measured by "
STATUSES = ("shown", f"{_MEASURED}make faults", f"{_MEASURED}make fleet-faults", "open")
_DATE = re.compile(r"2\d{3}-[01]\d-[0-3]\d")


@dataclass(frozen=True, slots=True)
class Entry:
    """One threat, the control against it, and what shows that the control works."""

    promise: str
    threat: str
    control: str
    target: str
    tests: tuple[str, ...]
    """FILE::TEST, as pytest takes them."""
    figure: str
    """The measured figure; empty if there is none."""
    date: str
    """Date of the figure, YYYY-MM-DD."""
    status: str
    reason: str = ""
    """Why it is open."""


def load(path: Path = FILE) -> list[Entry]:
    """Read the entries; ValueError if a key is missing or unknown, or a value is not text."""
    loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(loaded, list):
        raise ValueError(f"{path.name} is not a list")  # noqa: TRY004 - the file's content is at fault
    return [_entry(item) for item in loaded]


def faults(entries: list[Entry], root: Path = ROOT) -> list[str]:
    """The problems found, one line each."""
    found = [f"{promise} has no entry" for promise in PROMISES if all(e.promise != promise for e in entries)]
    found += [
        f"{promise} has no test" for promise in PROMISES if not any(e.tests for e in entries if e.promise == promise)
    ]
    for entry in entries:
        found += [f"{entry.threat}: {fault}" for fault in _faults(entry, root)]
    return found


def rendered(entries: list[Entry]) -> str:
    """The table for docs/trust.md."""
    lines = ["| | threat | control | target | figure | shown by |", "|---|---|---|---|---|---|"]
    for entry in entries:
        cells = (entry.promise, entry.threat, entry.control, entry.target, _figure(entry), _shown(entry))
        lines.append("| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def exists(test: str, root: Path = ROOT) -> bool:
    """Whether a test exists; for a parametrised one only the name is checked."""
    file, _, name = test.partition("::")
    path = root / file
    if not path.is_file():
        return False
    names = _functions(path.read_text(encoding="utf-8"))
    return name.partition("[")[0].rpartition("::")[2] in names and name.startswith("test_")


@cache
def _functions(source: str) -> frozenset[str]:
    """The functions and methods of a module; most files are named by many rows."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(ast.parse(source)) if isinstance(node, functions))


def _faults(entry: Entry, root: Path) -> list[str]:
    found = [] if entry.promise in PROMISES else [f"{entry.promise} is not a promise"]
    found += [] if entry.status in STATUSES else [f"{entry.status} is not a status"]
    found += [f"{test} does not exist" for test in entry.tests if not exists(test, root)]
    if entry.status == "open":
        found += [] if entry.reason else ["open, but no reason is given"]
    else:
        found += [] if entry.tests else ["no test"]
        found += [] if entry.figure and _DATE.fullmatch(entry.date) else ["no figure with a date"]
    return found


def _figure(entry: Entry) -> str:
    figure = f"{entry.figure} ({entry.date})" if entry.figure else ""
    return "; ".join(part for part in (figure, f"open: {entry.reason}" if entry.reason else "") if part)


def _shown(entry: Entry) -> str:
    files = sorted({test.partition("::")[0] for test in entry.tests})
    suite = [f"`{entry.status.removeprefix(_MEASURED)}`"] if entry.status.startswith(_MEASURED) else []
    return ", ".join([*suite, *(f"[{Path(file).relative_to('tests').with_suffix('')}](../{file})" for file in files)])


def _entry(item: Any) -> Entry:
    names = {field.name for field in fields(Entry)}
    if not isinstance(item, dict) or not names - {"reason"} <= set(item) <= names:
        raise ValueError(f"an entry must have these keys: {', '.join(sorted(names))}; not {item}")
    values = {key: value for key, value in item.items() if key != "tests"}
    if not all(isinstance(value, str) for value in (*values.values(), *item["tests"])):
        raise ValueError(f"{item['threat']}: a value is not text; quote it")
    return Entry(tests=tuple(item["tests"]), **values)


def main() -> None:
    """Write the table."""
    entries = load()
    for fault in faults(entries):
        print(f"problem: {fault}")
    table.write(DOCUMENT, MARK, rendered(entries))
    print(f"{DOCUMENT.relative_to(ROOT)}: {len(entries)} entries, {sum(e.status == 'open' for e in entries)} open")


if __name__ == "__main__":
    main()
