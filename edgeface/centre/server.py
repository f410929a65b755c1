"""The centre's two listeners in one event loop: devices with certificates, and admins."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

from edgeface.centre.admins.app import application as admin_application
from edgeface.centre.devices.app import application as device_application
from edgeface.centre.devices.certificates import CertifiedProtocol
from edgeface.centre.housekeeping import Housekeeping
from edgeface.centre.mqtt.broker_client import BrokerClient
from edgeface.core import systemd
from edgeface.core.errors import ConfigError, system_reason
from edgeface.web.http.clients import Proxies
from edgeface.web.http.connections import LIMITS, ConnectionLimits, Connections, CountedProtocol, LimitedListener
from edgeface.web.server import bound, make_uvicorn, start, tls_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Sequence

    import uvicorn
    from starlette.applications import Starlette

    from edgeface.centre.context import CentreContext

log = logging.getLogger(__name__)

DEVICE_LIMITS = LIMITS._replace(in_all=2048)
"""Connections of devices at a time: each device has one for each site that it follows, and one more now and then."""
THREADS = 16
"""Requests that may use the database or a model at a time; those that wait for changes need none."""

_TICK = 1.0


class _Listener:
    """One application at one address."""

    def __init__(
        self,
        app: Starlette,
        address: tuple[str, int],
        proxies: Sequence[str],
        tls: ssl.SSLContext,
        protocol: type[CountedProtocol],
        limits: ConnectionLimits = LIMITS,
    ) -> None:
        self.app, self.tls = app, tls
        self._socket = LimitedListener.of(bound(*address), Proxies(proxies), limits.of_address)
        self.port: int = self._socket.getsockname()[1]
        self._connections = Connections(Proxies(proxies), limits)
        self._protocol = protocol
        self._server: uvicorn.Server = make_uvicorn(app, tls)

    async def start(self) -> None:
        """Listen."""
        await start(self._server, [self._socket], self._connections, self._protocol)

    async def tick(self) -> None:
        """What must be done once a second."""
        await self._server.on_tick(0)
        self._connections.sweep()

    async def stop(self) -> None:
        """End all connections."""
        await self._server.shutdown(sockets=[self._socket])
        self._socket.close()


class CentreServer:
    """Serves devices and admins until it is stopped."""

    def __init__(self, context: CentreContext) -> None:
        self._context = context
        self._stopping = threading.Event()
        self._listening = threading.Event()
        self._wake: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self.device_port = self.admin_port = 0
        """The ports once it listens, if any free ones were configured."""
        self._device_app: Starlette = device_application(context)
        settings = context.settings
        self.broker: BrokerClient | None = (
            None
            if settings.mqtt is None
            else BrokerClient(settings.mqtt, settings.database.open_conninfo(), context.store, context.clock)
        )
        """The connection to the broker, if there is one."""
        self.housekeeping: Housekeeping | None = None
        """None before it listens."""

    @property
    def waiting(self) -> int:
        """Requests of devices that wait for a change now."""
        count: int = self._device_app.state.waiting.count
        return count

    def run(self) -> None:
        """Serve in this thread; raises ConfigError if an address cannot be served."""
        try:
            asyncio.run(self._serve())
        finally:
            self._listening.clear()

    def stop(self) -> None:
        """End `run`; any thread and any signal handler may call it."""
        self._stopping.set()
        if self._wake is not None:
            loop, end = self._wake
            with contextlib.suppress(RuntimeError):  # the loop may have ended already
                loop.call_soon_threadsafe(end.set)

    def wait(self, seconds: float) -> bool:
        """Wait until it listens; False after a timeout."""
        return self._listening.wait(seconds)

    async def _serve(self) -> None:
        from anyio.to_thread import current_default_thread_limiter

        end = asyncio.Event()
        self._wake = asyncio.get_running_loop(), end
        current_default_thread_limiter().total_tokens = THREADS
        devices, admins = self._devices(), self._admins()
        self.housekeeping = self._housekeeping(devices, admins)
        admins.app.state.housekeeping = self.housekeeping
        self.device_port, self.admin_port = devices.port, admins.port
        for one in (devices, admins):
            await one.start()
        if self.broker is not None:
            self.broker.start()
        self._listening.set()
        log.info("centre: devices at port %d, admins at port %d", devices.port, admins.port)
        systemd.notify(systemd.READY)
        housekeeping = asyncio.create_task(self.housekeeping.run())
        while not self._stopping.is_set():
            for one in (devices, admins):
                await one.tick()
            if systemd.watchdog_seconds() is not None:
                systemd.notify(systemd.WATCHDOG)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(end.wait(), _TICK)
        systemd.notify(systemd.STOPPING)
        housekeeping.cancel()
        # Requests that wait for changes answer now.
        devices.app.state.waiting.close()
        await asyncio.gather(devices.stop(), admins.stop())
        if self.broker is not None:
            await run_in_threadpool(self.broker.stop)

    def _devices(self) -> _Listener:
        settings = self._context.settings
        tls = self._context.authority.server_context(settings.names, clients=True)
        app, wanted = self._device_app, settings.devices
        with _named("devices", wanted.host, wanted.port):
            return _Listener(
                app, (wanted.host, wanted.port), wanted.trusted_proxies, tls, CertifiedProtocol, DEVICE_LIMITS
            )

    def _admins(self) -> _Listener:
        settings, wanted = self._context.settings, self._context.settings.admins
        try:
            tls = (
                self._context.authority.server_context(settings.names, clients=False)
                if wanted.tls is None
                else tls_context(wanted.tls)
            )
        except OSError as error:
            raise ConfigError(f"admins.tls: {system_reason(error)}") from error
        app = admin_application(self._context)
        app.state.broker = self.broker
        app.state.answers = self._device_app.state.answers
        with _named("admins", wanted.host, wanted.port):
            address = wanted.host, wanted.port
            return _Listener(app, address, wanted.trusted_proxies, tls, CountedProtocol)

    def _housekeeping(self, devices: _Listener, admins: _Listener) -> Housekeeping:
        own_for_admins = self._context.settings.admins.tls is None
        return Housekeeping(self._context, [devices.tls, *([admins.tls] if own_for_admins else [])])


@contextlib.contextmanager
def _named(section: str, host: str, port: int) -> Iterator[None]:
    """Report an address that cannot be served as a mistake of its section."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{section}: {host}:{port} cannot be served: {system_reason(error)}") from error
