"""The app's process: a command of this checkout, or the image of the app in podman."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tools.image.podman import podman

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
UNPRIVILEGED = "nobody"
"""The daemon's user outside of a container; in the image it is edgeface."""
CONTAINERFILE = ROOT / "packages" / "home_assistant_app" / "Containerfile"
IMAGE, NAME = "localhost/edgeface-app", "edgeface-app-trial"
_PATIENCE = 60.0
_VIEW = """
mount --bind "$2" "$3"
mount -t tmpfs -o mode=755 none "$1"
mkdir -p "$2"
mount --bind "$3" "$2"
shift 3
exec "$@"
"""


class Process(Protocol):
    """The app, as Home Assistant starts and stops it."""

    daemon: str
    """The user of the daemon."""

    def start(self, words: Sequence[str], environment: dict[str, str]) -> None:
        """Start `edgeface app` with these options."""

    def ended(self) -> int | None:
        """The exit status; None while it runs."""

    def stop(self) -> int:
        """End it with SIGTERM; the exit status."""

    def remove(self) -> None:
        """End it at once, if it runs."""

    def pid(self) -> int:
        """Of the daemon, as this machine sees it."""

    def log(self) -> str:
        """All that it has written since the last start."""


class Command:
    """The checkout's own code, as another user than root."""

    daemon = UNPRIVILEGED

    def __init__(self, folder: Path) -> None:
        self._folder, self._log = folder, folder / "log.txt"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, words: Sequence[str], environment: dict[str, str]) -> None:
        """As Process."""
        app = [sys.executable, "-m", "edgeface.cli", "app", *words]
        everything = {**os.environ, **environment, "PYTHONPATH": str(ROOT)}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*_opened(self._folder / "view"), *app], stdout=log, stderr=log, env=everything, cwd="/"
            )

    def ended(self) -> int | None:
        """As Process."""
        return self._running.poll()

    def stop(self) -> int:
        """As Process."""
        self._running.send_signal(signal.SIGTERM)
        return self._running.wait(_PATIENCE)

    def remove(self) -> None:
        """As Process."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def pid(self) -> int:
        """As Process."""
        return self._running.pid

    def log(self) -> str:
        """As Process."""
        return self._log.read_text(errors="replace")

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the app was never started")
        return self._process


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


class Container:
    """The image of the app on a base that `make image` has built; folders have the same paths inside."""

    daemon = "edgeface"

    def __init__(self, folder: Path, base: str) -> None:
        self._folder = folder
        if podman("image", "exists", base, check=False).returncode:
            raise SystemExit(f"app-test: there is no image {base}: make image")
        words = ("build", "--quiet", "--pull=never", "--format", "docker", "--build-arg", f"BASE={base}")
        podman(*words, "--build-arg", "VERSION=trial", "--file", CONTAINERFILE, "--tag", IMAGE, folder)

    def start(self, words: Sequence[str], environment: dict[str, str]) -> None:
        """As Process."""
        self.remove()
        given = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
        # The network of this machine has the fakes; the Supervisor gives an app one of its own.
        where = ("--network", "host", "--tmpfs", "/tmp", "--volume", f"{self._folder}:{self._folder}")  # noqa: S108
        podman("run", "--detach", "--name", NAME, *where, *given, IMAGE, "app", *words)

    def ended(self) -> int | None:
        """As Process."""
        running, status = self._fact("State.Running"), self._fact("State.ExitCode")
        return None if running == "true" else int(status)

    def stop(self) -> int:
        """As Process."""
        podman("stop", "--time", str(int(_PATIENCE)), NAME)
        return int(self._fact("State.ExitCode"))

    def remove(self) -> None:
        """As Process."""
        podman("rm", "--force", "--time", "0", "--ignore", NAME)

    def pid(self) -> int:
        """As Process."""
        # The container's first process is its init.
        init = self._fact("State.Pid")
        (child, *_) = Path(f"/proc/{init}/task/{init}/children").read_text().split()
        return int(child)

    def log(self) -> str:
        """As Process."""
        done = podman("logs", NAME, check=False)
        return done.stdout + done.stderr

    def _fact(self, path: str) -> str:
        return podman("inspect", NAME, "--format", f"{{{{.{path}}}}}").stdout.strip()


def wait(process: Process, seconds: float = _PATIENCE) -> int:
    """The exit status of an app that ends by itself; raises RuntimeError if it does not."""
    began = time.monotonic()
    while (status := process.ended()) is None:
        if time.monotonic() - began > seconds:
            raise RuntimeError("the app runs, although no config can be made from its options")
        time.sleep(0.1)
    return status
