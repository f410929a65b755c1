"""Ports of this machine."""

from __future__ import annotations

import socket


def listens(port: int) -> bool:
    """Whether a program accepts connections on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
