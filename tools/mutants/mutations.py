"""The mutations: each takes one control out of the code, and the tests of its row in trust.yaml must fail then."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.faults.trust import Entry

ROOT = Path(__file__).parent.parent.parent
FILE = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True, slots=True)
class Mutation:
    """A change that takes out one control."""

    threat: str
    """The row of trust.yaml."""
    name: str
    file: str
    """Relative to the root."""
    old: str
    """Occurs exactly once in the file."""
    new: str

    def mutated(self, source: str) -> str:
        """The file's text without the control; ValueError unless the text to replace occurs exactly once."""
        if source.count(self.old) != 1:
            raise ValueError(f"{self.name}: the text occurs {source.count(self.old)} times in {self.file}, not once")
        return source.replace(self.old, self.new)


@dataclass(frozen=True, slots=True)
class Table:
    """The content of mutations.yaml."""

    mutations: tuple[Mutation, ...]
    without: dict[str, str]
    """Rows that have no control in the code, with the reason."""


def load(path: Path = FILE) -> Table:
    """Read the table; TypeError or KeyError if an entry has other keys."""
    loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    mutations = [Mutation(threat, **one) for threat, listed in loaded["mutations"].items() for one in listed]
    return Table(tuple(mutations), loaded["without"])


def faults(table: Table, entries: Sequence[Entry], root: Path = ROOT) -> list[str]:
    """What is wrong with the table, one line each: it fits neither the code nor trust.yaml."""
    threats = {entry.threat for entry in entries}
    mutated = {mutation.threat for mutation in table.mutations}
    found = [f"{threat}: no such row in trust.yaml" for threat in sorted({*mutated, *table.without} - threats)]
    found += [f"{threat}: no mutation" for threat in sorted(threats - mutated - table.without.keys())]
    found += [f"{threat}: has mutations and a reason for none" for threat in sorted(mutated & table.without.keys())]
    names = [mutation.name for mutation in table.mutations]
    found += [f"{name}: the name occurs twice" for name in sorted({name for name in names if names.count(name) > 1})]
    return found + [fault for mutation in table.mutations if (fault := _fault(mutation, root)) is not None]


def _fault(mutation: Mutation, root: Path) -> str | None:
    """Why a mutation cannot be tried, or None."""
    try:
        source = (root / mutation.file).read_text(encoding="utf-8")
        changed = mutation.mutated(source)
        if mutation.file.endswith(".py"):
            ast.parse(changed)
    except (OSError, ValueError, SyntaxError) as error:
        return f"{mutation.name}: {error}"
    return None if changed != source else f"{mutation.name}: it changes nothing"
