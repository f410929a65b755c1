"""The open connections, counted by address: connections that only wait are closed before they keep others out."""

from __future__ import annotations

import socket
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from uvicorn.protocols.http.h11_impl import H11Protocol

from edgeface.web.http.clients import Proxies, source

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable


class ConnectionLimits(NamedTuple):
    """How many connections a server has, and how long they may wait."""

    in_all: int = 128
    """Connections in all; one more ends one that only waits."""
    half_sent: int = 16
    """Connections of one address without a complete request; one more ends the oldest of them. Browsers use 6."""
    of_address: int = 48
    """Connections of one address, TLS handshakes included; further ones are closed at once."""
    idle_seconds: int = 10
    """Seconds that a connection may stay open without a request in progress."""
    stalled_seconds: int = 20
    """Seconds for which a client may read nothing of its answer."""
    handshake_seconds: float = 5.0
    """Seconds that a TLS handshake may take."""


LIMITS = ConnectionLimits()


class Connections:
    """The connections of one server, oldest first; used by its event loop only."""

    def __init__(self, proxies: Proxies, limits: ConnectionLimits = LIMITS) -> None:
        self.limits = limits
        self._proxies = proxies
        self._open: dict[CountedProtocol, None] = {}
        self._waiting: dict[Any, int] = {}

    def add(self, new: CountedProtocol) -> None:
        """Take in a new connection; ends another one if there are too many."""
        self._open[new] = None
        address = self._source(new)
        own = [one for one in self._open if address and is_half_sent(one) and self._source(one) == address]
        if len(own) > self.limits.half_sent:
            self._end(own[0])
        if len(self._open) > self.limits.in_all:
            self._end(self._least_needed() or new)

    def discard(self, old: CountedProtocol) -> None:
        """Forget a connection that has ended."""
        self._open.pop(old, None)

    def sweep(self) -> None:
        """End the connections that have waited for too long; call it once a second."""
        # A new cycle is a new request: a connection with a request between two calls is not idle. A client that reads
        # makes the buffer shorter.
        now = {key: most for one in self._open if (most := self._patience(one)) is not None for key in [_progress(one)]}
        self._waiting = {key: self._waiting.get(key, 0) + 1 for key in now}
        for key in [key for key, ticks in self._waiting.items() if ticks >= now[key]]:
            self._end(key[0])

    def _least_needed(self) -> CountedProtocol | None:
        """The oldest of those that wait for their client, of the address with the most of them."""
        waiting = [one for one in self._open if is_half_sent(one) or is_stalled(one)]
        counts = Counter(map(self._source, waiting))
        return max(waiting, key=lambda one: counts[self._source(one)], default=None)

    def _patience(self, one: CountedProtocol) -> int | None:
        """Seconds that a connection may stay as it is; None without a limit."""
        if one.cycle is None or one.cycle.response_complete:
            return self.limits.idle_seconds
        return self.limits.stalled_seconds if is_stalled(one) else None

    def _source(self, one: CountedProtocol) -> str:
        """What a connection is counted by; empty for a proxy's that waits for any client's request."""
        if one.cycle is not None and not one.cycle.response_complete:
            # The middleware Forwarded has replaced the proxy's address by the client's.
            return source(one.cycle.scope["client"])
        return "" if one.client is None or one.client[0] in self._proxies else source(one.client)

    def _end(self, one: CountedProtocol) -> None:
        self.discard(one)
        one.transport.abort()


class CountedProtocol(H11Protocol):
    """A connection of uvicorn that is listed in `counted` while it is open."""

    def __init__(self, *, counted: Connections, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._counted = counted

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """Begin: asyncio calls it, after the TLS handshake if there is one."""
        super().connection_made(transport)
        self._counted.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End: asyncio calls it."""
        self._counted.discard(self)
        super().connection_lost(exc)


class LimitedListener(socket.socket):
    """A listening socket that closes the connections of an address that has `most` already.

    asyncio shows a connection only after its TLS handshake, so this comes first. A proxy's are not limited.
    """

    proxies = Proxies()
    most = LIMITS.of_address
    _accepted: dict[str, list[socket.socket]]

    @classmethod
    def of(cls, listener: socket.socket, proxies: Proxies, most: int = most) -> LimitedListener:
        """Take over a listening socket."""
        limited = cls(listener.family, listener.type, listener.proto, fileno=listener.detach())
        limited.proxies, limited.most, limited._accepted = proxies, most, {}
        return limited

    def accept(self) -> tuple[socket.socket, Any]:
        """As socket.accept; raises BlockingIOError for a connection that was closed at once."""
        connection, address = super().accept()
        of = source(address)
        self._accepted = {key: still for key, known in self._accepted.items() if (still := _open(known))}
        known = self._accepted.setdefault(of, [])
        if len(known) >= self.most and address[0] not in self.proxies:
            connection.close()
            raise BlockingIOError
        known.append(connection)
        return connection, address


def is_half_sent(one: H11Protocol) -> bool:
    """Whether a connection has no complete request: before its headers or its body are whole, or after its answer."""
    return one.cycle is None or one.cycle.response_complete or one.cycle.more_body


def is_stalled(one: H11Protocol) -> bool:
    """Whether an answer waits because its client does not read."""
    return bool(one.flow.write_paused)


def _progress(one: H11Protocol) -> tuple[H11Protocol, Any, int]:
    """Changes whenever a connection has made progress."""
    return one, one.cycle, one.transport.get_write_buffer_size()


def _open(sockets: Iterable[socket.socket]) -> list[socket.socket]:
    return [one for one in sockets if one.fileno() >= 0]
