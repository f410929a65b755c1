"""A worker: one process that answers requests until the supervisor stops it or exits.

    python -m MODULE NUMBER CHANNEL COUNTS LISTENER...

Its arguments are its number and inherited file descriptors. The supervisor sends memory with the people over the
channel; once a second, the worker answers whether it is ready. channel.py has the messages.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from edgeface.web.http.clients import Proxies
from edgeface.web.http.connections import Connections, LimitedListener
from edgeface.web.server import make_uvicorn, start
from edgeface.workers.channel import MAX_MESSAGE, NOT_READY, READY

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    import uvicorn
    from starlette.applications import Starlette

    from edgeface.core.clock import Clock
    from edgeface.workers.shared_counts import SharedCounts

_TICK = 1.0
# Seconds after `stop_seconds` at which a worker whose event loop hangs exits by force.
_FORCE = 2.0


class Context(Protocol):
    """What the handlers of a worker share."""

    clock: Clock
    counts: SharedCounts
    stopping: bool
    """No new requests are accepted."""

    @property
    def problem(self) -> str | None:
        """Why no request can be answered now, in one line."""

    def use(self, handle: int) -> None:
        """Use the memory of this file descriptor from now on; the caller closes it."""

    def confirm(self) -> None:
        """The people are still current."""

    def warm(self) -> None:
        """Prepare what takes long. Raises EdgefaceError."""


@dataclass(frozen=True, slots=True, eq=False)
class Serving:
    """How a worker serves."""

    application: Callable[[], Starlette]
    """Made in the event loop, before the worker listens."""
    tls: Callable[[], ssl.SSLContext | None]
    """Raises ConfigError."""
    proxies: Sequence[str]
    """Addresses of reverse proxies, whose connections are not limited."""
    stop_seconds: float
    """Seconds to finish the requests in progress."""
    replacement: bool
    """Others are serving: listen only when ready."""


class Worker:
    """One process of a service; made in its event loop."""

    def __init__(self, context: Context, serving: Serving, channel: socket.socket) -> None:
        self._context, self._serving, self._channel = context, serving, channel
        self._loop = asyncio.get_running_loop()
        self._end, self._received = asyncio.Event(), asyncio.Event()

    async def serve(self, listeners: Sequence[socket.socket]) -> None:
        """Listen, and answer until SIGTERM, SIGINT, or the end of the supervisor."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stop)
        threading.Thread(target=self._follow, name="people", daemon=True).start()
        prepared = asyncio.create_task(self._prepare())
        if self._serving.replacement:
            await prepared
        await self._answer(listeners, prepared)

    async def _prepare(self) -> None:
        await asyncio.to_thread(self._context.warm)
        await self._received.wait()
        self._report()

    async def _answer(self, listeners: Sequence[socket.socket], prepared: asyncio.Task[None]) -> None:
        tls, app, proxies = self._serving.tls(), self._serving.application(), Proxies(self._serving.proxies)
        server, connections = make_uvicorn(app, tls), Connections(proxies)
        limited = [_limited(one, proxies) for one in listeners]
        await start(server, limited, connections)
        while not self._end.is_set():
            if prepared.done():
                prepared.result()
            await server.on_tick(0)
            connections.sweep()
            self._context.counts.set("waiting", app.state.decoding.tasks)
            self._report()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._end.wait(), _TICK)
        await self._finish(server)
        await server.shutdown(sockets=limited)

    async def _finish(self, server: uvicorn.Server) -> None:
        """Refuse new requests, and wait up to `stop_seconds` for those in progress."""
        self._context.stopping = True
        self._report()
        if under_way := {*server.server_state.tasks}:
            await asyncio.wait(under_way, timeout=self._serving.stop_seconds)

    def _stop(self) -> None:
        self._end.set()
        self._received.set()

    def _report(self) -> None:
        """Tell the supervisor that the event loop runs, and whether the worker is ready."""
        ready = self._context.problem is None
        self._context.counts.set("workers_ready", float(ready))
        with suppress(OSError):
            # A supervisor that reads nothing is about to end, and so is this worker then.
            self._channel.send(READY if ready else NOT_READY, socket.MSG_DONTWAIT)

    def _follow(self) -> None:
        """Use the people that the supervisor sends; when the supervisor exits, so does this worker."""
        with suppress(OSError):
            while True:
                message, handles, _, _ = socket.recv_fds(self._channel, MAX_MESSAGE, 1)
                if not message:
                    break
                for handle in handles:
                    try:
                        self._context.use(handle)
                    finally:
                        os.close(handle)
                self._context.confirm()
                self._loop.call_soon_threadsafe(self._received.set)
        self._loop.call_soon_threadsafe(self._stop)
        self._context.clock.sleep(self._serving.stop_seconds + _FORCE)
        os._exit(1)


def _limited(listener: socket.socket, proxies: Proxies) -> socket.socket:
    """A listening socket that limits the connections of an address; a Unix socket is a proxy's, and has none."""
    if listener.family == socket.AF_UNIX:
        return listener
    return LimitedListener.of(listener, proxies)
