"""Fetches from a camera over HTTP: bounded in time and size, without redirects and proxies."""

from __future__ import annotations

from contextlib import closing
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import urlsplit

from edgeface.cameras.network import faults
from edgeface.cameras.network.connection import Connection
from edgeface.core.errors import CameraError
from edgeface.core.http.login import authorization, best_challenge, divided

if TYPE_CHECKING:
    import socket
    import ssl

    from edgeface.core.clock import Clock
    from edgeface.core.http.login import Challenge

_UNAUTHORIZED = 401


class Answer(NamedTuple):
    """What a camera answers with a status below 300."""

    kind: str
    """Its media type, without parameters: image/jpeg."""
    body: bytes
    """Of at most the requested number of bytes."""


class HttpClient:
    """The requests to one address; one thread uses it. It remembers how the camera asks for a login."""

    def __init__(self, address: str, label: str, clock: Clock, tls: ssl.SSLContext | None) -> None:
        """`label` begins each error; `tls` is what https:// uses."""
        self._bare, self._login = divided(address)
        parts = urlsplit(self._bare)
        self._scheme, self._host, self._port = parts.scheme.lower(), parts.hostname or "", parts.port
        self._authority = parts.netloc
        self._path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        self._label, self._clock, self._tls = label, clock, tls
        self._challenge: Challenge | None = None
        self._used = 0

    def get(self, most: int, seconds: float) -> Answer:
        """The answer to a GET, with at most `most` bytes of its body; raises CameraAddressError within `seconds`.

        A refused login is not tried again.
        """
        end = self._clock.monotonic() + seconds
        known = self._challenge is not None
        status, challenges, answer = self._ask(most, seconds)
        if status == _UNAUTHORIZED and self._login is not None:
            self._challenge, self._used = best_challenge(challenges), 0
            # The nonce of a digest is valid for a while only; a refused password is not sent again.
            if self._challenge is not None and (not known or self._challenge.scheme == "digest"):
                status, _, answer = self._ask(most, max(0.1, end - self._clock.monotonic()))
        error = faults.of_status(self._label, self._scheme, status, known=self._login is not None)
        if error is not None:
            self._challenge = None
            raise error
        return answer

    def _ask(self, most: int, seconds: float) -> tuple[int, list[str], Answer]:
        tls = self._tls if self._scheme == "https" else None
        port = self._port or faults.PORTS[self._scheme]
        try:
            made = Connection(self._host, port, seconds, self._clock, tls=tls)
        except (OSError, UnicodeError) as error:
            raise faults.of_connection(self._label, self._scheme, error) from error
        begun = False
        try:
            with closing(made) as connection:
                connection.send(self._request())
                response = HTTPResponse(cast("socket.socket", connection), method="GET")
                response.begin()
                begun, kind = True, response.headers.get_content_type()
                # A stream has no end.
                body = b"" if kind.startswith("multipart/") else response.read(most)
                challenges = response.headers.get_all("WWW-Authenticate", [])
                return response.status, challenges, Answer(kind, body)
        except (OSError, HTTPException, ValueError) as error:
            if begun:
                raise CameraError(f"{self._label} {faults.BROKE_OFF.format(seconds=seconds)}") from error
            raise faults.of_exchange(self._label, self._scheme, late=isinstance(error, TimeoutError)) from error

    def _request(self) -> bytes:
        # Like a browser that wants the newest picture, and no connection that stays.
        lines = [f"GET {self._path} HTTP/1.1", f"Host: {self._authority}", "User-Agent: edgeface"]
        lines += ["Accept: */*", "Cache-Control: no-cache", "Connection: close"]
        if self._challenge is not None and self._login is not None:
            self._used += 1
            answer = authorization(self._login, self._challenge, "GET", self._path, self._used)
            lines.append(f"Authorization: {answer}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()
