"""Search workers of a centre: real processes on Unix sockets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from edgeface.centre.search.client import SearchClient
from edgeface.core.errors import FleetError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeface.centre.context import CentreContext
    from edgeface.centre.search.messages import State
    from edgeface.centre.settings import Search

PATIENCE = 40.0


class Searching:
    """`edgeface centre search` for a centre, whose folder of sockets must have a short path."""

    def __init__(self, context: CentreContext, workers: int = 1, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._folder = tempfile.TemporaryDirectory(prefix="ge")
        folder = Path(self._folder.name)
        settings = context.settings
        self.settings: Search = settings.search
        given: dict[str, Any] = {
            "names": list(settings.names),
            "data": str(settings.data),
            "keyring": str(settings.keyring),
            "database": {"conninfo": settings.database.conninfo},
            "search": {"sockets": str(self.settings.sockets), "workers": workers},
        }
        file = folder / "centre.yaml"
        file.write_text(yaml.safe_dump(given))
        self._log = (folder / "log").open("w+", encoding="utf-8")
        self.client = SearchClient(self.settings)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edgeface.cli", "centre", "search", "--config", str(file)],
            stdout=self._log,
            stderr=self._log,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )

    @property
    def log(self) -> str:
        """What it has written so far."""
        self._log.flush()
        return Path(self._log.name).read_text(encoding="utf-8")

    def wait(self, is_so: Callable[[State], bool] = lambda state: state.ready > 0) -> None:
        """Wait until its state is so."""
        until = time.monotonic() + self._patience
        while True:
            try:
                if is_so(self.client.state()):
                    return
            except FleetError as error:
                problem = str(error)
            else:
                problem = "another state"
            assert time.monotonic() < until, f"{problem}\n{self.log}"
            assert self.process.poll() is None, self.log
            time.sleep(0.05)

    def workers(self) -> list[int]:
        """The process ids of its workers."""
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="utf-8")
        return [int(one) for one in found.split()]

    def stop(self) -> int:
        """End it as a service manager does; gives the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        """End it in any case."""
        if self.process.poll() is None:
            self.stop()
        self._log.close()
        self._folder.cleanup()
