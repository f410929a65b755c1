"""What makes the paho client safe: passwords, strict TLS, and a limit on the size of packets."""

from __future__ import annotations

import logging
import os
import re
import ssl
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paho.mqtt import MQTTException
from paho.mqtt import properties as v5

from edgeface.core.errors import BrokerError

if TYPE_CHECKING:
    from edgeface.mqtt.settings import Mqtt, Tls

_log = logging.getLogger(__name__)

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
# MQTT 5, 3.1.3.6.
_MAX_PASSWORD_BYTES = 65_535


def password(settings: Mqtt) -> str | None:
    """The password from its file, credential or environment variable, or None if there is none.

    Raises BrokerError if it cannot be read. No error, log line or repr contains it.
    """
    if settings.password_file is not None:
        return _first_line(settings.password_file)
    if settings.password_credential is not None:
        return _first_line(_credential(settings.password_credential))
    if settings.password_env is not None:
        secret = os.environ.get(settings.password_env)
        if not secret:
            raise BrokerError(f"mqtt.password_env: the environment has no {settings.password_env}")
        return secret
    return None


def _credential(name: str) -> Path:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if folder is None:
        raise BrokerError("mqtt.password_credential: systemd gave no credentials (LoadCredential= in the unit)")
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name):
        raise BrokerError("mqtt.password_credential: a name has only letters, digits, dot, - and _")
    return Path(folder) / name


def _first_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            line = file.readline(_MAX_PASSWORD_BYTES + 2).rstrip(b"\r\n")
    except OSError as error:
        raise BrokerError(f"the MQTT password cannot be read: {path}: {error.strerror}") from error
    if mode & 0o007:
        _log.warning("%s holds the MQTT password and is open to every user: chmod 640 it", path)
    if not line or len(line) > _MAX_PASSWORD_BYTES:
        raise BrokerError(f"the MQTT password cannot be used: the first line of {path} is empty or too long")
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise BrokerError(f"the MQTT password cannot be used: the first line of {path} is not UTF-8") from None


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
