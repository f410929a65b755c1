"""A small fleet for a demonstration: PostgreSQL, a broker, a centre and devices, each a process of its own."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeface.core.clock import SystemClock
from edgeface.demo.mosquitto import Mosquitto, free_port
from edgeface.demo.scenario import CLIP
from tests.support.broker import Listener
from tests.support.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

ROOT = Path(__file__).parents[2]
SITE = "house"
_STOP = 20.0
_POLL = 0.2
_COMMAND_SECONDS = 60.0


class Wrong(Exception):  # noqa: N818 - the outcome of a step
    """A step failed, in one line."""


class Stage:
    """Everything in one folder, on free ports of this machine; a context manager that ends all of it."""

    def __init__(self, folder: Path, devices: Sequence[str]) -> None:
        self.folder, self.devices = folder, devices
        self.clock = SystemClock()
        self._stack = ExitStack()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._port, self._admin_port = free_port(), free_port()

    def __enter__(self) -> Stage:
        try:
            self._begin()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        """Where devices reach the centre."""
        return f"https://localhost:{self._port}"

    def at_centre(self, *words: str) -> str:
        """What a command at the centre prints; raises Wrong if it fails."""
        return self.command("centre", *words)

    def command(self, place: str, verb: str, *words: str) -> str:
        """What a command at the centre or at a device prints; raises Wrong if it fails."""
        try:
            done = subprocess.run(
                self._edgeface(place, verb, *words), capture_output=True, text=True, cwd=ROOT, env=os.environ,
                timeout=_COMMAND_SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Wrong(f"edgeface {verb} {' '.join(words)}: no end after {_COMMAND_SECONDS:.0f} s") from None
        if done.returncode:
            raise Wrong(f"edgeface {verb} {' '.join(words)}: {done.stderr.strip()} (status {done.returncode})")
        return done.stdout

    def start(self, place: str, verb: str, *words: str) -> None:
        """Start what runs until the end; its log is PLACE.log."""
        with self._log(place).open("wb") as log:
            self._running[place] = subprocess.Popen(
                self._edgeface(place, verb, *words), stdout=log, stderr=log, cwd=ROOT
            )

    def log(self, place: str) -> str:
        """What it has written so far."""
        return self._log(place).read_text(errors="replace")

    def until(self, condition: Callable[[], object], seconds: float, what: str) -> None:
        """Wait for a condition; raises Wrong after so many seconds, or if a process has ended."""
        deadline = self.clock.monotonic() + seconds
        while not condition():
            for place, process in self._running.items():
                if process.poll() is not None:
                    raise Wrong(f"{place} has ended (status {process.returncode}): {_last_lines(self.log(place))}")
            if self.clock.monotonic() > deadline:
                raise Wrong(f"{what}: not within {seconds:.0f} s")
            self.clock.sleep(_POLL)

    def serve(self, seconds: float) -> None:
        """Start the centre, with a token for `proof`."""
        self._token = self.at_centre("centre", "token", "fleet-demo", "--role", "viewer").strip()
        self._tls = ssl.create_default_context(cafile=self.folder / "centre" / "authority.pem")
        self.start("centre", "centre", "serve")
        self.until(lambda: "devices at port" in self.log("centre"), seconds, "the centre listens")

    def proof(self) -> dict[str, Any]:
        """What the devices have signed, from the REST interface."""
        address = "localhost", self._admin_port
        with closing(http.client.HTTPSConnection(*address, timeout=_COMMAND_SECONDS, context=self._tls)) as asked:
            asked.request("GET", f"/api/v1/sites/{SITE}/proof", headers={"Authorization": f"Bearer {self._token}"})
            answer = asked.getresponse()
            if answer.status != http.client.OK:
                raise Wrong(f"the centre refuses a proof (status {answer.status})")
            return dict(json.loads(answer.read()))

    def events(self, device: str) -> list[dict[str, Any]]:
        """The events of a device, in the order of their arrival."""
        heard = [one for one in self.listener.heard if one.topic.startswith(f"edgeface/{device}/")]
        return [one.json for one in heard]

    def _begin(self) -> None:
        """Start the servers, and write the configurations of the centre and the devices."""
        postgres = Postgres()
        self._stack.callback(postgres.close)
        postgres.start()
        self.database = postgres.create("fleet")
        broker = self._stack.enter_context(Mosquitto(self.folder))
        self.listener = Listener(broker.port, [f"edgeface/{name}/+/event" for name in self.devices], "fleet-demo")
        self._stack.callback(self.listener.close)
        # It is called first: what uses the servers ends before them.
        self._stack.callback(self._end)
        self._centre_config()
        for name in self.devices:
            self._device_config(name, broker.port)

    def _end(self) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(_STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _edgeface(self, place: str, verb: str, *words: str) -> list[str]:
        return [sys.executable, "-m", "edgeface.cli", verb, "--config", str(self.folder / f"{place}.yaml"), *words]

    def _log(self, place: str) -> Path:
        return self.folder / f"{place}.log"

    def _centre_config(self) -> None:
        facts = {
            "names": ["localhost"],
            "database": {"conninfo": self.database},
            "data": f"{self.folder}/centre",
            "keyring": f"{self.folder}/centre-keyring",
            "devices": {"host": "127.0.0.1", "port": self._port},
            "admins": {"port": self._admin_port},
        }
        self._write("centre", facts)

    def _device_config(self, name: str, broker: int) -> None:
        facts = {
            "device": name,
            "data": f"{self.folder}/{name}",
            "cameras": {"porch": {"type": "replay", "path": str(CLIP), "loop": True}},
            "mqtt": {"host": "127.0.0.1", "port": broker},
            "fleet": {"centres": [self.url]},
        }
        self._write(name, facts)

    def _write(self, place: str, facts: dict[str, Any]) -> None:
        # JSON is YAML.
        (self.folder / f"{place}.yaml").write_text(json.dumps(facts))


def _last_lines(log: str) -> str:
    return " | ".join(log.splitlines()[-3:])
