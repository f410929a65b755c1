"""What of a configuration cannot work on this machine, found before the daemon runs and continues without it."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.config.parts import lacks
from edgeface.core.board import port_holder
from edgeface.core.files import LOCK, is_held
from edgeface.recognition.settings import MIN_FPS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.cameras.base import CameraBase
    from edgeface.config.configuration import Configuration
    from edgeface.core.mistakes.schema import KeyPath

_DEVICE_KEYS = ("source", "device", "number", "sensor", "preset")
"""Keys that name the device or file of a camera."""
_UNPRIVILEGED = 1024
"""The first port that needs no capability (ip(7))."""


def broken(configuration: Configuration) -> Iterator[tuple[KeyPath, str]]:
    """Where it asks for what this machine does not have: the key, and what to do."""
    yield from _cameras(configuration)
    yield from _shared_devices(configuration)
    yield from ((lack.key, str(lack)) for lack in lacks(configuration))
    if configuration.web is not None and not _runs(configuration):
        yield from _port(configuration.web.host, configuration.web.port)


def _cameras(configuration: Configuration) -> Iterator[tuple[KeyPath, str]]:
    for name, camera in configuration.face_cameras.items():
        if camera.fps is not None and camera.fps < MIN_FPS:
            yield ("cameras", name, "fps"), f"too low to recognise people: use {MIN_FPS:g} or more, or leave it out"
    for name, camera in configuration.cameras.items():
        if camera.missing_file:
            text = "no such file; a USB camera is a number or /dev/video0, and a stream an address such as rtsp://"
            yield ("cameras", name, "source"), text


def _device_key(camera: CameraBase) -> str:
    """The key that names what a camera opens; its type if that has a default."""
    return next((key for key in _DEVICE_KEYS if key in camera.model_fields_set), "type")


def _shared_devices(configuration: Configuration) -> Iterator[tuple[KeyPath, str]]:
    """Cameras that are on and open a device that another one has, perhaps by another of its names."""
    first: dict[object, str] = {}
    for name, camera in configuration.cameras.items():
        if camera.local_device is None or not camera.enabled:
            continue
        other = first.setdefault(_identity(camera.local_device), name)
        if other != name:
            text = f"the same device as camera {other}, and only one can open it: remove one, or set enabled: false"
            yield ("cameras", name, _device_key(camera)), text


def _identity(device: str) -> object:
    """The same for every name of one device, such as a link of /dev/v4l/by-id."""
    with suppress(OSError):
        facts = Path(device).stat()
        return facts.st_rdev or (facts.st_dev, facts.st_ino)
    return os.path.normpath(device)


def _runs(configuration: Configuration) -> bool:
    """Whether a daemon of this data folder runs: the port is then its own."""
    return is_held(configuration.data / LOCK)


def _port(host: str, port: int) -> Iterator[tuple[KeyPath, str]]:
    """Why the page could not listen at this address; nothing if it could."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        yield ("web", "host"), "no name that this machine knows: write 127.0.0.1, 0.0.0.0 or an address of this machine"
        return
    for family, kind, protocol, _, address in found:
        try:
            _listen(family, kind, protocol, address)
        except OSError as error:
            if (problem := _refused(error, port)) is not None:
                yield problem
                return


def _listen(family: int, kind: int, protocol: int, address: object) -> None:
    """Take the address for a moment, as a server does; raises OSError."""
    with socket.socket(family, kind, protocol) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)  # type: ignore[arg-type]


def _refused(error: OSError, port: int) -> tuple[KeyPath, str] | None:
    if error.errno == errno.EADDRINUSE:
        holder = port_holder(port)
        if holder is None:
            unknown = f"perhaps by edgeface itself: sudo ss -ltnp 'sport = :{port}' names the program"
            return ("web", "port"), f"taken, {unknown}; end that, or choose another port"
        return ("web", "port"), f"taken by {holder}; end that, or choose another port"
    if error.errno == errno.EADDRNOTAVAIL:
        return (
            "web",
            "host",
        ), "not an address of this machine: write 127.0.0.1, 0.0.0.0 or one that `ip address` lists"
    if error.errno == errno.EACCES and port < _UNPRIVILEGED:
        return ("web", "port"), f"only root may listen below {_UNPRIVILEGED}: choose another port, such as 8099"
    return None
