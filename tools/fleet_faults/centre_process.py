"""A centre as an administrator runs it: `edgeface centre serve`, a process that can be killed."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.centre import settings as centre_settings
from edgeface.centre.context import opened
from edgeface.core.clock import SystemClock
from edgeface.fleet import join_code
from edgeface.fleet.device.joining import join
from edgeface.security.vault import open_vault
from tests.support.centre_server import HOST, SITE
from tests.support.postgres import Postgres, memory
from tools.faults.site import ROOT
from tools.fleet_faults.stage import BY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.centre.context import CentreContext

_PATIENCE = 60.0


class CentreProcess:
    """Its settings, its process, and what the command line of the centre has open at the same time."""

    def __init__(self, postgres: Postgres, folder: Path, name: str = "centre") -> None:
        """Those of one folder share keyring and database; `name` is that of the file with the settings."""
        self.postgres = postgres
        self.port, admins = free_port(), free_port()
        self.file = folder / f"{name}.yaml"
        facts = {
            "names": [HOST], "database": {"conninfo": postgres.conninfo("centre")}, "data": str(folder / "centre"),
            "keyring": str(folder / "second"), "admins": {"port": admins},
            "devices": {"host": HOST, "port": self.port, "trusted_proxies": [HOST]},
        }  # fmt: skip
        self.file.write_text(json.dumps(facts), encoding="utf-8")
        self.log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where devices connect."""
        return f"https://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """Of the process that serves."""
        return 0 if self._process is None else self._process.pid

    def init(self) -> None:
        """Make authority, keyring and tables."""
        subprocess.run([*_COMMAND, "init", "--config", str(self.file)], cwd=ROOT, check=True, capture_output=True)

    def start(self) -> None:
        """Serve, and wait until devices can connect."""
        with self.log.open("ab") as log:
            words = [*_COMMAND, "serve", "--config", str(self.file)]
            self._process = subprocess.Popen(words, cwd=ROOT, stdout=log, stderr=log)
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                socket.create_connection((HOST, self.port), 1).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the centre does not start: {self.log.read_text()[-2000:]}") from None
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """SIGKILL."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    @contextmanager
    def context(self) -> Iterator[CentreContext]:
        """Another process's view of the centre, with the site `tower`."""
        with opened(centre_settings.load(self.file), SystemClock()) as context:
            context.store.add_site(SITE)
            yield context


@contextmanager
def centre_process(folder: Path) -> Iterator[tuple[CentreProcess, CentreContext]]:
    """A centre that serves, and another process's view of it; the files are in memory if there is room."""
    place = Path(tempfile.mkdtemp(prefix="edgeface-fleet-", dir=memory() or folder))
    postgres = Postgres()
    centre = CentreProcess(postgres, place)
    try:
        postgres.start()
        postgres.create("centre")
        centre.init()
        centre.start()
        with centre.context() as context:
            yield centre, context
    finally:
        centre.kill()
        postgres.close()
        shutil.rmtree(place)


def join_as(centre: CentreProcess, context: CentreContext, folder: Path, *, again: bool = False) -> None:
    """Have the device of a data folder join, under the name of the folder."""
    secret = context.store.make_code([SITE], folder.name, BY)
    code = join_code.new(context.authority.fingerprint, secret)
    join(folder, open_vault(folder), folder.name, centre.url, code, again=again)


_COMMAND = (sys.executable, "-m", "edgeface.cli", "centre")


def free_port() -> int:
    """A port that no one listens at."""
    with closing(socket.create_server((HOST, 0))) as free:
        return int(free.getsockname()[1])
