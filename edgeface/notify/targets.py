"""How each type of target is sent to; used in the process that sends alone, behind network_guard."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import re
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from edgeface.core.errors import EdgefaceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TIMEOUT = (5.0, 10.0)
"""Seconds to connect, and to wait for each part of an answer."""

MAX_ERROR = 1000
"""Characters of the reason why a message was not sent."""

_MAX_ANSWER_BYTES = 1 << 20
_OK, _REDIRECTS, _ERRORS = 200, 300, 400


def limit_requests() -> None:
    """For all services at once: follow no redirects, and take no more of an answer than _MAX_ANSWER_BYTES.

    A service that is asked may not name another, nor fill the memory.
    """
    import requests

    class BoundedResponse(requests.Response):
        def iter_content(self, chunk_size: int | None = 1, decode_unicode: bool = False) -> Iterator[Any]:  # noqa: FBT001, FBT002 - as in requests
            left = _MAX_ANSWER_BYTES
            for chunk in super().iter_content(chunk_size, decode_unicode):
                left -= len(chunk)
                if left < 0:
                    raise requests.ConnectionError("its answer is too long")
                yield chunk

    requests.sessions.DEFAULT_REDIRECT_LIMIT = 0
    requests.adapters.Response = BoundedResponse  # type: ignore[misc] # each answer is made with it


class SendError(EdgefaceError, OSError):
    """A target did not take a message; the text has no secrets."""


class Outgoing(NamedTuple):
    """One message, as it goes to any target."""

    id: str
    """Unique for each notice, the same for every attempt."""
    wall: int
    """Whole wall seconds of this attempt."""
    title: str
    body: str
    facts: dict[str, Any]
    """The notice for programs."""
    picture: bytes | None
    """JPEG."""


class Sender(Protocol):
    """One target."""

    def send(self, message: Outgoing) -> None:
        """Send it; raises SendError."""


class AppriseSender:
    """A service that Apprise knows."""

    def __init__(self, url: str) -> None:
        """Raises SendError if Apprise is not installed, or does not know the address."""
        try:
            from apprise import Apprise
        except ImportError as error:
            raise SendError("Apprise is not installed") from error
        plugin = Apprise.instantiate(url, suppress_exceptions=True)
        if plugin is None:
            raise SendError("Apprise does not know such an address")
        self._plugin: Any = plugin

    def send(self, message: Outgoing) -> None:
        """Send title and body, with the picture where the service takes one.

        They are text: what looks like HTML or Markdown in a name or a reason stays what it is.
        """
        from apprise import AppriseAttachment, NotifyFormat
        from apprise.attachment.memory import AttachMemory

        attached = None
        if message.picture is not None:
            picture = AttachMemory(content=message.picture, name="face.jpg", mimetype="image/jpeg")
            attached = AppriseAttachment(picture)
        with _Statuses() as statuses:
            # In this thread, for which the guard allows local addresses: Apprise.notify uses others.
            taken = self._plugin.notify(
                body=message.body, title=message.title, body_format=NotifyFormat.TEXT, attach=attached
            )
        if not taken:
            raise SendError(statuses.last or "the service did not take it")


class _Statuses(logging.Handler):
    """What Apprise logs about a failure: an HTTP status, or no connection. The rest may be secret, and goes nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.last: str | None = None
        self._thread = threading.get_ident()

    def __enter__(self) -> _Statuses:
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread != self._thread:
            return
        if (found := re.search(r"error=(\d{3})\b", record.getMessage())) is not None:
            self.last = f"it answers HTTP {found[1]}"
        elif "connection error" in record.getMessage().lower():
            self.last = "it cannot be reached"


class WebhookSender:
    """A web address, with a signature after Standard Webhooks 1.0 (github.com/standard-webhooks/standard-webhooks)."""

    def __init__(self, url: str, secret: str) -> None:
        """Raises SendError if the secret begins as Standard Webhooks writes it and is not base64."""
        self._url = url
        self._secret = signing_key(secret)

    def send(self, message: Outgoing) -> None:
        """Post the notice as JSON, with the picture in base64."""
        picture = None if message.picture is None else base64.b64encode(message.picture).decode()
        body = json.dumps({**message.facts, "picture": picture}, separators=(",", ":")).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "edgeface",
            "webhook-id": message.id,
            "webhook-timestamp": str(message.wall),
            "webhook-signature": signature(self._secret, message.id, message.wall, body),
        }
        require_success(post(self._url, body, headers))


def signing_key(secret: str) -> bytes:
    """The key of a secret: what is in base64 after `whsec_`, as Standard Webhooks writes it, or else its bytes."""
    prefix, found, encoded = secret.partition("whsec_")
    if prefix or not found:
        return secret.encode()
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError:
        raise SendError("its secret has no base64 after whsec_") from None


def signature(secret: bytes, id_: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: version 1, HMAC-SHA256 over id, timestamp and body."""
    signed = b".".join((id_.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """The HTTP status of the answer to a POST; raises SendError without one, in words that do not have the address."""
    import requests

    try:
        with requests.post(
            url, data=body, headers=headers, timeout=TIMEOUT, allow_redirects=False, stream=True
        ) as answer:
            return answer.status_code
    except requests.exceptions.SSLError as error:
        raise SendError("its certificate is not valid") from error
    except requests.Timeout as error:
        raise SendError("no answer in time") from error
    except requests.RequestException as error:
        raise SendError("it cannot be reached") from error


def require_success(status: int) -> None:
    """Raise SendError unless the HTTP status is a 2xx."""
    if _REDIRECTS <= status < _ERRORS:
        raise SendError(f"it answers with a redirect, which is not followed (HTTP {status})")
    if not _OK <= status < _REDIRECTS:
        raise SendError(f"it answers HTTP {status}")
