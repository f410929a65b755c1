"""A simulated relay with a web server, as far as a door needs it.

It answers like https://shelly-api-docs.shelly.cloud/gen2/ComponentsAndServices/Switch.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from edgeface.door.relays.http import HttpRelay

if TYPE_CHECKING:
    from collections.abc import Iterator


class SimulatedShelly:
    """One relay with the device's own timer; the threads of its web server switch it."""

    def __init__(self) -> None:
        self.on = False
        self.switched = 0
        """How often it was switched on."""
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def answer(self, path: str) -> dict[str, Any] | None:
        """Obey a request and answer it; None if there is no such path."""
        parts = urlsplit(path)
        query = dict(parse_qsl(parts.query))
        if parts.path == "/rpc/Switch.Set":
            before = self.on
            self._set(on=query.get("on") == "true", seconds=float(query.get("toggle_after", 0)))
            return {"was_on": before}
        return {"id": 0, "output": self.on} if parts.path == "/rpc/Switch.GetStatus" else None

    def _set(self, *, on: bool, seconds: float = 0.0) -> None:
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None
            if on and seconds:
                self._timer = threading.Timer(seconds, lambda: self._set(on=False))
                self._timer.daemon = True
                self._timer.start()
            self.switched += on and not self.on
            self.on = on


@contextmanager
def simulated_shelly() -> Iterator[tuple[SimulatedShelly, HttpRelay]]:
    """Serve a simulated relay on a free loopback port meanwhile; yields it, and `relay:` of a door that switches it."""
    shelly = SimulatedShelly()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer one request."""
            answer = shelly.answer(self.path)
            self.send_response(404 if answer is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(answer or {}).encode())

        def log_message(self, *_: Any) -> None:
            """Write nothing to the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="shelly")
        thread.start()
        try:
            yield shelly, HttpRelay(device="shelly-gen2", url=f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()
