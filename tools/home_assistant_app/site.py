"""Everything around the app in its trial: a broker with logins, a fake Supervisor, a fake ingress, and the process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from edgeface.demo.mosquitto import Mosquitto, free_port
from tests.support.browsing import cut
from tests.support.http_receiver import receiver
from tests.support.ingress import ADDRESS, ingress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.ingress import Ingress

ROOT = Path(__file__).parents[2]
TOKEN, LOGIN = "a token of the Supervisor", ("addons", "a password of the broker")
USERS = {"anna": "5f1d9a3c0b7e4e0d8f2a6b1c9d3e7f50", "ben": "0c2b4d6e8f1a3c5e7d9b0f2a4c6e8d10", "guest": "9" * 32}
"""The ids of Home Assistant's users."""
SPANS = ((2.4, 6.6), (8.2, 11.8), (14.0, 16.2))
"""Seconds of the demo's clip with Barack Obama, a stranger and Joe Biden."""
UNPRIVILEGED = "nobody"
_START = 60.0
_VIEW = """
mount --bind "$2" "$3"
mount -t tmpfs -o mode=755 none "$1"
mkdir -p "$2"
mount --bind "$3" "$2"
shift 3
exec "$@"
"""


class Site:
    """The app's folders, its broker, and the process if it runs."""

    def __init__(self, folder: Path, broker: Mosquitto, supervisor: int) -> None:
        self.folder, self.broker = folder, broker
        self.data, self.config, self.share = (folder / name for name in ("data", "config", "share"))
        for one in (self.data, self.config, self.share):
            one.mkdir()
        self.clip = cut(folder / "clip.avi", *SPANS)
        self.port, self._supervisor = free_port(), supervisor
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What the app has written so far."""
        return (self.folder / "log.txt").read_text(errors="replace")

    def options(self, **options: Any) -> None:
        """Save options, as Home Assistant does: for root alone."""
        file = self.data / "options.json"
        camera = {"name": "Front door", "address": str(self.clip)}
        file.write_text(json.dumps({"cameras": [camera], "snapshots": "all", **options}))
        file.chmod(0o600)

    def start(self) -> float:
        """Start the app; returns the seconds until its page answers, or raises RuntimeError with the log."""
        began = time.monotonic()
        self.process = self._launched()
        while time.monotonic() - began < _START and self.process.poll() is None:
            try:
                urlopen(f"http://127.0.0.1:{self.port}/login", timeout=1).close()
                return time.monotonic() - began
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"the app does not start: {self.log}")

    def refused(self) -> tuple[int, str]:
        """Start the app with options that make no config; its exit status, and what it wrote."""
        before = len(self.log)
        self.process = self._launched()
        return self.process.wait(_START), self.log[before:]

    def stop(self) -> tuple[int, float]:
        """Stop the app as Home Assistant does; its exit status, and the seconds until it has ended."""
        if self.process is None:
            raise RuntimeError("the app does not run")
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_START), time.monotonic() - began

    def _launched(self) -> subprocess.Popen[bytes]:
        folders = [f"--data={self.data}", f"--config-folder={self.config}", f"--share={self.share}"]
        reached = [f"--supervisor=http://127.0.0.1:{self._supervisor}", f"--ingress={ADDRESS}", f"--port={self.port}"]
        user = [f"--user={UNPRIVILEGED}"] if os.geteuid() == 0 else []
        app = [sys.executable, "-m", "edgeface.cli", "app", *folders, *reached, *user]
        command = [*(_opened(self.folder / "view") if user else ()), *app]
        environment = {**os.environ, "SUPERVISOR_TOKEN": TOKEN, "PYTHONPATH": str(ROOT)}
        with (self.folder / "log.txt").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd="/")


def _opened(view: Path) -> list[str]:
    """What begins a command so that other users find this Python, even if it is in a home that they may not enter.

    The command gets a mount namespace of its own in which that home has nothing but this Python.
    """
    python = Path(sys.base_prefix)
    closed = [one for one in python.parents if not one.stat().st_mode & 0o001]
    if not closed:
        return []
    view.mkdir(exist_ok=True)
    return ["unshare", "--mount", "sh", "-ec", _VIEW, "sh", str(closed[-1]), str(python), str(view)]


@contextmanager
def site(folder: Path) -> Iterator[tuple[Site, Ingress]]:
    """Broker, Supervisor, ingress and the app's folders; what still runs is ended."""
    (folder / "broker").mkdir()
    passwords = folder / "broker" / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, *LOGIN], check=True, stderr=subprocess.DEVNULL)
    with (
        Mosquitto(folder / "broker", ("allow_anonymous false", f"password_file {passwords}")) as broker,
        receiver() as supervisor,
    ):
        service = {"host": "127.0.0.1", "port": broker.port, "ssl": False, "username": LOGIN[0], "password": LOGIN[1]}
        supervisor.answer = json.dumps({"result": "ok", "data": {"addon": "core_mosquitto", **service}}).encode()
        made = Site(folder, broker, supervisor.port)
        (folder / "log.txt").touch()
        try:
            with ingress(made.port, USERS) as proxy:
                yield made, proxy
        finally:
            if made.process is not None and made.process.poll() is None:
                made.process.kill()
                made.process.wait()
