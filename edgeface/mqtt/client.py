"""What makes the paho client safe: strict TLS, and a limit on the size of packets."""

from __future__ import annotations

import ssl
import struct
from typing import TYPE_CHECKING, Any

from paho.mqtt import MQTTException
from paho.mqtt import properties as v5

from edgeface.core.errors import BrokerError

if TYPE_CHECKING:
    from edgeface.mqtt.settings import Tls

MAX_PACKET_BYTES = 16_384
"""Bytes of a packet to us; a command has a few. The broker withholds larger ones (MQTT 5, 3.1.2.11.4)."""

MALFORMED = (
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    AssertionError,
    struct.error,
    MQTTException,
    # In paho 2.1 the properties have an exception of their own.
    getattr(v5, "MQTTException", MQTTException),
)
"""What paho raises on bytes that are not MQTT."""

_TLS_TIMEOUT = 3.0
"""Seconds for the TLS handshake."""


def tls_context(tls: Tls) -> ssl.SSLContext:
    """TLS 1.2 or newer, with certificate and host name checked; raises BrokerError if a file cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _HandshakeSocket
    try:
        if tls.ca is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(tls.ca)
        if tls.certificate is not None:
            # An encrypted key would otherwise ask for its password on the terminal.
            context.load_cert_chain(tls.certificate, tls.key, password=lambda: "")
    except (OSError, ValueError) as error:
        files = ", ".join(str(path) for path in (tls.ca, tls.certificate, tls.key) if path is not None)
        raise BrokerError(f"mqtt.tls: cannot use {files}: {error}") from error
    return context


class _HandshakeSocket(ssl.SSLSocket):
    """A socket whose handshake times out, and which is closed if the handshake fails.

    paho 2.1 would wait as long as the keepalive, and leave the socket open until it is garbage collected.
    """

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - the signature is ssl's
        self.settimeout(_TLS_TIMEOUT)
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def limit_packets(client: Any) -> None:
    """Have the paho client raise ValueError on a packet over MAX_PACKET_BYTES, before it allocates memory for it.

    paho 2.1 and 2.2 have no limit: they ask the socket for all of a packet's announced length at once.
    """
    receive = client._sock_recv  # noqa: SLF001 - see above

    def limited(size: int) -> Any:
        if size > MAX_PACKET_BYTES:
            raise ValueError(f"a packet of {size} bytes")
        return receive(size)

    client._sock_recv = limited  # noqa: SLF001 - see above
