"""Takes each control that trust.yaml names out of the code: the tests that are named for it must fail.

    python -m tools.mutants [--only WORD ...] [--write docs/trust.md]

Takes about 25 minutes on two cores. Exit status: 0 if a test noticed every one, 1 if not, 2 if mutations.yaml fits
neither the code nor trust.yaml.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from tools import figures
from tools.faults import table, trust
from tools.mutants import mutations, trial

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tools.mutants.mutations import Mutation
    from tools.mutants.trial import Result

MARK = "mutants"
_SIDE_BY_SIDE = 2


class Trial(NamedTuple):
    """A mutation, and what the tests of its row gave."""

    number: int
    mutation: Mutation
    result: Result

    @property
    def killed(self) -> bool:
        """Whether a test has failed."""
        return self.result.outcome == "failed"

    def line(self) -> str:
        """The outcome in one line."""
        verdict = "killed" if self.killed else f"SURVIVED ({self.result.outcome})"
        return f"{self.number:3} {verdict} in {self.result.seconds:.0f} s: {self.mutation.name}: {self.result.by}"


class Bench:
    """Copies of the tree, each for one trial at a time."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._free: SimpleQueue[Path] = SimpleQueue()
        for number in range(_SIDE_BY_SIDE):
            self._free.put(trial.copy_tree(folder / str(number), root))

    def run(self, tests: Sequence[str], mutation: Mutation | None = None) -> Result:
        """Run tests in the next copy that is free, without the control if there is a mutation."""
        copy = self._free.get()
        try:
            return trial.run(copy, tests) if mutation is None else trial.attempt(copy, mutation, tests)
        finally:
            self._free.put(copy)


def chosen(listed: Sequence[Mutation], only: Sequence[str]) -> list[tuple[int, Mutation]]:
    """The mutations with their numbers, from 1; those whose number is in `only`, or whose name or threat has a word."""
    words = [word.lower() for word in only]
    return [
        (number, one)
        for number, one in enumerate(listed, 1)
        if not words or str(number) in words or any(word in f"{one.name}\n{one.threat}".lower() for word in words)
    ]


def run(
    numbered: Sequence[tuple[int, Mutation]], tests: Mapping[str, Sequence[str]], root: Path = mutations.ROOT
) -> tuple[list[str], list[Trial]]:
    """Try the mutations with the tests of their threats; returns the problems of the tests, and the trials.

    A test that fails without a mutation is a problem: it notices nothing.
    """
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        bench = Bench(Path(folder), root)

        def undisturbed(threat: str) -> str | None:
            result = bench.run(tests[threat])
            return None if result.outcome == "passed" else f"{threat}: its tests fail as they are: {result.by}"

        def tried(one: tuple[int, Mutation]) -> Trial:
            done = Trial(*one, bench.run(tests[one[1].threat], one[1]))
            print(done.line(), flush=True)
            return done

        problems = list(filter(None, pool.map(undisturbed, dict.fromkeys(one.threat for _, one in numbered))))
        return problems, list(pool.map(tried, numbered))


def detailed(trials: Sequence[Trial]) -> str:
    """A table with one row for each mutation."""
    lines = ["| number | threat | without | outcome | test | s |", "|---|---|---|---|---|---|"]
    for number, mutation, result in trials:
        cells = (str(number), mutation.threat, mutation.name, result.outcome, result.by, f"{result.seconds:.1f}")
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def summary(trials: Sequence[Trial], date: str, machine: str) -> str:
    """A table with one row for each threat, and the total."""
    lines = ["| threat | controls taken out | noticed by the tests |", "|---|---:|---:|"]
    for threat in dict.fromkeys(one.mutation.threat for one in trials):
        killed = [one.killed for one in trials if one.mutation.threat == threat]
        lines.append(f"| {threat} | {len(killed)} | {sum(killed)} |")
    lines.append(f"| **all** | **{len(trials)}** | **{sum(one.killed for one in trials)}** |")
    return "\n".join([f"Run on {date}, {machine}.", "", *lines])


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the mutations, print the tables, and write them to a document if requested."""
    parser = _parser()
    wanted, listed, rows = parser.parse_args(arguments), mutations.load(), trust.load()
    numbered = chosen(listed.mutations, wanted.only)
    if not numbered or (wanted.only and wanted.write):
        parser.error("--write needs every mutation, without --only" if numbered else "--only finds no mutation")
    if faults := mutations.faults(listed, rows):
        print("\n".join(faults), file=sys.stderr)
        return 2
    # A run that is terminated, or whose terminal closes, cleans up like an interrupted one.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    problems, trials = run(numbered, {row.threat: row.tests for row in rows})
    figures.save(MARK, detailed(trials))
    shown = summary(trials, datetime.now(timezone.utc).date().isoformat(), table.machine())
    print("\n".join(["", shown, "", *problems, *(one.line() for one in trials if not one.killed)]))
    if wanted.write is not None:
        table.write(wanted.write, MARK, shown)
    return 0 if not problems and all(one.killed for one in trials) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", default=[], metavar="WORD", help="a number, or part of a name")
    parser.add_argument("--write", type=Path, metavar="FILE", help=f"write the table between FILE's {MARK} marks")
    return parser


if __name__ == "__main__":
    sys.exit(main())
