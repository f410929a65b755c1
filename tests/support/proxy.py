"""A TCP proxy whose network fails as a test tells it to."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import Literal

Direction = Literal["up", "down"]
"""up: from the client to the server; down: from the server to the client."""

_TICK = 0.005
# A server has the time to read what came before a reset: the harsher case for the one who hopes that it does not.
_GRACE = 0.1
_RESET = struct.pack("ii", 1, 0)


@dataclass(eq=False)
class Way:
    """One direction of one connection: what came in, what waits, and what went on."""

    source: socket.socket
    sink: socket.socket
    took: bytearray = field(default_factory=bytearray)
    """All that the sender has sent."""
    gave: bytearray = field(default_factory=bytearray)
    """What of it the receiver was given."""
    held: bytearray = field(default_factory=bytearray)
    lost: bool = False
    """Something in between was thrown away: nothing that comes after it may pass."""
    end: Literal["open", "fin", "reset"] = "open"
    done: bool = False
    given_at: float = 0.0


@dataclass(eq=False)
class Link:
    """One connection of a client."""

    client: socket.socket
    server: socket.socket

    def __post_init__(self) -> None:
        self.up = Way(self.client, self.server)
        self.down = Way(self.server, self.client)
        self.closed = False

    def way(self, direction: Direction) -> Way:
        return self.up if direction == "up" else self.down

    def reset(self) -> None:
        """Ends it for both at once, RST."""
        for sock in (self.client, self.server):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            sock.close()
        self.closed = True

    def close(self) -> None:
        for sock in (self.client, self.server):
            sock.close()
        self.closed = True


class Proxy:
    """Stands on a free port of 127.0.0.1 before the server on `target`; a context manager.

    One thread of its own does all the work; the methods may be called from any thread, and hold from the
    next byte on. A fault holds for the connections that there are and for those to come, until `passes`.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._listener.setblocking(False)
        self.port = int(self._listener.getsockname()[1])
        self.links: list[Link] = []
        """Every connection there was, oldest first."""
        self.refused = 0
        """Connections that were turned away."""
        self._lock = threading.RLock()
        self._closing = False
        self._refuses = False
        self._speed: dict[Direction, float | None] = {"up": None, "down": None}
        self._loses: set[Direction] = set()
        self._allowance: dict[Direction, float] = {"up": 0.0, "down": 0.0}
        self._cut: tuple[Direction, int] | None = None
        self._trap: tuple[Direction, bytes] | None = None
        self._passed = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all connections and the thread."""
        with self._lock:
            self._closing = True
        if self._thread.ident is not None:
            self._thread.join(5)
        self._listener.close()
        for link in self.links:
            link.close()

    # What the network does.

    def passes(self) -> None:
        """Everything passes, and what was held goes on first; connections with a hole in them are reset."""
        with self._lock:
            self._refuses, self._cut, self._trap = False, None, None
            self._loses.clear()
            self._speed = {"up": None, "down": None}
            for link in self._open():
                if link.up.lost or link.down.lost:
                    link.reset()

    def stall(self, *directions: Direction) -> None:
        """Takes all and passes nothing on, as a stopped broker or a box in between: `passes` lets it go, old."""
        with self._lock:
            for direction in directions or ("up", "down"):
                self._speed[direction] = 0.0

    def half_open(self, direction: Direction) -> None:
        """One direction is dead and nobody is told: what is sent there is lost."""
        with self._lock:
            self._loses.add(direction)

    def trickle(self, bytes_per_second: float, *directions: Direction) -> None:
        """A byte at a time. What a sender takes back by a reset has not travelled."""
        with self._lock:
            for direction in directions or ("up", "down"):
                self._speed[direction] = bytes_per_second
                self._allowance[direction] = 0.0

    def reset(self) -> None:
        """Ends all connections that there are, RST."""
        with self._lock:
            for link in self._open():
                link.reset()

    def refuse(self) -> None:
        """Ends all connections, and takes no new one."""
        with self._lock:
            self._refuses = True
            self.reset()

    def cut_after(self, count: int, direction: Direction = "up") -> None:
        """Passes `count` more bytes of that direction and then resets all connections, once."""
        with self._lock:
            self._cut = direction, count

    def stall_before(self, needle: bytes, direction: Direction = "up") -> None:
        """Stalls at the worst moment: with the bytes that hold `needle` taken and not passed on."""
        with self._lock:
            self._trap = direction, needle

    # What was seen.

    def count(self, direction: Direction) -> int:
        """Bytes that its senders have sent, over all connections."""
        with self._lock:
            return sum(len(link.way(direction).took) for link in self.links)

    def sent(self, direction: Direction) -> list[bytes]:
        """What was sent on each connection."""
        with self._lock:
            return [bytes(link.way(direction).took) for link in self.links]

    def given(self, direction: Direction) -> list[bytes]:
        """What was passed on, of each connection."""
        with self._lock:
            return [bytes(link.way(direction).gave) for link in self.links]

    def find(self, needle: bytes, direction: Direction = "up") -> list[int]:
        """The connections on which it was sent, 0 for the first."""
        return [number for number, sent in enumerate(self.sent(direction)) if needle in sent]

    # The thread.

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._closing:
                    return
                sources = {way.source.fileno(): way for way in self._ways() if way.end == "open"}
            poller = select.poll()
            poller.register(self._listener, select.POLLIN)
            for descriptor in sources:
                poller.register(descriptor, select.POLLIN)
            ready = poller.poll(_TICK * 1000)
            with self._lock:
                for descriptor, _ in ready:
                    if descriptor == self._listener.fileno():
                        self._accept()
                    elif sources[descriptor].source.fileno() == descriptor:
                        self._take(sources[descriptor])
                self._pass_on()

    def _open(self) -> list[Link]:
        return [link for link in self.links if not link.closed]

    def _ways(self) -> list[Way]:
        return [way for link in self._open() for way in (link.up, link.down)]

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            if self._refuses:
                raise ConnectionRefusedError
            server = socket.create_connection(("127.0.0.1", self._target), timeout=1)
        except OSError:
            self.refused += 1
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            client.close()
            return
        for sock in (client, server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
        self.links.append(Link(client, server))

    def _take(self, way: Way) -> None:
        try:
            data = way.source.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            way.end = "reset"
            return
        if not data:
            way.end = "fin"
        way.took += data
        way.held += data

    def _pass_on(self) -> None:
        self._spring()
        since, self._passed = time.monotonic() - self._passed, time.monotonic()
        directions: tuple[Direction, Direction] = ("up", "down")
        for direction in directions:
            room = self._allowance[direction] + (self._speed[direction] or 0.0) * since
            # What nobody used is not saved up; a tick may carry more than a byte.
            self._allowance[direction] = min(room, max(1.0, (self._speed[direction] or 0.0) * 2 * _TICK))
            for link in self._open():
                self._serve(link, direction)

    def _spring(self) -> None:
        if self._trap is not None:
            direction, needle = self._trap
            if any(needle in link.way(direction).held for link in self._open()):
                self._trap = None
                self._speed = {"up": 0.0, "down": 0.0}

    def _serve(self, link: Link, direction: Direction) -> None:
        way, speed = link.way(direction), self._speed[direction]
        if direction in self._loses and way.held:
            way.held.clear()
            way.lost = True
        if speed and way.end == "reset":
            # What a slow network has not carried yet is still its sender's, who has thrown it away.
            way.held.clear()
        room = len(way.held) if speed is None else int(self._allowance[direction]) if speed else 0
        if self._cut is not None and self._cut[0] == direction:
            room = min(room, self._cut[1])
        if way.held and room and not way.lost:
            self._give(link, direction, room)
        if not link.closed and not way.held and speed != 0 and direction not in self._loses:
            self._finish(link, way)

    def _give(self, link: Link, direction: Direction, room: int) -> None:
        way = link.way(direction)
        try:
            count = way.sink.send(way.held[:room])
        except BlockingIOError:
            return
        except OSError:
            way.held.clear()
            way.end = "reset"
            return
        way.gave += way.held[:count]
        way.given_at = time.monotonic()
        del way.held[:count]
        if self._speed[direction]:
            self._allowance[direction] -= count
        if self._cut is not None and self._cut[0] == direction:
            self._cut = direction, self._cut[1] - count
            if self._cut[1] <= 0:
                self._cut = None
                self.reset()

    def _finish(self, link: Link, way: Way) -> None:
        if way.end == "reset" and time.monotonic() - way.given_at > _GRACE:
            link.reset()
        elif way.end == "fin" and not way.done:
            way.done = True
            if link.up.done and link.down.done:
                link.close()
                return
            try:
                way.sink.shutdown(socket.SHUT_WR)
            except OSError:
                link.reset()
