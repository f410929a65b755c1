"""Everything around the app in its trial: a broker with logins, a fake Supervisor, a fake ingress, and the process."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from edgeface.demo.mosquitto import Mosquitto, free_port
from tests.support.browsing import three_people
from tests.support.http_receiver import receiver
from tests.support.ingress import ADDRESS, ingress
from tools.home_assistant_app.process import Command, Container, wait

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.ingress import Ingress
    from tools.home_assistant_app.process import Process

TOKEN, LOGIN = "a token of the Supervisor", ("addons", "a password of the broker")
USERS = {"anna": "5f1d9a3c0b7e4e0d8f2a6b1c9d3e7f50", "ben": "0c2b4d6e8f1a3c5e7d9b0f2a4c6e8d10", "guest": "9" * 32}
"""The ids of Home Assistant's users."""
_START = 60.0


class Site:
    """The app's folders, its broker, and the process if it runs."""

    def __init__(self, folder: Path, broker: Mosquitto, supervisor: int, process: Process) -> None:
        self.broker, self.process = broker, process
        self.data, self.config, self.share = (folder / name for name in ("data", "config", "share"))
        for one in (self.data, self.config, self.share):
            one.mkdir()
        self.clip = three_people(folder / "clip.avi")
        self.port, self._supervisor = free_port(), supervisor

    def options(self, **options: Any) -> None:
        """Save options, as Home Assistant does: for root alone."""
        file = self.data / "options.json"
        camera = {"name": "Front door", "address": str(self.clip)}
        file.write_text(json.dumps({"cameras": [camera], "snapshots": "all", **options}))
        file.chmod(0o600)

    def start(self) -> float:
        """Start the app; returns the seconds until its page answers, or raises RuntimeError with the log."""
        began = time.monotonic()
        self._launch()
        while time.monotonic() - began < _START and self.process.ended() is None:
            try:
                urlopen(f"http://127.0.0.1:{self.port}/login", timeout=1).close()
                return time.monotonic() - began
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"the app does not start: {self.process.log()}")

    def refused(self) -> tuple[int, str]:
        """Start the app with options that make no config; its exit status, and what it wrote."""
        self._launch()
        return wait(self.process), self.process.log()

    def stop(self) -> tuple[int, float]:
        """Stop the app as Home Assistant does; its exit status, and the seconds until it has ended."""
        began = time.monotonic()
        status = self.process.stop()
        return status, time.monotonic() - began

    def _launch(self) -> None:
        folders = [f"--data={self.data}", f"--config-folder={self.config}", f"--share={self.share}"]
        reached = [f"--supervisor=http://127.0.0.1:{self._supervisor}", f"--ingress={ADDRESS}", f"--port={self.port}"]
        self.process.start([*folders, *reached, f"--user={self.process.daemon}"], {"SUPERVISOR_TOKEN": TOKEN})


@contextmanager
def site(folder: Path, base: str | None) -> Iterator[tuple[Site, Ingress]]:
    """Broker, Supervisor, ingress and the app's folders; what still runs is ended.

    With `base`, the app is its image on that one.
    """
    (folder / "broker").mkdir()
    passwords = folder / "broker" / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, *LOGIN], check=True, stderr=subprocess.DEVNULL)
    process = Command(folder) if base is None else Container(folder, base)
    with (
        Mosquitto(folder / "broker", ("allow_anonymous false", f"password_file {passwords}")) as broker,
        receiver() as supervisor,
    ):
        service = {"host": "127.0.0.1", "port": broker.port, "ssl": False, "username": LOGIN[0], "password": LOGIN[1]}
        supervisor.answer = json.dumps({"result": "ok", "data": {"addon": "core_mosquitto", **service}}).encode()
        made = Site(folder, broker, supervisor.port, process)
        try:
            with ingress(made.port, USERS) as proxy:
                yield made, proxy
        finally:
            process.remove()
