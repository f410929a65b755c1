"""Finds out whether a broker that closes the connection speaks only MQTT 3.1.1."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

from edgeface.core.errors import BrokerError
from edgeface.mqtt import client as mqtt_client

if TYPE_CHECKING:
    from edgeface.mqtt.settings import Mqtt

ONLY_OLD = (
    "does not speak MQTT 5, which edgeface needs: update it (mosquitto 1.6, RabbitMQ 3.13 or newer), or use another"
)
"""What a broker does that has only an older version, and what to do."""
UNSUPPORTED = 0x84
"""The reason code of MQTT 5 (3.2.2.2); paho gives it as well for the return code 1 of an older broker."""

# CONNECT of MQTT 3.1.1 (3.1): level 4, a clean session, no name and no password, an empty client id.
_CONNECT = bytes.fromhex("100c00044d5154540402000a0000")
_CONNACK = b"\x20\x02"
_TIMEOUT = 1.0


def is_only_old(settings: Mqtt) -> bool:
    """Whether the broker answers MQTT 3.1.1, asked without user name and password; blocks for a few seconds at most."""
    try:
        with ExitStack() as opened:
            sock = opened.enter_context(socket.create_connection((settings.host, settings.port), _TIMEOUT))
            if settings.tls is not None:
                context = mqtt_client.tls_context(settings.tls)
                sock = opened.enter_context(context.wrap_socket(sock, server_hostname=settings.host))
            sock.settimeout(_TIMEOUT)
            sock.sendall(_CONNECT)
            return sock.recv(4).startswith(_CONNACK)
    except (OSError, ValueError, BrokerError):
        return False
