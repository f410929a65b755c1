"""The recognition service as a real process, asked over real HTTP."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeface.web.auth import accounts
from tests.support.broker import until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgeface.web.auth.accounts import Role

DATA = Path(__file__).parents[1] / "data"
RECOGNISE = "/api/v1/recognise"


@dataclass(frozen=True)
class Answer:
    """What the service has answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


class Service:
    """`edgeface serve` with the data folder `folder/data`; its log is in `folder/log`."""

    def __init__(self, folder: Path, serve: str = "{port: 0, workers: 2}", *more: str) -> None:
        self.folder = folder
        config = folder / "config.yaml"
        config.write_text(f"data: {folder / 'data'}\nserve: {serve}\n")
        command = [sys.executable, "-m", "edgeface.cli", "serve", "--config", str(config), *more]
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log)
        self.port = 0

    def wait(self) -> Service:
        """Wait until all workers are ready, and note the port."""
        until(lambda: "recognition service: " in self.log or self.process.poll() is not None, 30)
        found = re.search(r"recognition service: https?://.*:(\d+)/", self.log)
        assert found, self.log
        self.port = int(found[1])
        return self

    @property
    def log(self) -> str:
        """What it has logged."""
        return (self.folder / "log").read_text()

    @property
    def workers(self) -> list[int]:
        """The process ids of its workers."""
        try:
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        except FileNotFoundError:
            return []
        return list(map(int, children.split()))

    def token(self, role: Role = "recognise") -> str:
        """A new token."""
        wall = 0.0
        return accounts.make_token(self.folder / "data", role, role, wall)

    def ask(
        self, path: str, body: bytes | None = None, token: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request over a connection of its own; a body is a POST."""
        sent = {"Content-Type": "image/jpeg", **(headers or {})} if body is not None else dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request("GET" if body is None else "POST", path, body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.headers.items()), answer.read())

    def who(self, photo: str, token: str) -> str | None:
        """The id of the person in a photo of tests/data, as the service sees it."""
        answer = self.ask(RECOGNISE, (DATA / f"{photo}.jpg").read_bytes(), token)
        assert answer.status == 200, answer.body
        person: str | None = answer.json["faces"][0]["person"]
        return person

    def stop(self) -> int:
        """End it as systemd does; gives the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def close(self) -> None:
        """End it by force, and whatever it has left."""
        left = self.workers
        self.process.kill()
        self.process.wait()
        for one in left:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)


def is_alive(process: int) -> bool:
    """Whether a process still runs; one that has ended and was not yet collected does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
