"""A site to break: the real daemon as a process, a looping clip, a real broker, and a listener."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeface.demo.mosquitto import Mosquitto
from tests.support.proxy import Proxy
from tools.faults.listener import Listener, Received

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent.parent
DEMO = ROOT / "edgeface" / "demo_data"
DEVICE = "faults"
CAMERA = "porch"
_READY = 30.0
_DRAIN = 60.0


@dataclass(frozen=True, slots=True)
class Books:
    """What is present at the end."""

    there: set[str]
    """Ids in the journal."""
    lost: set[str]
    """Ids that are in the journal but were not received, or the other way round."""
    late: list[Received]
    faults: tuple[str, ...]
    """The problems found, including `torn`."""
    torn: list[str]


class Site:
    """A context manager: broker and listener run from the start, the daemon once it is started; all end with it.

    The daemon reaches the broker through a proxy whose network can be made to fail; the listener connects directly.
    """

    def __init__(self, folder: Path, data: Path | None = None, more: str = "") -> None:
        """`more` is appended to config.yaml."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.data = data or folder / "data"
        self.config = folder / "config.yaml"
        self.broker = Mosquitto(folder)
        self.proxy = Proxy(self.broker.port)
        self.process: subprocess.Popen[bytes] | None = None
        self.config.write_text(
            f"device: {DEVICE}\ndata: {self.data}\n"
            f"cameras: {{{CAMERA}: {{type: replay, path: {DEMO / 'clip.mp4'}, loop: true}}}}\n"
            f"mqtt: {{port: {self.proxy.port}}}\n{more}",
            encoding="utf-8",
        )

    def __enter__(self) -> Site:
        with ExitStack() as stack:
            stack.callback(self.broker.stop)
            self.broker.start()
            stack.enter_context(self.proxy)
            self.listener = Listener(self.broker.port, DEVICE)
            stack.callback(self.listener.close)
            stack.callback(self.kill)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self) -> float:
        """Start the daemon; returns the seconds until it sends READY to the service manager, which is this process."""
        address = f"\0faults-{os.getpid()}-{time.monotonic_ns()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel, self._log() as log:
            channel.bind(address)
            channel.settimeout(_READY)
            environment = {**os.environ, "NOTIFY_SOCKET": f"@{address[1:]}"}
            began = time.monotonic()
            command = self.command("run", "--config", str(self.config))
            self.process = subprocess.Popen(command, stderr=log, stdout=log, env=environment, cwd=ROOT)
            while b"READY=1" not in channel.recv(4096):
                pass
            return time.monotonic() - began

    def kill(self) -> None:
        """Kill the daemon, as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Stop the daemon normally and return its exit status."""
        return self._end(signal.SIGTERM)

    @property
    def alive(self) -> bool:
        """Whether the daemon is running."""
        return self.process is not None and self.process.poll() is None

    def edgeface(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a verb to its end, on this configuration."""
        verb, *rest = arguments
        command = self.command(verb, "--config", str(self.config), *rest)
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)

    def command(self, *arguments: str) -> list[str]:
        """The command line of `edgeface` with arguments."""
        return [sys.executable, "-m", "edgeface.cli", *arguments]

    def enroll_demo(self) -> None:
        """Enroll the two people of the clip."""
        done = self.edgeface("enroll", "--folder", str(DEMO / "people"))
        if done.returncode:
            raise RuntimeError(f"enrolling the clip's people failed: {done.stderr.strip()}")

    def rows(self) -> dict[str, bool]:
        """Ids in the journal, and whether each is marked as published."""
        return rows(self.data / "journal.db")

    def settle(self, missed: frozenset[str] = frozenset()) -> Books:
        """Wait until everything is published, stop the daemon normally, and compare the journal with what was received.

        `missed` are ids that the broker accepted while our listener was disconnected.
        """
        drained, alive = self.drained(_DRAIN), self.alive
        status = self.stop()
        torn = damage(self.data)
        there, received = set(self.rows()), self.listener.ids()
        untold, unwritten = there - received - missed, received - there
        faults = [] if alive and status == 0 else [f"the daemon exited with status {status}"]
        faults += [] if drained else ["the journal was not drained at the end"]
        faults += [f"{len(untold)} rows of the journal were never received"] if untold else []
        faults += [f"{len(unwritten)} events were received that are not in the journal"] if unwritten else []
        return Books(
            there,
            untold | unwritten,
            [received for received in self.listener.received if received.late],
            (*faults, *torn),
            torn,
        )

    def drained(self, seconds: float) -> bool:
        """Wait until everything in the journal has been published."""
        return until(lambda: all(self.rows().values()), seconds)

    def _end(self, number: signal.Signals) -> int:
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.process = None
        return status

    def _log(self) -> Any:
        return (self.folder / "daemon.log").open("ab")


def until(condition: Callable[[], object], seconds: float, step: float = 0.05) -> bool:
    """Wait for a condition; False if it does not become true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(step)
    return True


def rows(journal: Path) -> dict[str, bool]:
    """Ids in a journal, and whether each is marked as published; empty if there is no journal yet.

    The row that records a stop is published at the next start, so it is left out.
    """
    if not journal.exists():
        return {}
    query = "SELECT id, said FROM rows WHERE kind != 'stopped'"
    with closing(sqlite3.connect(journal, timeout=10)) as connection, suppress(sqlite3.OperationalError):
        return {str(id_): bool(said) for id_, said in connection.execute(query)}
    return {}


def damage(data: Path) -> list[str]:
    """Damage in a data folder: quick_check of each file, files set aside, the journal's chain."""
    found = [
        f"{path.name} was set aside" for path in data.glob("*.corrupt-*") if not path.name.endswith(("wal", "shm"))
    ]
    for name in ("gallery.db", "journal.db"):
        if (data / name).exists():
            found += _checked(data / name)
    if (data / "journal.db").exists():
        found += _verified(data)
    return found


def audited() -> bool:
    """Whether this edgeface can verify its journal."""
    return importlib.util.find_spec("edgeface.cli.audit") is not None


def _checked(path: Path) -> list[str]:
    try:
        with closing(sqlite3.connect(path, timeout=10)) as connection:
            said = connection.execute("PRAGMA quick_check").fetchone()[0]
    except sqlite3.Error as error:
        said = str(error)
    return [] if said == "ok" else [f"{path.name}: {said}"]


def _verified(data: Path) -> list[str]:
    if not audited():
        return []
    command = [sys.executable, "-m", "edgeface.cli", "audit", "verify", "--data", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)
    return [] if done.returncode == 0 else [f"audit verify: exit {done.returncode}: {done.stderr.strip()[-300:]}"]


def state_of(wire: dict[str, Any], *keys: str) -> Any:
    """A nested value of a state message; None if it is missing."""
    value: Any = json.loads(json.dumps(wire))
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
