"""The process that sends notifications: `python -m edgeface.notify.sender`, started by the daemon alone.

It reads lines of JSON from its standard input: first a Handover, then a Request for each message. It writes a line
with `id`, `error` and `gone` for each, in any order. It opens no file of the data folder, and ends when its input ends.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import queue
import resource
import signal
import sys
import threading
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from edgeface.core.clock import SystemClock
from edgeface.core.settings import Settings
from edgeface.notify.network_guard import blocked, guard, limited
from edgeface.notify.subscriptions import Browsers
from edgeface.notify.targets import MAX_ERROR, AppriseSender, Outgoing, SendError, WebhookSender, limit_requests
from edgeface.notify.web_push import WebPushSender
from edgeface.security.process import leave_no_core

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from edgeface.notify.targets import Sender


MESSAGE_SECONDS = 20.0
"""Seconds for one message, after which its connections are shut down: a service may answer a byte at a time."""
LAST_SECONDS = 2.0
"""Seconds at the end for the messages under way."""
MAX_MEMORY = 384 << 20
"""Bytes of data, with the stacks of the threads."""


class TargetSecrets(Settings):
    """A target with what it needs to know."""

    type: str
    url: Annotated[str, Field(repr=False)] = ""
    secret: Annotated[str | None, Field(repr=False)] = None
    allow_local: bool = False
    contact: str = ""
    problem: str | None = None
    """Why it cannot be used."""

    def sender(self) -> Sender:
        """What sends to it; raises SendError."""
        if self.problem is not None:
            raise SendError(self.problem)
        if self.type == "web_push":
            return WebPushSender(self.contact)
        if self.type == "apprise":
            return AppriseSender(self.url)
        return WebhookSender(self.url, self.secret or "")


class Handover(Settings):
    """What the daemon gives the process first."""

    targets: dict[str, TargetSecrets]


class Request(Settings):
    """A message for a target."""

    id: int
    """The answer has the same."""
    target: str
    message: str
    """The id of the message."""
    wall: int
    title: str
    body: str
    facts: dict[str, Any]
    picture: str | None
    """JPEG in base64."""
    browsers: Browsers | None = None
    """For a target of type web_push."""

    @property
    def outgoing(self) -> Outgoing:
        """As a target sends it."""
        picture = None if self.picture is None else base64.b64decode(self.picture)
        return Outgoing(self.message, self.wall, self.title, self.body, self.facts, picture)


class _Worker:
    """One target, with a thread of its own, so that a slow one delays no other."""

    def __init__(self, target: TargetSecrets, answer: _Answers) -> None:
        self._requests: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._target = target
        self._answer = answer
        self._sender: Sender | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, request: Request | None) -> None:
        """Have it sent; None ends the thread."""
        self._requests.put(request)

    def join(self, seconds: float) -> None:
        """Wait for the end of the thread."""
        self._thread.join(seconds)

    def _run(self) -> None:
        while (request := self._requests.get()) is not None:
            with limited(MESSAGE_SECONDS, local=self._target.allow_local):
                error = self._send(request)
            gone = self._sender.gone if isinstance(self._sender, WebPushSender) else ()
            self._answer(request.id, error, gone)

    def _send(self, request: Request) -> str | None:
        """The reason why it could not be sent."""
        try:
            if self._sender is None:
                self._sender = self._target.sender()
            if isinstance(self._sender, WebPushSender):
                self._sender.browsers = request.browsers
            self._sender.send(request.outgoing)
        except SendError as error:
            return blocked() or str(error)[:MAX_ERROR]
        except Exception as error:  # noqa: BLE001 - more than a hundred services of a library, and no text may leak
            return blocked() or f"it failed ({type(error).__name__})"
        return None


class _Answers:
    """Writes the answers, one line each; any thread may call it."""

    def __init__(self, sink: int) -> None:
        self._sink = sink
        self._lock = threading.Lock()

    def __call__(self, id_: int, error: str | None, gone: Sequence[str] = ()) -> None:
        with self._lock:
            os.write(self._sink, json.dumps({"id": id_, "error": error, "gone": [*gone]}).encode() + b"\n")


def main() -> int:
    """Serve until the input ends."""
    _isolate()
    # Libraries may print and log, with secrets: none of it goes anywhere.
    sink, nowhere = os.dup(sys.stdout.fileno()), os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    logging.getLogger("apprise").propagate = False
    lines = _lines()
    handover = Handover.model_validate_json(next(lines))
    _load(handover)
    guard()
    answers = _Answers(sink)
    workers = {name: _Worker(target, answers) for name, target in handover.targets.items()}
    answers(0, None)
    for line in lines:
        request = Request.model_validate_json(line)
        workers[request.target].put(request)
    _end(workers.values())
    os._exit(0)  # a message that is still under way would otherwise keep the process


def _isolate() -> None:
    """Hold secrets and faces in memory alone, and not more memory than a small device has."""
    # systemd and a terminal signal the whole group. The daemon ends this process, by closing its input.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    leave_no_core()
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY, MAX_MEMORY))


def _end(workers: Collection[_Worker]) -> None:
    """Let the messages under way arrive, for LAST_SECONDS in all."""
    clock = SystemClock()
    until = clock.monotonic() + LAST_SECONDS
    for worker in workers:
        worker.put(None)
    for worker in workers:
        worker.join(max(0.0, until - clock.monotonic()))


def _load(handover: Handover) -> None:
    """Import what takes a second."""
    limit_requests()
    if any(target.type == "apprise" for target in handover.targets.values()):
        try:
            import apprise  # noqa: F401 - see above
        except ImportError:
            return  # each message says so


def _lines() -> Iterator[str]:
    yield from iter(sys.stdin.readline, "")


if __name__ == "__main__":
    raise SystemExit(main())
