"""The process that starts the workers, replaces those that exit, and sends all of them the people.

Only this process opens where they are stored, and the keys. It answers no requests, so none can reach either.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from edgeface.core import systemd
from edgeface.core.errors import EdgefaceError
from edgeface.core.text import counted
from edgeface.security.process import python_path
from edgeface.workers import shared_counts
from edgeface.workers.channel import CONFIGURATION, CONFIRMED, MAX_MESSAGE, READY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.core.clock import Clock

log = logging.getLogger(__name__)

POLL_SECONDS = 0.25
"""Seconds between two checks of the gallery and the workers."""
START_SECONDS = 60.0
"""Seconds within which a worker must answer for the first time; a Raspberry Pi with a busy card needs a few."""
HANG_SECONDS = 20.0
"""Seconds after which a worker that does not answer is killed and replaced."""
AGAIN_SECONDS = 2.0
"""Seconds between two starts of one worker."""
END_SECONDS = 4.0
"""Seconds after `stop_seconds` after which a worker is ended by force."""


class Service(Protocol):
    """What the workers serve."""

    title: str
    """Its name in the log."""
    module: str
    """Each worker is `python -m MODULE NUMBER CHANNEL COUNTS LISTENER...`, as worker.py has it."""
    stop_seconds: float
    """Seconds to finish the requests in progress."""
    lost: str
    """What the log says when `follow` fails."""

    @property
    def url(self) -> str:
        """The address, for the log."""

    @property
    def shared(self) -> int:
        """A file descriptor of the memory with the people; -1 before `follow` has made it."""

    @property
    def version(self) -> int:
        """Another number for each `shared`."""

    @property
    def people(self) -> int:
        """How many there are."""

    def follow(self, wall: float) -> bool:
        """Take in changes of the people; False if some are left. Raises EdgefaceError or OSError."""

    def handover(self, *, replacement: bool) -> bytes:
        """What a worker reads from its standard input; with `replacement`, others are serving."""

    def listen(self, number: int) -> Sequence[socket.socket]:
        """New sockets for a worker. Raises ConfigError."""


@dataclass(slots=True, eq=False)
class _Process:
    """A worker as the supervisor knows it."""

    number: int
    child: subprocess.Popen[bytes]
    channel: socket.socket
    started: float
    heard: float | None = None
    """When it answered last."""
    ready: bool = False
    sent: int = 0
    """The `version` of the memory that it has."""


class Supervisor:
    """Runs the service, in the main thread."""

    def __init__(self, service: Service, workers: int, clock: Clock) -> None:
        self._service, self._clock = service, clock
        self._stopping = self._announced = False
        self._status = 0
        self._memory = shared_counts.make(workers)
        self._counts = shared_counts.SharedCounts(self._memory)
        self._workers: list[_Process | None] = [None] * workers
        self._next_start = [0.0] * workers
        self._problem = ""

    def stop(self) -> None:
        """Have `run` end; a signal handler may call it."""
        self._stopping = True

    def run(self) -> int:
        """Serve until `stop`; gives the exit status: 78 if a worker cannot start with this configuration."""
        try:
            while not self._stopping:
                self._replace()
                self._send(current=self._read())
                self._hear()
                self._notify()
        finally:
            self._end()
        return self._status

    def _replace(self) -> None:
        """Start the workers that are missing, and end those that hang."""
        now = self._clock.monotonic()
        for number, one in enumerate(self._workers):
            if one is not None:
                self._look_at(one, now)
            if self._workers[number] is None and now >= self._next_start[number] and not self._stopping:
                self._start(number, now)

    def _look_at(self, one: _Process, now: float) -> None:
        last, patience = (one.started, START_SECONDS) if one.heard is None else (one.heard, HANG_SECONDS)
        if now - last > patience:
            log.error("worker %d does not answer: killing it", one.number)
            one.child.kill()
            one.child.wait()
        status = one.child.poll()
        if status is None:
            return
        self._forget(one)
        if status == CONFIGURATION:
            self._status, self._stopping = CONFIGURATION, True
            return
        log.error("worker %d exited with status %d: starting another", one.number, status)
        self._counts.set("restarts", self._counts.get("restarts") + 1)
        self._next_start[one.number] = one.started + AGAIN_SECONDS

    def _forget(self, one: _Process) -> None:
        one.channel.close()
        self._workers[one.number] = None
        self._counts.clear(one.number)

    def _start(self, number: int, now: float) -> None:
        with ExitStack() as stack:
            listeners = [stack.enter_context(one) for one in self._service.listen(number)]
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            stack.enter_context(theirs)
            handles = [theirs.fileno(), self._memory, *(one.fileno() for one in listeners)]
            child = subprocess.Popen(
                [sys.executable, "-m", self._service.module, str(number), *map(str, handles)],
                stdin=subprocess.PIPE,
                pass_fds=handles,
                env={**_environment(), "PYTHONPATH": python_path()},
                # Python searches the folder that it is started in: it must not be one that others can write to.
                cwd="/",
            )
        replacement = self._announced and any(one is not None and one.ready for one in self._workers)
        given = self._service.handover(replacement=replacement)
        with suppress(OSError):
            # A child that has ended already is noticed with the others.
            _give(child, given)
        self._workers[number] = _Process(number, child, ours, now)

    def _read(self) -> bool:
        """Follow the people; False if they may be out of date."""
        try:
            current = self._service.follow(self._clock.wall())
        except (EdgefaceError, OSError) as error:
            if str(error) != self._problem:
                log.error("%s: %s", self._service.lost, error)
            self._problem = str(error)
            return False
        self._problem = ""
        self._counts.set("people", self._service.people)
        return current and self._service.shared >= 0

    def _send(self, *, current: bool) -> None:
        """Give each worker the newest people, or confirm that it has them."""
        if not current:
            return
        for one in self._workers:
            if one is None:
                continue
            handles = [self._service.shared] if one.sent != self._service.version else []
            # One that reads nothing hangs, or has ended: `_replace` sees to it.
            with suppress(OSError):
                socket.send_fds(one.channel, [CONFIRMED], handles, socket.MSG_DONTWAIT)
                one.sent = self._service.version

    def _hear(self) -> None:
        """Wait a moment for the answers of workers."""
        known = {one.channel: one for one in self._workers if one is not None}
        readable, _, _ = select.select(list(known), [], [], POLL_SECONDS)
        for channel in readable:
            with suppress(OSError):
                while message := channel.recv(MAX_MESSAGE, socket.MSG_DONTWAIT):
                    known[channel].heard, known[channel].ready = self._clock.monotonic(), message == READY
        if readable:
            # The channel of a worker that has just ended stays readable until it is replaced.
            self._clock.sleep(POLL_SECONDS / 10)

    def _notify(self) -> None:
        ready = [one for one in self._workers if one is not None and one.ready]
        if not self._announced and len(ready) == len(self._workers):
            self._announced = True
            people = counted(int(self._counts.get("people")), "person", "people")
            log.info("%s: %s, %s, %s", self._service.title, self._service.url, counted(len(ready), "worker"), people)
            systemd.notify(systemd.READY)
        if systemd.watchdog_seconds() is not None:
            systemd.notify(systemd.WATCHDOG)

    def _end(self) -> None:
        """Stop the workers: they finish the requests in progress, within `stop_seconds`."""
        systemd.notify(systemd.STOPPING)
        left = [one for one in self._workers if one is not None]
        for one in left:
            one.child.terminate()
        until = self._clock.monotonic() + self._service.stop_seconds + END_SECONDS
        for one in left:
            try:
                one.child.wait(max(0.0, until - self._clock.monotonic()))
            except subprocess.TimeoutExpired:
                one.child.kill()
                one.child.wait()
            self._forget(one)
        os.close(self._memory)


def _environment() -> dict[str, str]:
    """The environment without what only the supervisor uses: the key, and the service manager."""
    return {name: value for name, value in os.environ.items() if name not in {"CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET"}}


def _give(child: subprocess.Popen[bytes], data: bytes) -> None:
    """Write to a child's standard input, and close it."""
    if child.stdin is not None:
        with child.stdin as pipe:
            pipe.write(data)
