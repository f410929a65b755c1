"""A camera that gives still pictures over HTTP, with Basic or Digest authentication."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import numpy as np

from edgeface.imaging.opencv import cv2

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator


def noise(number: int, side: int = 64) -> bytes:
    """A JPEG of noise, the same for the same number."""
    pixels = np.random.default_rng(number).integers(0, 256, (side, side, 3), np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


@dataclass
class StillCamera:
    """What it answers, and what it was asked."""

    picture: Callable[[int], bytes] = noise
    """The body of a request, by its number."""
    kind: str = "image/jpeg"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    login: tuple[str, str] | None = None
    scheme: str = "digest"
    algorithm: str = "MD5"
    uses: int = 1000
    """Requests for which a nonce is valid."""
    asked: list[str] = field(default_factory=list)
    """The Authorization header of each request, or nothing."""
    refused: int = 0
    """Requests whose login was wrong."""
    port: int = 0
    nonces: dict[str, int] = field(default_factory=dict)

    def challenge(self) -> str:
        if self.scheme == "basic":
            return 'Basic realm="cam"'
        nonce = secrets.token_hex(4)
        self.nonces[nonce] = 0
        return f'Digest realm="cam", nonce="{nonce}", qop="auth", algorithm={self.algorithm}'

    def accepts(self, header: str, path: str) -> bool:
        if self.login is None:
            return True
        user, password = self.login
        if not header:
            return False
        if self.scheme == "basic":
            return header == "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        given = dict(re.findall(r'(\w+)="?([^",]*)', header))
        made = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[self.algorithm]

        def hashed(text: str) -> str:
            return made(text.encode()).hexdigest()

        nonce = given.get("nonce", "")
        self.nonces[nonce] = self.nonces.get(nonce, self.uses) + 1
        first, second = hashed(f"{user}:cam:{password}"), hashed(f"GET:{path}")
        wanted = hashed(f"{first}:{nonce}:{self.nonces[nonce]:08x}:{given.get('cnonce')}:auth:{second}")
        return self.nonces[nonce] <= self.uses and given.get("response") == wanted

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.port}/snap.jpg"


@contextmanager
def serving(camera: StillCamera, tls: ssl.SSLContext | None = None) -> Iterator[StillCamera]:
    """The camera on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            header = self.headers.get("Authorization", "")
            camera.asked.append(header)
            if not camera.accepts(header, self.path):
                camera.refused += bool(header)
                self.send_response(401)
                self.send_header("WWW-Authenticate", camera.challenge())
                self.end_headers()
                return
            self.send_response(camera.status)
            self.send_header("Content-Type", camera.kind)
            for name, value in camera.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(camera.picture(len(camera.asked)))

        def log_message(self, *_: object) -> None:
            """Print nothing."""

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                self.close_connection = True

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A handshake that fails is no error of the test."""

    with Server(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        camera.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield camera
        finally:
            server.shutdown()
            thread.join()
