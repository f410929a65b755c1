"""Keeps the process that sends notifications from addresses and programs that no target may use, and from hanging.

It is a hook of the interpreter (PEP 578), so it also holds for libraries, and sees the address after the name was
resolved: a name that first resolves to a public address and then to a private one gains nothing.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from edgeface.notify.settings import is_local

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECTS = {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind"}
LOOKUPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
PROGRAMS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn"}
"""Events of the interpreter: connections, name lookups, other programs (docs.python.org, audit events table)."""

_LATE = "no answer in time"
_AGAIN = 0.5
"""Seconds until connections are shut down once more: one was just being made."""


class BlockedError(OSError):
    """A connection or a program that no target may use, or may not use any more."""


class Limits:
    """What one thread may do for one message."""

    def __init__(self, *, local: bool) -> None:
        """`local` allows local addresses."""
        self.local = local
        self.blocked: str | None = None
        """What the thread was kept from; None if nothing."""
        self.late = False
        """Whether the time is over."""
        self._done = threading.Event()
        self._sockets: list[int] = []
        self._lock = threading.Lock()

    def add(self, used: socket.socket) -> None:
        """Note a socket; a duplicate is kept, since TLS takes the socket from the object that connects."""
        with self._lock:
            self._sockets.append(os.dup(used.fileno()))

    def end_in(self, seconds: float) -> None:
        """Unless `close` comes first, refuse all after so many seconds, and shut down every connection."""
        pause = seconds
        while not self._done.wait(pause):
            self.late, self.blocked, pause = True, _LATE, _AGAIN
            self._shut_down()

    def close(self) -> None:
        """The message is done."""
        self._done.set()
        with self._lock:
            while self._sockets:
                os.close(self._sockets.pop())

    def _shut_down(self) -> None:
        with self._lock:
            for number in self._sockets:
                with suppress(OSError), socket.socket(fileno=os.dup(number)) as one:
                    one.shutdown(socket.SHUT_RDWR)


class _OfThread(threading.local):
    limits: Limits | None = None


_of_thread = _OfThread()


@contextmanager
def limited(seconds: float, *, local: bool) -> Iterator[None]:
    """What this thread may do meanwhile: use the network for so many seconds, with local addresses or without.

    A thread that a library starts may not use local addresses.
    """
    limits = _of_thread.limits = Limits(local=local)
    threading.Thread(target=limits.end_in, args=(seconds,), daemon=True).start()
    try:
        yield
    finally:
        _of_thread.limits = None
        limits.close()


def blocked() -> str | None:
    """What this thread was kept from since the last call, or since it has entered `limited`; None if nothing."""
    limits = _of_thread.limits
    if limits is None:
        return None
    found, limits.blocked = limits.blocked, None
    return found


def guard() -> None:
    """Block local addresses outside `limited`, and all programs, until the process ends."""
    sys.addaudithook(_check)


def _check(event: str, arguments: tuple[Any, ...]) -> None:
    if event in PROGRAMS:
        _block("a target may not start a program")
    limits = _of_thread.limits
    if event in LOOKUPS | CONNECTS and limits is not None and limits.late:
        _block(_LATE)
    if event in CONNECTS and not (limits is not None and limits.local) and _is_local(arguments[1]):
        _block("its address is of this machine or of a private network (allow_local: true)")
    if event == "socket.connect" and limits is not None:
        limits.add(arguments[0])


def _block(reason: str) -> None:
    if _of_thread.limits is not None:
        _of_thread.limits.blocked = reason
    raise BlockedError(reason)


def _is_local(address: Any) -> bool:
    """Whether the address of a socket is no address of the internet; that of a Unix socket is text."""
    if not isinstance(address, tuple):
        return address is not None
    try:
        return is_local(str(address[0]))
    except ValueError:
        # A name: it is resolved next, by the same call, and cannot be checked.
        return True
