"""What a hostile broker could do to paho: exceptions of all kinds, and packets of 256 MB."""

from __future__ import annotations

import struct
from typing import Any

from paho.mqtt import MQTTException
from paho.mqtt import properties as v5

LARGEST = 16_384
"""Bytes of a packet to us: a command is a few; the broker keeps larger ones from us (MQTT 5, 3.1.2.11.4)."""

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
"""What paho raises on bytes that are no MQTT."""


def limited(client: Any) -> None:
    """Have the paho client raise ValueError on a packet over LARGEST, before it makes room for it.

    paho 2.1 and 2.2 have no limit: they ask the socket for all of the packet's announced length at once.
    """
    receive = client._sock_recv  # noqa: SLF001 - see above

    def checked(size: int) -> Any:
        if size > LARGEST:
            raise ValueError(f"a packet of {size} bytes")
        return receive(size)

    client._sock_recv = checked  # noqa: SLF001 - see above
