"""One HTTP request to a device in the local network: bounded in time and size, without redirects and proxies."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import quote, urlsplit

from edgeface.core.errors import EdgefaceError
from edgeface.core.files import loads_strict
from edgeface.core.http.login import Challenge, Login, authorization, best_challenge
from edgeface.door.relays.base import ANSWER_TIMEOUT, RelayError

if TYPE_CHECKING:
    from pathlib import Path

Scheme = Literal["basic", "digest", "query"]
"""How a device takes the password; query: as `user` and `password` in the address, which is Tasmota's way."""

MAX_ANSWER_BYTES = 16_384
"""Bytes of an answer; a state has a few hundred."""

_OK, _UNAUTHORIZED = 200, 401


class DeviceLogin(NamedTuple):
    """A user name and password of a device, and how it takes them."""

    scheme: Scheme
    login: Login


class WebClient:
    """The requests to one device; one thread uses it."""

    def __init__(self, url: str, ca: Path | None, login: DeviceLogin | None) -> None:
        """`url` has a scheme, a host and perhaps a port; raises RelayError if the file `ca` cannot be used."""
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port
        self._login = login
        self._tls: ssl.SSLContext | None = None
        if parts.scheme == "https":
            try:
                self._tls = ssl.create_default_context(cafile=ca)
            except (OSError, ValueError) as error:
                raise RelayError(f"relay.ca: cannot use {ca}: {error}") from error

    def get(self, path: str) -> dict[str, Any]:
        """The JSON object that the device answers, within ANSWER_TIMEOUT; raises RelayError."""
        try:
            with self._exchange() as exchange:
                status, challenge, body = exchange.ask(self._with_query(path), self._basic())
                if status == _UNAUTHORIZED and self._login is not None and self._login.scheme == "digest":
                    header = digest(self._login.login, challenge, path)
                    status, _, body = exchange.ask(path, header)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise RelayError(f"no answer from {self._host}: {_reason(error)}") from error
        return _object(status, body)

    def _exchange(self) -> _Exchange:
        return _Exchange(self._host, self._port, self._tls)

    def _with_query(self, path: str) -> str:
        if self._login is None or self._login.scheme != "query":
            return path
        user, secret = (quote(one, safe="") for one in (self._login.login.username, self._login.login.password))
        return f"{path}&user={user}&password={secret}"

    def _basic(self) -> str | None:
        if self._login is None or self._login.scheme != "basic":
            return None
        return authorization(self._login.login, Challenge("basic", {}), "GET", "")


def digest(login: Login, challenge: str, path: str) -> str:
    """The Authorization header that answers a digest challenge for a GET (RFC 7616); raises RelayError.

    Shelly's second generation uses SHA-256: https://shelly-api-docs.shelly.cloud/gen2/General/Authentication
    """
    found = best_challenge([challenge])
    if found is None or found.scheme != "digest" or "qop" not in found.fields:
        raise RelayError("it asks for a login that is not digest with qop=auth, so it was not sent the password")
    return authorization(login, found, "GET", path)


class _Exchange:
    """A connection that is interrupted ANSWER_TIMEOUT after its start; `with` raises TimeoutError then.

    A timeout of a socket begins again with every byte, so a device that sends slowly would never end.
    """

    def __init__(self, host: str, port: int | None, tls: ssl.SSLContext | None) -> None:
        if tls is None:
            self._connection = http.client.HTTPConnection(host, port, timeout=ANSWER_TIMEOUT)
        else:
            self._connection = http.client.HTTPSConnection(host, port, timeout=ANSWER_TIMEOUT, context=tls)
        self._socket: socket.socket | None = None
        self._late = threading.Event()
        self._timer = threading.Timer(ANSWER_TIMEOUT, self._interrupt)
        self._timer.daemon = True

    def __enter__(self) -> _Exchange:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._connection.close()
        if self._late.is_set():
            raise TimeoutError

    def ask(self, path: str, authorization: str | None) -> tuple[int, str, bytes]:
        """Send a GET; returns the status, the challenge for a login, and the first bytes of the body."""
        headers = {} if authorization is None else {"Authorization": authorization}
        self._connection.request("GET", path, headers=headers)
        # The connection forgets its socket when the device announces that it will close it.
        self._socket = self._connection.sock
        if self._late.is_set():
            raise TimeoutError
        answer = self._connection.getresponse()
        return answer.status, answer.getheader("WWW-Authenticate", ""), answer.read(MAX_ANSWER_BYTES + 1)

    def _interrupt(self) -> None:
        self._late.set()
        sock = self._socket
        if sock is None:
            return
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it is closed already, which is what this is for


def _object(status: int, body: bytes) -> dict[str, Any]:
    if status == _UNAUTHORIZED:
        raise RelayError("it rejects the user name or password (HTTP 401)")
    if 300 <= status < 400:  # noqa: PLR2004 - RFC 9110, 15.4
        raise RelayError(f"it answers with a redirect, which is not followed (HTTP {status})")
    if status != _OK:
        raise RelayError(f"it answers HTTP {status}")
    return json_object(body)


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object in these bytes; raises RelayError."""
    try:
        value = loads_strict(body) if len(body) <= MAX_ANSWER_BYTES else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise RelayError("its answer is not a JSON object")
    return value


def _reason(error: Exception) -> str:
    if isinstance(error, EdgefaceError):
        return str(error)
    if isinstance(error, (TimeoutError, http.client.HTTPException, ValueError)):
        return "it is too slow or does not answer in HTTP"
    return getattr(error, "strerror", None) or type(error).__name__
