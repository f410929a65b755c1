"""Whether the daemon's use of memory, threads and file descriptors stays flat with four cameras, for half an hour.

    python -m benchmarks.flat [--minutes 30] [--write]

Four cameras at 15 fps and 640x480, each with one face at all times and a new one every two seconds
(benchmarks/live.py). Exit status 1 if memory certainly rises: the lower end of the slope's 95 % interval is above
3 MB per hour, in a run that is long enough to tell. Also 1 if there are more threads or descriptors at the end than
ever at the start. Writes build/bench/flat.json.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import figures, live, visits
from benchmarks.site import Site, go_first
from tools.faults import table
from tools.faults.soak import growth, slope, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.site import Run
    from tools.faults.soak import Samples

OUT = Path("build/bench/flat.json")
MARK = "flat"
STEP = 10.0
"""Seconds between two samples."""
WARM = 180.0
"""Seconds before memory is evaluated, because caches fill first; a quarter of a short run."""
TARGET = 3.0
"""MB per hour, as in tools/faults/soak.py."""
JUDGED = 1200.0
"""Seconds of samples that a meaningful slope needs: allocators vary by some MB."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the samples show."""

    rise: float
    """MB per hour."""
    error: float
    """Half of the 95 % interval, MB per hour."""
    faults: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, evaluate and print; 1 if something grows."""
    wanted = _parser().parse_args(arguments)
    if wanted.first:
        go_first()
    seconds = wanted.minutes * 60
    warm = min(WARM, seconds / 4)
    with tempfile.TemporaryDirectory(prefix="edgeface-flat-") as scratch:
        folder = Path(scratch)
        clips = live.four(folder)
        with Site(folder / "site", {name: clip.path for name, clip in clips.items()}, live.CORES) as site:
            site.enroll(visits.people(folder / "people"))
            run = site.run(site.daemon(), seconds - warm, warm, STEP, _say)
        found = judge(run.samples)
        share = figures.summary(run, clips)["handled"]
    text = markdown(run, found, share)
    print("\n".join([text, *found.faults]))
    _write(run, found, share)
    if wanted.write is not None:
        table.write(wanted.write, MARK, text)
    return 1 if found.faults else 0


def judge(samples: Samples) -> Verdict:
    """Slope of the memory, and the problems found."""
    rise, error = slope(samples.seconds, samples.megabytes)
    half = 1.96 * error * _inflation(samples)
    long = len(samples.seconds) > 1 and samples.seconds[-1] - samples.seconds[0] >= JUDGED
    faults = [f"memory rises by {rise:.1f} ± {half:.1f} MB per hour"] if long and rise - half > TARGET else []
    faults += growth("threads", samples.threads) + growth("file descriptors", samples.handles)
    return Verdict(rise, half, tuple(faults))


def markdown(run: Run, found: Verdict, share: float) -> str:
    """A table of one row, with date and machine."""
    samples = run.samples
    cells = {
        "minutes evaluated": f"{(samples.seconds[-1] - samples.seconds[0]) / 60:.0f}",
        "memory, first / last / peak": f"{samples.megabytes[0]:.1f} / {samples.megabytes[-1]:.1f} / {run.peak:.1f} MB",
        "slope, 95 % interval": f"{found.rise:+.1f} ± {found.error:.1f} MB per hour",
        "threads": span(samples.threads),
        "file descriptors": span(samples.handles),
        "frames handled": f"{share:.2%}",
    }
    rows = ["| " + " | ".join(cells) + " |", "|---" * len(cells) + "|", "| " + " | ".join(cells.values()) + " |"]
    return "\n".join([f"Run on {datetime.now(timezone.utc).date().isoformat()}, {table.machine()}.", "", *rows])


def _inflation(samples: Samples) -> float:
    """How much wider the interval must be because memory moves in steps, so neighbouring samples are alike.

    Treats the residuals as a first-order autoregression: Wilks, Statistical Methods in the Atmospheric Sciences, 5.2.4.
    """
    seconds, heights = np.array(samples.seconds), np.array(samples.megabytes)
    if len(seconds) < 4 or np.ptp(heights) == 0:  # noqa: PLR2004 - too few for a residual
        return 1.0
    rest = heights - np.polyval(np.polyfit(seconds, heights, 1), seconds)
    alike = min(0.99, max(0.0, float(rest[1:] @ rest[:-1]) / max(1e-12, float(rest @ rest))))
    return math.sqrt((1 + alike) / (1 - alike))


def _say(run: Run) -> None:
    if len(run.samples.seconds) % 6 == 1:
        print(f"{run.samples.seconds[-1]:5.0f} s: {run.samples.megabytes[-1]:.1f} MB", flush=True)


def _write(run: Run, found: Verdict, share: float) -> None:
    samples = run.samples
    columns = {"seconds": samples.seconds, "megabytes": samples.megabytes}
    counts = {"threads": samples.threads, "descriptors": samples.handles}
    verdict = {"rise": found.rise, "error": found.error, "faults": found.faults, "handled": share, "peak": run.peak}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({**verdict, **columns, **counts}) + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument(
        "--write",
        type=Path,
        nargs="?",
        const=live.DOCUMENT,
        metavar="FILE",
        help=f"write the table between FILE's {MARK} marks",
    )
    parser.add_argument("--first", action="store_true", help="run with priority over all other work; needs root")
    return parser


if __name__ == "__main__":
    sys.exit(main())
