"""Asks the centre over one TLS connection, which is kept; a second centre is asked when the first is away."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from http.client import HTTPException, HTTPSConnection, IncompleteRead, RemoteDisconnected
from io import BytesIO
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from edgeface import __version__
from edgeface.core.errors import FleetError, system_reason
from edgeface.core.text import cleaned
from edgeface.fleet.messages import MAX_ANSWER_BYTES, MEDIA_TYPE, PREFIX, FleetMessage, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from http.client import HTTPResponse

TIMEOUT = 15.0
"""Seconds for a connection, and for each read in addition to what the centre may wait."""
ANSWER_SECONDS = 600.0
"""Seconds after which an answer is cut off that arrives a few bytes at a time."""
_HEADERS = {"Accept": MEDIA_TYPE, "User-Agent": f"edgeface/{__version__}"}
_MAX_REFUSAL = 20_000
_PIECE = 1 << 14
_OK, _CONFLICT, _GONE, _TOO_MANY, _UNAVAILABLE = 200, 409, 410, 429, 503
_BARRED = {401, 403}

# X509_V_ERR_...: openssl-verify(1).
_UNTRUSTED = {
    **dict.fromkeys((18, 19, 20, 21), "it presents a certificate of another authority: not the centre that was joined"),
    9: "its certificate is not valid yet: is the clock of this device right?",
    10: "its certificate has ended, or the clock of this device is wrong",
    62: "its certificate is for another name",
    64: "its certificate is for another address",
}
_REFUSED = "it refuses the certificate of this device, which is another centre's or has ended"
_REFUSALS = ("UNKNOWN_CA", "BAD_CERTIFICATE", "CERTIFICATE_EXPIRED", "CERTIFICATE_UNKNOWN", "CERTIFICATE_REVOKED",
             "CERTIFICATE_REQUIRED")  # fmt: skip

Answer = TypeVar("Answer", bound=FleetMessage)


class AwayError(FleetError):
    """The centre cannot be reached."""


class LaterError(FleetError):
    """The centre has had too much of this device, which should ask again after some `seconds`."""

    def __init__(self, seconds: float, detail: str) -> None:
        super().__init__(f"the centre asks this device to wait: {detail}")
        self.seconds = seconds


class RefusedError(FleetError):
    """The centre refuses a request; asking again does not help."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"the centre refuses ({status}): {detail}")
        self.status = status

    @property
    def is_conflict(self) -> bool:
        """Whether someone has changed the person meanwhile."""
        return self.status == _CONFLICT

    @property
    def is_barred(self) -> bool:
        """Whether the centre does not accept this device any more."""
        return self.status in _BARRED

    @property
    def is_gone(self) -> bool:
        """Whether what was asked for no longer exists: a forgotten person, or changes that are too old."""
        return self.status == _GONE


