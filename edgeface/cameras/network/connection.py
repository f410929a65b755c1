"""A connection to a camera that ends at a deadline, however slowly the other side sends."""

from __future__ import annotations

import io
import socket
import ssl
from typing import TYPE_CHECKING

from edgeface.core.errors import CameraError

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.core.clock import Clock


class Connection(io.RawIOBase):
    """A TCP connection, with TLS if a context is given; each operation raises TimeoutError at the deadline.

    A timeout of a socket begins again with every byte, so a server that sends slowly would never end.
    """

    def __init__(
        self, host: str, port: int, seconds: float, clock: Clock, *, tls: ssl.SSLContext | None = None
    ) -> None:
        """Connect within `seconds`, which count until the end; raises OSError."""
        super().__init__()
        self._clock, self._deadline = clock, clock.monotonic() + seconds
        self._socket = self._connected(host, port)
        if tls is not None:
            try:
                self._socket.settimeout(self._left())
                self._socket = tls.wrap_socket(self._socket, server_hostname=host)
            except BaseException:
                self._socket.close()
                raise

    def _connected(self, host: str, port: int) -> socket.socket:
        last: OSError = OSError("no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            made = socket.socket(family, kind, protocol)
            try:
                made.settimeout(self._left())
                made.connect(address)
            except OSError as error:
                made.close()
                last = error
            else:
                return made
        raise last

    def _left(self) -> float:
        left = self._deadline - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self._socket.settimeout(self._left())
        self._socket.sendall(data)

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, space: memoryview) -> int:  # type: ignore[override]  # the base class says Buffer
        """As RawIOBase."""
        self._socket.settimeout(self._left())
        return self._socket.recv_into(space)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What it receives, as http.client.HTTPResponse asks a socket for it."""
        return io.BufferedReader(self)

    def close(self) -> None:
        """Close the socket."""
        if not self.closed:
            self._socket.close()
        super().close()


def tls_context(*, verify: bool = True, ca: Path | None = None) -> ssl.SSLContext:
    """For a client; raises CameraError if the file `ca` cannot be used."""
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ValueError) as error:
        raise CameraError(f"the CA certificate {ca} cannot be used: {error}") from error
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
