"""The suites' results, as a table for docs/platforms.md."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Versions:
    """The versions in one environment."""

    python: str
    packages: Mapping[str, str | None]

    @classmethod
    def read(cls, text: str) -> Versions:
        """Read the JSON that the environment printed."""
        packages = json.loads(text)
        return cls(packages.pop("Python"), packages)

    def version(self, *names: str) -> str:
        """The first of these packages that is installed, with its name if there is a choice."""
        name = next((name for name in names if self.packages[name] is not None), None)
        if name is None:
            return "-"
        return f"{name} {self.packages[name]}" if len(names) > 1 else str(self.packages[name])


@dataclass(frozen=True)
class Result:
    """One suite."""

    versions: Versions
    passed: int
    skipped: int
    failed: tuple[str, ...]
    """Names of tests."""
    seconds: float

    @classmethod
    def read(cls, versions: Versions, report: Path, log: Path, seconds: float) -> Result:
        """Read pytest's XML, which pytest has just written; print the log's path if tests failed."""
        cases = list(ET.parse(report).getroot().iter("testcase"))  # noqa: S314 - our own pytest's file
        bad = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
        skipped = sum(case.find("skipped") is not None for case in cases)
        if bad:
            print(f"{len(bad)} failed: {log}")
        names = dict.fromkeys(f"{case.get('classname')}::{case.get('name')}" for case in bad)
        return cls(versions, len(cases) - skipped - len(bad), skipped, tuple(names), seconds)

    @property
    def good(self) -> bool:
        """Whether something passed and nothing failed."""
        return self.passed > 0 and not self.failed


ROWS: Mapping[str, Callable[[Result], str]] = {
    "Python": lambda result: result.versions.python,
    "numpy": lambda result: result.versions.version("numpy"),
    "OpenCV (headless)": lambda result: result.versions.version("opencv-python-headless"),
    "TFLite": lambda result: result.versions.version("ai-edge-litert", "tflite-runtime"),
    "paho-mqtt": lambda result: result.versions.version("paho-mqtt"),
    "pydantic": lambda result: result.versions.version("pydantic"),
    "passed, skipped, failed": lambda result: f"{result.passed}, {result.skipped}, {len(result.failed)}",
    "seconds": lambda result: f"{result.seconds:.0f}",
}


def tabled(title: str, results: Mapping[str, Result | str]) -> str:
    """A column per environment, followed by the names of the failed tests."""
    lines = [title, "", f"| | {' | '.join(results)} |", f"|---|{'---|' * len(results)}"]
    for row, cell in ROWS.items():
        cells = (cell(result) if isinstance(result, Result) else "-" for result in results.values())
        lines.append(f"| {row} | {' | '.join(cells)} |")
    lines.append("")
    for name, result in results.items():
        if isinstance(result, str):
            lines.append(f"- {name}: not run: {result}")
        else:
            lines += [f"- {name}: failed: `{failed}`" for failed in result.failed]
    return "\n".join(lines).rstrip("\n") + "\n"
