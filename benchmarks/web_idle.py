"""What the page costs while no one looks at it: the daemon's CPU time with the section web, and without it.

    python -m benchmarks.web_idle [--rounds 8] [--seconds 15] [--before COMMIT]

One camera plays a clip of visits at 15 fps in a loop. With and without the page alternate, and with --before those of
an earlier commit as well, so that other work on the machine meets all of them alike: the ratio of each round counts.
CPU is that of the whole process, divided by the frames that it has processed.
"""

from __future__ import annotations

import argparse
import io
import statistics
import subprocess
import sys
import tarfile
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import visits
from benchmarks.site import ROOT, Site
from edgeface.demo.mosquitto import free_port
from tools import figures
from tools.faults import table

if TYPE_CHECKING:
    from collections.abc import Sequence

WARM = 10.0
"""Seconds after the first frame before CPU counts: the page starts after the cameras, also on a busy machine."""
HEAD = [
    "| code | CPU per frame without the page, ms | with the page, ms | ratio | rounds |",
    "|---|---:|---:|---:|---:|",
]


@dataclass(slots=True)
class Code:
    """A version of edgeface, with a site for each of the two configurations."""

    name: str
    tree: Path
    off: Site
    on: Site
    costs: list[tuple[float, float]] = field(default_factory=list)
    """CPU in milliseconds per frame of each round, without and with the page."""

    def enroll(self, people: Path) -> None:
        """Enroll from FOLDER/PERSON/PHOTO, in both."""
        for site in (self.off, self.on):
            options = ["--config", str(site.config), "--folder", str(people)]
            subprocess.run(self._python("edgeface.cli", "enroll", *options), check=True, capture_output=True)

    def measure(self, seconds: float, *, turned: bool) -> None:
        """One round; `turned`: the page first."""
        first, second = (self.on, self.off) if turned else (self.off, self.on)
        one, other = self._cost(first, seconds), self._cost(second, seconds)
        self.costs.append((other, one) if turned else (one, other))

    def row(self) -> str:
        """Its row of the table: medians, with the quartiles in brackets."""
        off, on = zip(*self.costs, strict=True)
        ratios = [after / before for before, after in self.costs]
        return f"| {self.name} | {_spread(off, 2)} | {_spread(on, 2)} | {_spread(ratios, 3)} | {len(ratios)} |"

    def _cost(self, site: Site, seconds: float) -> float:
        run = site.run(self._python("benchmarks.watched", str(site.config), str(site.trace)), seconds, WARM)
        return run.cpu * 1000 / max(1, len(run.measured))

    def _python(self, module: str, *arguments: str) -> list[str]:
        # -P: the working folder, which has the present code, is not searched.
        return ["env", f"PYTHONPATH={self.tree}", sys.executable, "-P", "-m", module, *arguments]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, and write build/web-idle.json."""
    wanted = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="edgeface-web-idle-") as scratch, ExitStack() as stack:
        folder = Path(scratch)
        clip = visits.make(folder / "clip.mp4", seconds=4.0, gap=4.0)
        people = visits.people(folder / "people")
        codes = [_code(stack, folder, clip.path, "now", ROOT)]
        if wanted.before:
            tree = _extracted(wanted.before, folder / "before")
            codes.insert(0, _code(stack, folder, clip.path, wanted.before, tree))
        for code in codes:
            code.enroll(people)
        for number in range(wanted.rounds):
            for code in codes:
                code.measure(wanted.seconds, turned=bool(number % 2))
                print(f"round {number + 1}, {code.name}: {code.costs[-1][0]:.2f}, {code.costs[-1][1]:.2f}", flush=True)
    lines = "\n".join([*HEAD, *(code.row() for code in codes)])
    day = datetime.now(timezone.utc).date().isoformat()
    print(f"\n{day}, {table.machine()}; medians and quartiles:\n\n{lines}")
    figures.save("web-idle", lines)


def _code(stack: ExitStack, folder: Path, clip: Path, name: str, tree: Path) -> Code:
    def site(end: str, more: str) -> Site:
        return stack.enter_context(Site(folder / f"{name}-{end}", {"porch": clip}, more=more))

    return Code(name, tree, site("off", ""), site("on", f"web: {{port: {free_port()}}}\n"))


def _extracted(commit: str, folder: Path) -> Path:
    """The code of a commit, with its models."""
    command = ["git", "archive", commit, "edgeface", "models", "benchmarks", "tests", "tools"]
    archive = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder


def _spread(values: Sequence[float], digits: int) -> str:
    low, _, high = statistics.quantiles(values, n=4) if len(values) > 1 else (values[0], 0.0, values[0])
    return f"{statistics.median(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--before", metavar="COMMIT", help="measure this commit as well")
    return parser


if __name__ == "__main__":
    main()
