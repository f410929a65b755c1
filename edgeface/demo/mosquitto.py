"""A private mosquitto on a free loopback port, for the demo and the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

from edgeface.core.clock import SystemClock
from edgeface.core.errors import EdgefaceError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Debian installs it in a folder that is only in root's PATH.
_EXTRA_PATH = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
# A busy machine takes long to start it.
_START_TIMEOUT, _TIMEOUT = 30.0, 5.0


def find() -> str:
    """Path of the mosquitto program; raises EdgefaceError if it is not installed."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *_EXTRA_PATH))
    program = shutil.which("mosquitto", path=path)
    if program is None:
        raise EdgefaceError("mosquitto is not installed: apt-get install mosquitto")
    return program


def free_port() -> int:
    """A TCP port on 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """A broker on 127.0.0.1 with its configuration and log in `folder`; a context manager that starts and stops it.

    `options` are lines of mosquitto.conf(5), which replace `allow_anonymous true`. A restart keeps the port, but no
    messages.
    """

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        self._program = find()
        self._folder = folder
        self._options = tuple(options) or ("allow_anonymous true",)
        self._process: subprocess.Popen[bytes] | None = None
        self._clock = SystemClock()
        self.port = free_port()

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What mosquitto has written so far."""
        file = self._folder / "mosquitto.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def start(self) -> None:
        """Start it and wait until it accepts connections; otherwise raises EdgefaceError with the end of its log."""
        config = self._folder / "mosquitto.conf"
        # Started by root, mosquitto would switch to a user who cannot read these files.
        user = pwd.getpwuid(os.geteuid()).pw_name
        # Without set_tcp_nodelay, an event may reach a subscriber 40 ms late (docs/mosquitto).
        base = (f"listener {self.port} 127.0.0.1", f"user {user}", "persistence false", "set_tcp_nodelay true")
        config.write_text("\n".join((*base, *self._options)) + "\n")
        with (self._folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen([self._program, "-c", str(config)], stdout=log, stderr=log)
        deadline = self._clock.monotonic() + _START_TIMEOUT
        while not self._answers():
            if self._process.poll() is not None or self._clock.monotonic() > deadline:
                self.stop()
                raise EdgefaceError(f"mosquitto does not start: {' '.join(self.log.splitlines()[-2:])}")
            self._clock.sleep(0.02)

    def stop(self) -> None:
        """Stop it with SIGTERM."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it, as a power cut would."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Suspend it: connections stay open, but it answers nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Resume it after `pause`."""
        self._signal(signal.SIGCONT)

    def __enter__(self) -> Mosquitto:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=0.5).close()
        except OSError:
            return False
        return True

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._signal(number)
        self._signal(signal.SIGCONT)
        try:
            self._process.wait(_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