class CentreClient:
    """Requests of one thread; `interrupt` may be called by another."""

    def __init__(
        self, centres: Sequence[str], context: ssl.SSLContext, timeout: float = TIMEOUT, most: float = ANSWER_SECONDS
    ) -> None:
        """`centres` are addresses such as https://centre.example:8444; `most` are seconds for a whole answer."""
        self.centres, self._context, self._timeout, self._most = list(centres), context, timeout, most
        self._connection: HTTPSConnection | None = None
        self._stopped = False

    def get(self, path: str, answer: type[Answer], *, wait: float = 0.0, largest: int = MAX_ANSWER_BYTES) -> Answer:
        """Ask for something, for which the centre may wait some seconds; raises FleetError or RefusedError."""
        return answer.read(self._exchange("GET", path, None, wait, largest), largest)

    def post(self, path: str, message: FleetMessage, answer: type[Answer], *, largest: int = 100_000) -> Answer:
        """Send a message; it may arrive twice. Raises FleetError or RefusedError."""
        return answer.read(self._exchange("POST", path, message.packed(), 0.0, largest), largest)

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def interrupt(self) -> None:
        """End a request that is waiting, and refuse further ones; any thread may call it."""
        self._stopped = True
        self._cut()

    def _cut(self) -> None:
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def _exchange(self, method: str, path: str, body: bytes | None, wait: float, largest: int) -> bytes:
        kept = self._connection is not None
        try:
            return self._once(method, path, body, wait, largest)
        except (OSError, HTTPException) as error:
            self.close()
            if isinstance(error, FleetError):
                raise
            # The other side may close a connection that is idle, and notice of it may come with the next request.
            if kept and not self._stopped and not isinstance(error, TimeoutError):
                return self._exchange(method, path, body, wait, largest)
            where = urlsplit(self.centres[0]).netloc
            self.centres.append(self.centres.pop(0))
            raise AwayError(f"the centre {where} cannot be reached ({reason(error)})") from error

    def _once(self, method: str, path: str, body: bytes | None, wait: float, largest: int) -> bytes:
        if self._stopped:
            raise FleetError("stopped")
        connection = self._connection or self._connect()
        if connection.sock is not None:
            connection.sock.settimeout(self._timeout + wait)
        headers = {**_HEADERS, **({} if body is None else {"Content-Type": MEDIA_TYPE})}
        with self._within(self._most + wait):
            connection.request(method, PREFIX + path, body, headers)
            response = connection.getresponse()
            most = largest if response.status == _OK else _MAX_REFUSAL
            data = _body(response, most)
        if response.length:
            raise IncompleteRead(data, response.length)
        if response.status == _TOO_MANY:
            raise LaterError(_seconds(response.getheader("Retry-After")), _detail(data))
        if response.status >= _UNAVAILABLE:
            raise FleetError(f"the centre is not available ({response.status}: {_detail(data)})")
        if response.status != _OK:
            raise RefusedError(response.status, _detail(data))
        return data

    @contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        """Cut the connection after so many seconds."""
        timer = threading.Timer(seconds, self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _connect(self) -> HTTPSConnection:
        place = urlsplit(self.centres[0])
        made = HTTPSConnection(place.hostname or "", place.port or 443, timeout=self._timeout, context=self._context)
        made.connect()
        self._connection = made
        return made


def _body(response: HTTPResponse, most: int) -> bytes:
    """A body, piece by piece: one in millions of small chunks takes no more memory than any other."""
    found = BytesIO()
    while (response.length or 0) + found.tell() <= most and (piece := response.read(_PIECE)):
        found.write(piece)
    if (response.length or 0) + found.tell() > most:
        raise FleetError(f"an answer of the centre has more than {most} bytes")
    return found.getvalue()


def _seconds(text: str | None) -> float:
    """What Retry-After says, within an hour."""
    known = text is not None and text.isascii() and text.isdecimal() and len(text) < 5  # noqa: PLR2004 - digits
    return min(3600.0, float(text or 0)) if known else 60.0


def _detail(data: bytes) -> str:
    try:
        return cleaned(Refused.read(data, _MAX_REFUSAL).detail)[:200]
    except FleetError:
        return "no reason given"


def reason(error: OSError | HTTPException) -> str:
    """Why a centre cannot be reached, in words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "its name cannot be resolved"
    found = _tls_reason(error)
    if found is not None:
        return found
    return system_reason(error) if isinstance(error, OSError) else "not an answer of a centre"


def _tls_reason(error: OSError | HTTPException) -> str | None:
    """What is wrong with one of the two certificates; None if nothing is known to be."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _UNTRUSTED.get(error.verify_code, f"its certificate is not valid: {error.verify_message}")
    if isinstance(error, ssl.SSLError) and (error.reason or "").endswith(_REFUSALS):
        return _REFUSED
    if isinstance(error, ssl.SSLError) and error.reason == "WRONG_VERSION_NUMBER":
        return "it does not speak TLS: not the port of a centre for devices"
    if isinstance(error, (RemoteDisconnected, ssl.SSLEOFError)):
        return f"it closes the connection without an answer: perhaps {_REFUSED}"
    return None
