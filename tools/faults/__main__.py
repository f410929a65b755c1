"""Breaks the daemon and its files on purpose, and prints one table: what was tried, lost, late, torn.

    python -m tools.faults [--only NAME ...] [--write docs/trust.md]

Takes about 20 minutes on two cores. Power cuts and the full disk mount file systems, which needs root; without it they
are reported as not tried. Exit status: 0 if every promise held, 1 if one did not.
"""

from __future__ import annotations

import argparse
import random
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
from tools.faults.part import NotTriedError, Options, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTS = ("kills", "cuts", "stalls", "disk", "grants", "soak")
"""Modules of this folder, in the order they run."""
MARK = "faults"
_SEED_LIMIT = 1 << 32


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts, print the table, and write it to a document if requested."""
    wanted = _parser().parse_args(arguments)
    # A run that is terminated, or whose terminal closes, cleans up like an interrupted one.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    seed = wanted.seed if wanted.seed is not None else random.SystemRandom().randrange(_SEED_LIMIT)
    print(f"seed {seed}", flush=True)
    try:
        rows = [_run(name, wanted, seed) for name in wanted.only or PARTS]
    except KeyboardInterrupt:
        print("interrupted; everything is stopped and unmounted", flush=True)
        return 130
    print("\n" + table.text(rows))
    shown = table.markdown(rows, datetime.now(timezone.utc).date().isoformat(), table.machine())
    figures.save("faults", shown)
    if wanted.write is not None:
        table.write(wanted.write, MARK, shown)
    return 0 if all(row.passed for row in rows) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.faults", description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=PARTS, help="run only this part; may be repeated")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--cuts", type=int, default=20, help="100 before a release")
    parser.add_argument("--stalls", type=int, default=2, help="rounds of six faults of 12 s")
    parser.add_argument("--soak", type=float, default=600.0, metavar="SECONDS", help="7200 for a nightly run")
    parser.add_argument("--grants", type=int, default=10_000)
    parser.add_argument("--seed", type=int, help="seed of the random moments; default: a new one each time")
    parser.add_argument("--write", type=Path, metavar="FILE", help=f"write the table between FILE's {MARK} marks")
    parser.add_argument("--folder", type=Path, help="scratch folder on a real disk; default: the system's")
    return parser


def _run(name: str, wanted: argparse.Namespace, seed: int) -> Row:
    print(f"\n{name}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(
        prefix="edgeface-faults-", dir=wanted.folder, ignore_cleanup_errors=True
    ) as folder:
        options = Options(
            Path(folder), wanted.kills, wanted.cuts, wanted.stalls, wanted.soak, wanted.grants, random.Random(seed)
        )
        try:
            row: Row = import_module(f"tools.faults.{name}").run(options)
        except NotTriedError as reason:
            row = Row(name, f"not tried: {reason}", skipped=True)
    print(f"  {row.tried}: {'held' if row.passed else 'NOT HELD'}, {time.monotonic() - began:.0f} s", flush=True)
    for fault in row.faults:
        print(f"  problem: {fault}", flush=True)
    return row


if __name__ == "__main__":
    sys.exit(main())
