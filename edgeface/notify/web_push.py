"""Web push to browsers: RFC 8030 (delivery), RFC 8291 (encryption) and RFC 8292 (VAPID)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edgeface.notify.network_guard import blocked
from edgeface.notify.subscriptions import from_base64url
from edgeface.notify.targets import SendError, post, require_success

if TYPE_CHECKING:
    from edgeface.notify.subscriptions import Browsers, Subscription
    from edgeface.notify.targets import Outgoing

TTL = 60
"""Seconds for which a push service may hold a message: a notification that is older is not sent anywhere."""
MAX_TITLE, MAX_BODY = 200, 1500
"""Characters: a push service takes 4,096 bytes in all (RFC 8291, 4)."""

_TOKEN_SECONDS = 3600
_GONE = (404, 410)


class WebPushSender:
    """The browsers of this device; one thread uses it."""

    def __init__(self, contact: str) -> None:
        """`contact` is where a push service may complain. Raises SendError if a package is missing."""
        try:
            import http_ece  # noqa: F401 - what is missing is reported before there is a message
            import py_vapid  # noqa: F401 - the same
        except ImportError as error:
            raise SendError(f"{error.name} is not installed") from error
        self._contact = contact
        self.browsers: Browsers | None = None
        """The receivers of the next message."""
        self.gone: list[str] = []
        """Ids of the browsers that no longer want messages, as of the last `send`."""
        self._reached: tuple[str, frozenset[str]] = "", frozenset()
        """The id of the last message, and of the browsers that need no other attempt."""
        self._failed: frozenset[str] = frozenset()
        """Ids of the browsers that did not take the last message."""

    def send(self, message: Outgoing) -> None:
        """Send to every browser that has not got the message.

        Raises SendError if one of them did not take it, or there is none.
        Those that did not take the last one come last: they may be slow, and use up the time.
        """
        of, reached = self._reached
        reached = reached if of == message.id else frozenset()
        known = () if self.browsers is None else self.browsers.subscriptions
        if not known:
            raise SendError("no browser is added: open the page Notifications in one")
        waiting = sorted((one for one in known if one.id not in reached), key=lambda one: one.id in self._failed)
        self.gone = []
        errors = {one.id: error for one in waiting if (error := self._send(one, message)) is not None}
        self._reached = message.id, reached | {one.id for one in waiting} - errors.keys()
        self._failed = frozenset(errors)
        if errors:
            reason = next(iter(errors.values()))
            raise SendError(reason if len(known) == 1 else f"{len(errors)} of {len(known)} browsers: {reason}")

    def _send(self, to: Subscription, message: Outgoing) -> str | None:
        """The reason why it could not be sent."""
        try:
            status = post(to.endpoint, encrypted(content(message), to), self._headers(to, message.wall))
            if status in _GONE:
                self.gone.append(to.id)
            else:
                require_success(status)
        except SendError as error:
            return blocked() or str(error)
        return None

    def _headers(self, to: Subscription, wall: int) -> dict[str, str]:
        from py_vapid import Vapid02

        parts = urlsplit(to.endpoint)
        claims = {"aud": f"{parts.scheme}://{parts.netloc}", "exp": wall + _TOKEN_SECONDS, "sub": self._contact}
        private = "" if self.browsers is None else self.browsers.private
        signed: dict[str, str] = Vapid02.from_raw(private.encode()).sign(claims)
        return {**signed, "Content-Encoding": "aes128gcm", "TTL": str(TTL), "Urgency": "high"}


def content(message: Outgoing) -> bytes:
    """What the service worker of the page shows."""
    shown = {
        "id": message.id,
        "title": message.title[:MAX_TITLE],
        "body": message.body[:MAX_BODY],
        "link": message.facts.get("link"),
    }
    return json.dumps(shown).encode()


def encrypted(plain: bytes, to: Subscription) -> bytes:
    """The body of the request, which only the browser can read."""
    import http_ece
    from cryptography.hazmat.primitives.asymmetric import ec

    sealed: bytes = http_ece.encrypt(
        plain,
        private_key=ec.generate_private_key(ec.SECP256R1()),
        dh=from_base64url(to.p256dh),
        auth_secret=from_base64url(to.auth),
    )
    return sealed
