"""Where workers listen: all on one port, whose connections the kernel distributes, and each on its own socket."""

from __future__ import annotations

import socket
import stat
from typing import TYPE_CHECKING

from edgeface.core.errors import ConfigError, system_reason
from edgeface.core.text import printable_path

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.config.configuration import Serve

# The folder decides who may connect: a proxy is in its group.
_SOCKET_MODE = 0o660


class Listeners:
    """Makes the sockets of workers; this process keeps no listening one, so a dead worker's socket refuses at once."""

    def __init__(self, settings: Serve) -> None:
        """Take the port. Raises ConfigError if another program has it, or there is no such address."""
        self._settings = settings
        self._port: socket.socket = _reserved(settings)

    @property
    def url(self) -> str:
        """The address, as it is configured."""
        host, port = self._port.getsockname()[:2]
        return f"http{'s' if self._settings.tls else ''}://{f'[{host}]' if ':' in host else host}:{port}/"

    def open(self, worker: int) -> list[socket.socket]:
        """New sockets on which a worker may listen; until it does, they refuse.

        Raises ConfigError if its own socket cannot be made.
        """
        folder = self._settings.sockets
        own = [] if folder is None else [own_socket(folder, worker, "serve.sockets")]
        return [_bound(self._port.family, self._port.getsockname(), reuse_port=True), *own]

    def close(self) -> None:
        """Give the port back."""
        self._port.close()


def _reserved(settings: Serve) -> socket.socket:
    """A socket that holds the port and gets no connections."""
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
        # With SO_REUSEPORT alone, a second service of this user would share the port unnoticed.
        with _bound(family, address, reuse_port=False) as alone:
            address = alone.getsockname()
        return _bound(family, address, reuse_port=True)
    except OSError as error:
        raise ConfigError(f"serve: {settings.host}:{settings.port} cannot be served: {system_reason(error)}") from error


def _bound(family: int, address: object, *, reuse_port: bool) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        made.bind(address)  # type: ignore[arg-type]  # from getaddrinfo or getsockname
    except BaseException:
        made.close()
        raise
    return made


def own_socket(folder: Path, worker: int, setting: str) -> socket.socket:
    """A worker's own Unix socket in a folder; it refuses once no process has it open.

    Raises ConfigError, which names the `setting`, if it cannot be made.
    """
    path = folder / f"worker-{worker}.sock"
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
            path.unlink()
        made.bind(str(path))
        path.chmod(_SOCKET_MODE)
    except OSError as error:
        made.close()
        reason = "the path is too long" if error.errno is None else system_reason(error)
        raise ConfigError(f"{setting}: {printable_path(path)}: {reason}") from error
    return made
