"""A worker: one process with its own models, which answers requests until the supervisor stops it or exits.

    python -m edgeface.recognition_service.worker NUMBER CHANNEL COUNTS LISTENER...

Its arguments are its number and inherited file descriptors. The supervisor sends the people over the channel, as
`share` of shared_people.py made them; once a second, the worker answers whether it is ready. channel.py has the
messages.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from edgeface.core.clock import SystemClock
from edgeface.core.console import complain
from edgeface.core.errors import ConfigError, EdgefaceError, system_reason
from edgeface.core.log import set_up
from edgeface.recognition_service.app import application
from edgeface.recognition_service.channel import CONFIGURATION, MAX_MESSAGE, NOT_READY, READY
from edgeface.recognition_service.context import ServiceContext
from edgeface.recognition_service.handover import Handover
from edgeface.recognition_service.shared_counts import SharedCounts
from edgeface.recognition_service.shared_people import mapped
from edgeface.security.process import leave_no_core
from edgeface.web.http.clients import Proxies
from edgeface.web.http.connections import Connections, LimitedListener
from edgeface.web.server import make_uvicorn, start, tls_context

if TYPE_CHECKING:
    from collections.abc import Sequence

    import uvicorn

    from edgeface.config.configuration import Serve

_TICK = 1.0
# Seconds after `stop_seconds` at which a worker whose event loop hangs exits by force.
_FORCE = 2.0


def main(arguments: Sequence[str]) -> int:
    """Serve; returns the exit status."""
    number, channel, counts, *listeners = map(int, arguments)
    leave_no_core()
    given = Handover.model_validate_json(sys.stdin.buffer.read())
    os.chdir(given.folder)
    set_up(given.configuration.log)
    try:
        asyncio.run(_serve(given, number, channel, counts, listeners))
    except EdgefaceError as error:
        complain(f"worker {number}: {error}")
        return CONFIGURATION
    return 0


async def _serve(given: Handover, number: int, channel: int, counts: int, listeners: Sequence[int]) -> None:
    worker = Worker(given, number, socket.socket(fileno=channel), counts)
    await worker.serve([socket.socket(fileno=one) for one in listeners])


class Worker:
    """One process of the service."""

    def __init__(self, given: Handover, number: int, channel: socket.socket, counts: int) -> None:
        configuration = given.configuration
        assert configuration.serve is not None  # noqa: S101 - the supervisor always gives it
        self._settings: Serve = configuration.serve
        self._replacement = given.replacement
        self._channel = channel
        self._counts = SharedCounts(counts, number)
        self._context = ServiceContext(configuration, SystemClock(), self._counts)
        # Events of the event loop, in which this is made.
        self._loop = asyncio.get_running_loop()
        self._end, self._received = asyncio.Event(), asyncio.Event()

    async def serve(self, listeners: Sequence[socket.socket]) -> None:
        """Listen, and answer until SIGTERM, SIGINT, or the end of the supervisor."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stop)
        threading.Thread(target=self._follow, name="people", daemon=True).start()
        prepared = asyncio.create_task(self._prepare())
        if self._replacement:
            await prepared
        await self._answer(listeners, prepared)

    async def _prepare(self) -> None:
        await asyncio.to_thread(self._context.warm)
        await self._received.wait()
        self._report()

    async def _answer(self, listeners: Sequence[socket.socket], prepared: asyncio.Task[None]) -> None:
        try:
            tls = None if self._settings.tls is None else tls_context(self._settings.tls)
        except OSError as error:
            raise ConfigError(f"serve.tls: {system_reason(error)}") from error
        app = application(self._context, self._settings)
        server, connections = make_uvicorn(app, tls), Connections(Proxies(self._settings.trusted_proxies))
        limited = [_limited(one, self._settings) for one in listeners]
        await start(server, limited, connections)
        while not self._end.is_set():
            if prepared.done():
                prepared.result()
            await server.on_tick(0)
            connections.sweep()
            self._counts.set("waiting", app.state.decoding.tasks)
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
            await asyncio.wait(under_way, timeout=self._settings.stop_seconds)

    def _stop(self) -> None:
        self._end.set()
        self._received.set()

    def _report(self) -> None:
        """Tell the supervisor that the event loop runs, and whether the worker is ready."""
        ready = self._context.problem is None
        self._counts.set("workers_ready", float(ready))
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
                        self._context.use(mapped(handle))
                    finally:
                        os.close(handle)
                self._context.confirm()
                self._loop.call_soon_threadsafe(self._received.set)
        self._loop.call_soon_threadsafe(self._stop)
        self._context.clock.sleep(self._settings.stop_seconds + _FORCE)
        os._exit(1)


def _limited(listener: socket.socket, settings: Serve) -> socket.socket:
    """A listening socket that limits the connections of an address; a Unix socket is a proxy's, and has none."""
    if listener.family == socket.AF_UNIX:
        return listener
    return LimitedListener.of(listener, Proxies(settings.trusted_proxies))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
