"""A database in the sandbox, for the commands of docs/fleet.md: it runs until the sandbox ends.

PostgreSQL is the one of the tests. What a client needs to find it is written to the file that is given.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from tests.support.postgres import Postgres

FOLDER = Path("/srv")


def main() -> None:
    """Start it, and wait."""
    server = Postgres(FOLDER)
    server.start()
    Path(sys.argv[1]).write_text(f"export PGHOST={server.root} PGUSER=edgeface\n", encoding="utf-8")
    signal.pause()


if __name__ == "__main__":
    main()
