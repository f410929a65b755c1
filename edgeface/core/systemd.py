"""Notifies what supervises this process: the service manager, sd_notify(3), and the health check of a container."""

from __future__ import annotations

import logging
import math
import os
import signal
import socket
from typing import TYPE_CHECKING

from edgeface.core.clock import SystemClock

if TYPE_CHECKING:
    from edgeface.core.clock import Clock

_log = logging.getLogger(__name__)

READY = "READY=1"
STOPPING = "STOPPING=1"
WATCHDOG = "WATCHDOG=1"

HEALTH = "EDGEFACE_HEALTH"
"""The variable with the file for the health check; the container image sets it."""
HEALTH_SECONDS = 20
"""Seconds without a sign of health after which a process with such a file is unhealthy, and the kernel ends it."""

_HEALTH_PERIOD = 5.0
_WIDTH = 24
"""Bytes of the file, always the same: a reader finds a whole number."""


def notify(*assignments: str) -> bool:
    """Send assignments such as READY=1 in one datagram; False if no service manager listens.

    NOTIFY_SOCKET is a path, or an abstract socket if it begins with @. WATCHDOG is also a sign of health.
    """
    if WATCHDOG in assignments:
        _show_health()
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
    """Seconds between WATCHDOG messages, half of WatchdogSec=; None if neither it nor a health check is for us."""
    of_check = _HEALTH_PERIOD if HEALTH in os.environ else None
    period, process = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", str(os.getpid()))
    if not period.isdecimal() or int(period) == 0 or process != str(os.getpid()):
        return of_check
    return min(int(period) / 2_000_000, of_check or math.inf)


def health_age(file: str) -> float | None:
    """Seconds since the last sign of health in the file; None if there is none since the start of this machine."""
    try:
        with open(file, encoding="ascii") as shown:  # noqa: PTH123 - any path of the environment
            age = SystemClock.monotonic() - float(shown.read(_WIDTH))
    except (OSError, ValueError):
        return None
    return age if age >= 0 else None


def _show_health() -> None:
    file = os.environ.get(HEALTH)
    if file is None:
        return
    # No service manager watches a container: the kernel ends this process unless it is called again in time.
    signal.alarm(HEALTH_SECONDS)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, f"{SystemClock.monotonic():{_WIDTH}.3f}".encode())
        finally:
            os.close(handle)
    except OSError as error:
        _log.debug("the health check cannot be answered: %s", error.strerror)
