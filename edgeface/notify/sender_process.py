"""The daemon's side of the process that sends notifications: it is started, watched and replaced."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from edgeface.core.settings import Settings
from edgeface.core.text import cleaned, counted
from edgeface.notify.subscriptions import MAX_SUBSCRIPTIONS
from edgeface.notify.targets import MAX_ERROR
from edgeface.security.process import python_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgeface.core.clock import Clock
    from edgeface.notify.delivery import Message
    from edgeface.notify.sender import Handover
    from edgeface.notify.subscriptions import Browsers

TIMEOUT = 30.0
"""Seconds after which a message that was not answered ends the process: a library hangs."""
START_TIMEOUT = 60.0
"""Seconds for the process to load; a Raspberry Pi needs a few."""
WRITE_TIMEOUT = 5.0
"""Seconds for the process to read a message."""
_READY, _END = 0, -1


_MAX_LINE = 16_384
"""Bytes of an answer."""
_GONE_ID = Annotated[str, Field(max_length=64)]


class Answer(Settings):
    """What became of a message: the error is None for one that was sent."""

    id: int
    error: Annotated[str, Field(max_length=MAX_ERROR), AfterValidator(cleaned)] | None
    gone: Annotated[tuple[_GONE_ID, ...], Field(max_length=MAX_SUBSCRIPTIONS)] = ()
    """Ids of browsers that no longer want messages."""


class SenderProcess:
    """One process; one thread uses it, and another one reads its answers and calls `on_answer`.

    Once the process has ended, `on_answer` gets None, and nothing else comes.
    """

    def __init__(
        self,
        handover: Handover,
        clock: Clock,
        on_answer: Callable[[SenderProcess, Answer | None], None],
        command: Sequence[str] = (sys.executable, "-m", "edgeface.notify.sender"),
    ) -> None:
        """Start it; its answer to message 0 means that it is ready. Raises OSError if it cannot be started."""
        self._clock = clock
        self._on_answer = on_answer
        self._waits: dict[int, float] = {_READY: clock.monotonic() + START_TIMEOUT}
        self.ending = False
        """Whether it takes no more messages."""
        # A socket, unlike a pipe, has a timeout for a process that reads no more.
        self._input, other = socket.socketpair()
        self._input.settimeout(WRITE_TIMEOUT)
        with other:
            self._process = subprocess.Popen(
                command,
                stdin=other.fileno(),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment(),
                # Python searches the folder that it is started in: it must not be one that others can write to.
                cwd="/",
            )
        threading.Thread(target=self._read, name="notify-answers", daemon=True).start()
        self._write(handover.model_dump_json())

    @property
    def hangs(self) -> bool:
        """Whether an answer, or its end, is overdue."""
        return self._clock.monotonic() >= min(self._waits.values(), default=float("inf"))

    def send(self, id_: int, target: str, message: Message, wall: float, browsers: Browsers | None = None) -> None:
        """Have a message sent, to these browsers if the target is web push; returns soon."""
        self._waits[id_] = self._clock.monotonic() + TIMEOUT
        known = None if browsers is None else browsers.model_dump()
        self._write(json.dumps({**_request(id_, target, message, wall), "browsers": known}))

    def answered(self, id_: int) -> None:
        """Take note of an answer."""
        self._waits.pop(id_, None)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def end(self, seconds: float) -> None:
        """Have it end by itself, after the messages under way; it `hangs` after so many seconds."""
        self.ending = True
        self._waits[_END] = self._clock.monotonic() + seconds
        self._input.close()

    def close(self, seconds: float) -> None:
        """End it; the messages under way have so many seconds."""
        self.end(seconds)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()

    def _write(self, line: str) -> None:
        try:
            self._input.sendall(line.encode() + b"\n")
        except OSError:
            # It has ended, or hangs: its answers end with it.
            self.kill()

    def _read(self) -> None:
        if self._process.stdout is not None:
            with self._process.stdout as answers, suppress(ValidationError):
                for line in iter(partial(answers.readline, _MAX_LINE), b""):
                    self._on_answer(self, Answer.model_validate_json(line))
        # It has ended, or is not to be trusted.
        self.kill()
        self._process.wait()
        self._on_answer(self, None)


def _request(id_: int, target: str, message: Message, wall: float) -> dict[str, Any]:
    notice = message.notice
    missed = f"{counted(message.missed, 'earlier notification')} not sent" if message.missed else ""
    return {
        "id": id_,
        "target": target,
        "message": notice.id or f"{notice.kind}-{notice.camera}-{round(notice.at * 1000)}",
        "wall": int(wall),
        "title": notice.title,
        "body": "\n".join(filter(None, (notice.body, missed))),
        "facts": {**notice.wire(), "missed": message.missed},
        "picture": None if notice.picture is None else base64.b64encode(notice.picture).decode(),
    }


def environment() -> dict[str, str]:
    """What Python needs and no more: neither secrets nor proxies of the daemon's environment.

    A name must be looked up, or fail, well within TIMEOUT (resolv.conf(5); the default is 10 s for each server).
    """
    kept = ("PATH", "LANG", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
    given = {name: os.environ[name] for name in kept if name in os.environ}
    return {**given, "PYTHONPATH": python_path(), "RES_OPTIONS": "timeout:2 attempts:2"}
