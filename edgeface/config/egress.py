"""The network peers that a configuration names."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edgeface.cameras.gstreamer import GstreamerCamera
from edgeface.cameras.opencv import OpencvCamera
from edgeface.core.errors import BrokerError, CameraError, ConfigError, EdgefaceError
from edgeface.core.files import read_at_most
from edgeface.core.text import cleaned
from edgeface.door import settings
from edgeface.mqtt import settings as mqtt_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgeface.config.configuration import Configuration
    from edgeface.core.types import Camera
    from edgeface.mqtt.settings import Mqtt

RESOLVERS = Path("/etc/resolv.conf")

UNIT_ALLOWS = tuple(
    map(
        ipaddress.ip_network,
        (
            "127.0.0.0/8",
            "::1",
            "169.254.0.0/16",
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "fe80::/10",
            "fc00::/7",
        ),
    )
)
"""What the units that ship allow (systemd/edgeface.service)."""

_LARGEST = 64 * 1024
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"'!]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody on the network whom the service has to reach."""

    what: str
    """The broker, a camera or a resolver, in words."""
    host: str
    """As it is configured: a name or an address."""
    addresses: tuple[str, ...]
    """Other machines' addresses, or networks; none where it is this machine."""


def peers(configuration: Configuration, resolvers: Path = RESOLVERS) -> tuple[Peer, ...]:
    """Whom this configuration needs; names are resolved now.

    BrokerError or CameraError when a name cannot be resolved. Resolvers come after those, and only where names are
    used; last, where other machines may open the page, those of the private networks.
    """
    found = [] if configuration.mqtt is None else [_broker(configuration.mqtt)]
    for name, camera in configuration.cameras.items():
        found += [Peer(f"camera {name}", host, _resolved(host, CameraError)) for host in _hosts(camera)]
    return (*_with_resolvers(found, resolvers), *_browsers(configuration))


def outside(found: tuple[Peer, ...]) -> tuple[Peer, ...]:
    """Those whom the units that ship do not let through: on the internet."""
    return tuple(peer for peer in found if any(not _private(address) for address in peer.addresses))


def peers_of_door(path: Path) -> tuple[Peer, ...]:
    """The peers of a door controller, from its door.yaml."""
    return _with_resolvers([_broker(settings.load(path).mqtt)], RESOLVERS)


def _broker(mqtt: Mqtt) -> Peer:
    return Peer("broker", mqtt.host, _resolved(mqtt.host, BrokerError))


def _browsers(configuration: Configuration) -> tuple[Peer, ...]:
    web = configuration.web
    if web is None or mqtt_settings.is_loopback(web.host):
        return ()
    networks = tuple(str(network) for network in UNIT_ALLOWS if not network.is_loopback)
    return (Peer("whoever opens the page", web.host, networks),)


def _with_resolvers(found: list[Peer], resolvers: Path) -> tuple[Peer, ...]:
    if any(not _is_address(peer.host) and not mqtt_settings.is_loopback(peer.host) for peer in found):
        found += [Peer("resolver", server, _elsewhere([server])) for server in _nameservers(resolvers)]
    return tuple(found)


def _hosts(camera: Camera) -> Iterator[str]:
    """The hosts of a camera; of a pipeline of one's own, those of the addresses in its text."""
    texts: list[str] = []
    if isinstance(camera, OpencvCamera):
        texts = [str(camera.source)]
    elif isinstance(camera, GstreamerCamera):
        texts = [camera.url or "", *_URL.findall(camera.pipeline or "")]
    for text in texts:
        if "://" in text and not text.startswith("file:"):
            yield from _host(text)


def _host(url: str) -> Iterator[str]:
    try:
        host = urlsplit(url).hostname
    except ValueError:
        raise CameraError("a pipeline has an address that is none") from None
    if host:
        yield host


def _resolved(host: str, kind: Callable[[str], EdgefaceError]) -> tuple[str, ...]:
    """The addresses of a host, without this machine's own."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise kind(f"{cleaned(host)} cannot be resolved now: {getattr(error, 'strerror', None) or error}") from error
    return _elsewhere([str(one[4][0]) for one in found])


def _elsewhere(texts: list[str]) -> tuple[str, ...]:
    """Addresses without their zone, each once, in order, without those of this machine."""
    plain = [ipaddress.ip_address(text.partition("%")[0]) for text in texts]
    return tuple(dict.fromkeys(str(address) for address in plain if not address.is_loopback))


def _nameservers(path: Path) -> list[str]:
    """The addresses on the nameserver lines of resolv.conf(5); none when there is no such file."""
    try:
        text = read_at_most(path, _LARGEST).decode("ascii", "replace")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    words = [line.split() for line in text.splitlines()]
    servers = [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"]
    return [server for server in servers if _is_address(server)]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _private(text: str) -> bool:
    there = ipaddress.ip_network(text)
    return any(there.version == one.version and there.subnet_of(one) for one in UNIT_ALLOWS)  # type: ignore[arg-type]
