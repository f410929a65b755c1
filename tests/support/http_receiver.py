"""A web server on this machine that keeps what it gets and answers as told."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping
    from io import BufferedIOBase


@dataclass
class Received:
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float
    """Monotonic seconds."""

    @property
    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


@dataclass
class Receiver:
    port: int = 0
    received: list[Received] = field(default_factory=list)
    status: int = 200
    """What it answers."""
    answer: bytes = b""
    """The body of its answer."""
    location: str | None = None
    slow: float = 0.0
    """Seconds before it answers."""
    instead: Callable[[BufferedIOBase], None] | None = None
    """Writes something else than an answer."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


@contextmanager
def receiver(port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            state.received.append(Received(self.path, dict(self.headers), body, time.monotonic()))
            time.sleep(state.slow)
            if state.instead is not None:
                with suppress(OSError):
                    state.instead(self.wfile)
                self.close_connection = True
                return
            self.send_response(state.status)
            if state.location is not None:
                self.send_header("Location", state.location)
            self.send_header("Content-Length", str(len(state.answer)))
            self.end_headers()
            self.wfile.write(state.answer)

        do_GET = do_POST  # noqa: N815 - as do_POST

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    with serving(Handler, port, tls) as state.port:
        yield state


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler], port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Has a handler answer at a port of this machine until the block ends; 0 picks any."""
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
