"""`edgeface run` with one more observer, which records when each frame was captured and processed.

python -m benchmarks.watched CONFIG TRACE
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import trace
from edgeface.config import loader
from edgeface.core.log import set_up
from edgeface.daemon.daemon import Daemon

if TYPE_CHECKING:
    from edgeface.core.types import FrameResult


def main() -> int:
    """Run the daemon like `edgeface run`, and write the trace."""
    source, file = Path(sys.argv[1]), Path(sys.argv[2])
    configuration = loader.load(source)
    set_up(configuration.log)
    with file.open("w", buffering=1, encoding="ascii") as out:

        def record(outcome: FrameResult) -> None:
            trace.write(out, outcome.frame.camera, outcome.frame.seq, outcome.frame.monotonic)

        daemon = Daemon(configuration, observers=(record,), source=source)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: daemon.stop())
        return daemon.run()


if __name__ == "__main__":
    sys.exit(main())
