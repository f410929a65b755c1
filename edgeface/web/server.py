"""The web server: uvicorn in a thread and an event loop of its own, so that it never blocks the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import threading
from functools import partial
from typing import TYPE_CHECKING

import uvicorn

from edgeface.web.http.clients import Proxies
from edgeface.web.http.connections import LIMITS, ConnectionLimits, Connections, CountedProtocol, LimitedListener
from edgeface.web.http.problems import where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp

    from edgeface.config.configuration import Web, WebTls
    from edgeface.web.hub import LiveHub

log = logging.getLogger(__name__)

RETRY_SECONDS = 10.0
"""Seconds after which an address that was not available is tried again."""
STOP_SECONDS = 2.0
"""Seconds that stopping may take; streams that are still open are then interrupted."""

_TICK = 1.0
_MAX_HEADER_BYTES = 16 * 1024
_BACKLOG = 64


class Server:
    """Serves the application at one address; the daemon continues without it if that fails."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Web,
        hub: LiveHub,
        *,
        limits: ConnectionLimits = LIMITS,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self.problem: str | None = None
        """Why the server cannot be reached, in one line."""
        self.port = settings.port
        """The actual port once it listens, if any free one was configured."""
        self._app = app
        self._settings = settings
        self._hub = hub
        self._limits = limits
        self._retry_seconds = retry_seconds
        self._stopping = threading.Event()
        self._listening = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    @property
    def url(self) -> str:
        """The server's address, as seen from this machine."""
        host = self._settings.host
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
        shown = f"[{host}]" if ":" in host else host
        return f"http{'s' if self._settings.tls else ''}://{shown}:{self.port}/"

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait until it listens; False after a timeout."""
        return self._listening.wait(seconds)

    def stop(self) -> bool:
        """Stop the server and its streams; whether they have ended, for which this waits STOP_SECONDS at most."""
        self._stopping.set()
        self._hub.close()
        with contextlib.suppress(RuntimeError):
            # The loop may have ended already.
            if self._loop is not None and self._end is not None:
                self._loop.call_soon_threadsafe(self._end.set)
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)
            if self._thread.is_alive():
                log.warning("the web server does not stop in time")
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._serve()
            except OSError as error:
                self._fail(f"web: {self._settings.host}:{self._settings.port} cannot be served: {_words(error)}")
            except (Exception, SystemExit) as error:  # noqa: BLE001 - the daemon continues without the web
                self._fail(f"web: the server has failed: {where(error)}")
            self._listening.clear()
            self._stopping.wait(self._retry_seconds)

    def _serve(self) -> None:
        context = None if self._settings.tls is None else tls_context(self._settings.tls)
        proxies = Proxies(self._settings.proxies)
        listening = bound(self._settings.host, self._settings.port)
        with LimitedListener.of(listening, proxies, self._limits.of_address) as listener:
            self.port = listener.getsockname()[1]
            asyncio.run(self._until_stopped(listener, context, Connections(proxies, self._limits)))

    async def _until_stopped(
        self, listener: socket.socket, context: ssl.SSLContext | None, connections: Connections
    ) -> None:
        """As uvicorn.Server.serve, but wakes once per second instead of ten times: without viewers it costs little."""
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = make_uvicorn(self._app, context)
        await start(server, [listener], connections)
        self.problem = None
        self._listening.set()
        log.info("the web page is at %s", self.url)
        # `stop` may have been called before the loop existed.
        while not self._stopping.is_set():
            await server.on_tick(0)
            connections.sweep()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._end.wait(), _TICK)
        await server.shutdown(sockets=[listener])

    def _fail(self, problem: str) -> None:
        if self.problem != problem:
            log.error("%s", problem)
        self.problem = problem


def tls_context(tls: WebTls) -> ssl.SSLContext:
    """A context for TLS 1.2 or newer. Raises OSError if a file cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Otherwise an encrypted key would ask for its password on the terminal.
    context.load_cert_chain(tls.certificate, tls.key, password=lambda: "")
    return context


def make_uvicorn(app: ASGIApp, context: ssl.SSLContext | None) -> uvicorn.Server:
    """The server as this project runs it: strict, silent, and without headers that name it."""
    # It would log paths, which contain ids, and error texts, which may contain anything.
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    config = uvicorn.Config(
        app,
        http="h11",
        loop="asyncio",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=_MAX_HEADER_BYTES,
    )
    config.load()
    config.ssl = context
    return uvicorn.Server(config)


async def start(
    server: uvicorn.Server,
    listeners: Sequence[socket.socket],
    connections: Connections,
    protocol_type: type[CountedProtocol] = CountedProtocol,
) -> None:
    """As uvicorn.Server.startup, with connections that are counted and TLS handshakes that end."""
    server.lifespan = server.config.lifespan_class(server.config)
    await server.lifespan.startup()
    protocol = partial(
        protocol_type,
        counted=connections,
        config=server.config,
        server_state=server.server_state,
        app_state=server.lifespan.state,
    )
    context = server.config.ssl
    seconds = None if context is None else connections.limits.handshake_seconds
    loop = asyncio.get_running_loop()
    server.servers = [
        await loop.create_server(
            protocol, sock=listener, ssl=context, ssl_handshake_timeout=seconds, backlog=server.config.backlog
        )
        for listener in listeners
    ]
    server.started = True


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens at an address; raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    both = address[0] == "::" and socket.has_dualstack_ipv6()
    return socket.create_server(address[:2], family=family, backlog=_BACKLOG, dualstack_ipv6=both)


def _words(error: OSError) -> str:
    """The error in a few words, without the address that create_server adds."""
    return (error.strerror or str(error)).partition(" (while ")[0]
