"""Breaks a fleet on purpose, and prints one table: what was tried, what came of it, and whether the bar held.

    python -m tools.fleet_faults [--only STEP ...] [--write docs/fleet.md]

Takes about 30 minutes on two cores. The full disk mounts a file system, which needs root; without it, it is reported as
not tried. Exit status: 0 if every bar held, 1 if one did not.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from tools import figures
from tools.faults import table
from tools.fleet_faults.step import HEAD, Options, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

STEPS = (
    "writers",
    "restarts",
    "change",
    "month",
    "renewal",
    "forgotten",
    "lease",
    "stolen",
    "away",
    "bad",
    "standby",
    "restore",
    "balancer",
)
"""Modules of this folder, in the order they run."""
MARK = TARGET = "fleet-faults"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the steps, print the table, and write it to a document if requested."""
    wanted = _parser().parse_args(arguments)
    # A run that is terminated, or whose terminal closes, cleans up like an interrupted one.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        rows = [row for name in wanted.only or STEPS for row in _run(name, wanted)]
    except KeyboardInterrupt:
        print("interrupted; everything is stopped and unmounted", flush=True)
        return 130
    faults = [f"problem: {row.step}: {fault}" for row in rows for fault in row.faults]
    print("\n".join(["", *table.columns([HEAD, *(row.cells for row in rows)]), "", *(faults or ["every bar held"])]))
    _save(rows, wanted.write)
    return 1 if faults else 0


def _save(rows: Sequence[Row], document: Path | None) -> None:
    """Add the rows to those of earlier runs of other steps, and write all of them to the document."""
    file = figures.save(TARGET, table.grid([HEAD, *(row.cells for row in rows)]), partial=True)
    if document is not None:
        grid = table.grid([HEAD, *(tuple(row.values()) for row in figures.load(file))])
        date = datetime.now(timezone.utc).date().isoformat()
        table.write(document, MARK, f"Run on {date}, {table.machine()}.\n\n{grid}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.fleet_faults", description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=STEPS, help="run only this step; may be repeated")
    parser.add_argument("--changes", type=int, default=100_000, help="of the eight writers")
    parser.add_argument(
        "--devices", type=int, default=200, help="that get a change, each with 60 MB of memory and of disk"
    )
    parser.add_argument("--people", type=int, default=10_000, help="at the centre")
    parser.add_argument("--seed", type=int, default=1, help="of the random moments")
    parser.add_argument("--write", type=Path, metavar="FILE", help=f"write the table between FILE's {MARK} marks")
    parser.add_argument("--folder", type=Path, help="scratch folder on a real disk with 5 GB; default: the system's")
    return parser


def _run(name: str, wanted: argparse.Namespace) -> list[Row]:
    print(f"\n{name}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="edgeface-fleet-", dir=wanted.folder, ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        options = Options(Path(folder), wanted.changes, wanted.devices, wanted.people, wanted.seed)
        rows: list[Row] = import_module(f"tools.fleet_faults.{name}").run(options)
    for row in rows:
        print(f"  {row.step}: {row.result}; held: {row.held}", flush=True)
    print(f"  {time.monotonic() - began:.0f} s", flush=True)
    return rows


if __name__ == "__main__":
    sys.exit(main())
