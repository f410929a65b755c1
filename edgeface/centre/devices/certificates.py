"""The certificate that a connection was made with, as the TLS library has checked it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509

from edgeface.centre.authority import fingerprint
from edgeface.web.http.connections import CountedProtocol

if TYPE_CHECKING:
    import asyncio
    import datetime as dt

    from starlette.types import ASGIApp, Receive, Scope, Send

KEY = "edgeface.certificate"
"""Where the scope of a request has its PeerCertificate, or None."""


class PeerCertificate(NamedTuple):
    """What the centre needs of a client's certificate."""

    fingerprint: bytes
    ends: dt.datetime


class CertifiedProtocol(CountedProtocol):
    """A connection whose requests carry the client's certificate in their scope; no header is trusted."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """Begin: asyncio calls it, after the TLS handshake."""
        self.app = _Certified(self.app, _certificate(transport))
        super().connection_made(transport)


class _Certified:
    """An application whose requests come from one certificate."""

    def __init__(self, app: ASGIApp, certificate: PeerCertificate | None) -> None:
        self._app, self._certificate = app, certificate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        scope[KEY] = self._certificate
        await self._app(scope, receive, send)


def _certificate(transport: asyncio.Transport) -> PeerCertificate | None:
    tls = transport.get_extra_info("ssl_object")
    data = None if tls is None else tls.getpeercert(binary_form=True)
    if data is None:
        return None
    return PeerCertificate(fingerprint(data), x509.load_der_x509_certificate(data).not_valid_after_utc)
