"""Eight writers at the centre, which are killed, and so is the database: no change may be lost, or come twice."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tests.support.postgres import memory
from tests.support.writers import prove
from tools.fleet_faults.step import Options, Row, missed

_KILLS = 24


def run(options: Options) -> list[Row]:
    """Make all changes while processes are killed; the files are in memory if there is room, which a kill leaves."""
    folder = Path(tempfile.mkdtemp(prefix="edgeface-fleet-", dir=memory() or options.folder))
    # PostgreSQL runs as another user.
    folder.chmod(0o711)
    try:
        found = prove(folder, options.changes, kills=_KILLS, seed=options.seed)
    finally:
        shutil.rmtree(folder)
    return [
        Row(
            "8 writers, killed at random",
            f"{found.acknowledged:,} changes, {found.writers_killed} writers and {found.database_killed} databases "
            f"killed, {found.seconds:.0f} s",
            f"{len(found.lost)} lost, {len(found.twice)} twice, digests {'differ' if found.wrong else 'equal'}",
            "0 lost, 0 twice, digests equal",
            missed(nothing_lost=not found.lost, nothing_twice=not found.twice) + tuple(found.wrong),
        )
    ]
