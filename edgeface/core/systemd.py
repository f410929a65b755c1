"""Notifies the service manager over its socket, sd_notify(3)."""

from __future__ import annotations

import logging
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeface.core.clock import Clock

_log = logging.getLogger(__name__)

READY = "READY=1"
STOPPING = "STOPPING=1"
WATCHDOG = "WATCHDOG=1"


def notify(*assignments: str) -> bool:
    """Send assignments such as READY=1 in one datagram; False if no service manager listens.

    NOTIFY_SOCKET is a path, or an abstract socket if it begins with @.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    message = "\n".join(assignments).encode()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            # A full socket must not block the thread that feeds the watchdog.
            channel.setblocking(False)
            channel.sendto(message, "\0" + address[1:] if address[0] == "@" else address)
    except OSError as error:
        _log.debug("the service manager cannot be notified: %s", error.strerror)
        return False
    return True


def status(text: str) -> str:
    """The STATUS= assignment that `systemctl status` shows; one line, whatever the text holds."""
    return "STATUS=" + "".join(c if c.isprintable() else " " for c in text)


def reloading(clock: Clock) -> tuple[str, str]:
    """The assignments that start a reload; READY ends it (Type=notify-reload of systemd.service(5))."""
    return "RELOADING=1", f"MONOTONIC_USEC={int(clock.monotonic() * 1_000_000)}"


def watchdog_seconds() -> float | None:
    """Seconds between WATCHDOG messages, half of WatchdogSec=; None without it, or if it is for another process."""
    period, process = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", str(os.getpid()))
    if not period.isdecimal() or int(period) == 0 or process != str(os.getpid()):
        return None
    return int(period) / 2_000_000
