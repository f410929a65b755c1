"""The network peers that a configuration needs."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edgeface.core.errors import BrokerError, CameraError, ConfigError, EdgefaceError, FleetError, system_reason
from edgeface.core.files import read_at_most
from edgeface.core.text import cleaned
from edgeface.door import settings
from edgeface.door.relays.http import HttpRelay
from edgeface.mqtt import settings as mqtt_settings
from edgeface.notify import target_hosts
from edgeface.notify.subscriptions import browsers

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeface.config.configuration import Configuration
    from edgeface.mqtt.settings import Mqtt

RESOLVERS = Path("/etc/resolv.conf")

_ALLOWED = "127.0.0.0/8 ::1 169.254.0.0/16 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fe80::/10 fc00::/7"
UNIT_ALLOWS = tuple(map(ipaddress.ip_network, _ALLOWED.split()))
"""What the shipped units allow (systemd/edgeface.service)."""

_MAX_RESOLV_CONF_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Peer:
    """A host or network that the service exchanges data with."""

    what: str
    """Its role, such as broker, camera porch or resolver."""
    host: str
    """A name or an address, as configured."""
    addresses: tuple[str, ...]
    """Addresses of other machines, or networks; empty if it is this machine."""


def peers(configuration: Configuration, resolvers: Path = RESOLVERS) -> tuple[Peer, ...]:
    """The peers of this configuration; names are resolved now.

    The broker and cameras come first, then the targets of notifications, the centre, resolvers if names are used, and
    the private networks if other machines can open the page. Raises BrokerError, CameraError, ConfigError or FleetError
    if a name cannot be resolved.
    """
    found = [] if configuration.mqtt is None else [_broker(configuration.mqtt)]
    for name, camera in configuration.cameras.items():
        found += [Peer(f"camera {name}", host, _resolve(host, CameraError)) for host in camera.hosts()]
    if configuration.notify is not None:
        for name, hosts in target_hosts.hosts(configuration.notify, browsers(configuration.data)).items():
            found += [Peer(f"notify {name}", host, _resolve(host, ConfigError)) for host in hosts]
    for centre in () if configuration.fleet is None else configuration.fleet.centres:
        host = urlsplit(centre).hostname or ""
        found.append(Peer("centre of the fleet", host, _resolve(host, FleetError)))
    return (*_with_resolvers(found, resolvers), *_browsers(configuration))


def outside(found: tuple[Peer, ...]) -> tuple[Peer, ...]:
    """The peers on the internet, which the shipped units block."""
    return tuple(peer for peer in found if any(not _is_private(address) for address in peer.addresses))


def peers_of_door(path: Path) -> tuple[Peer, ...]:
    """The peers of a door controller, from its door.yaml."""
    door = settings.load(path)
    found = [_broker(door.mqtt)]
    if isinstance(door.relay, HttpRelay):
        found.append(Peer("relay", door.relay.host, _resolve(door.relay.host, BrokerError)))
    return _with_resolvers(found, RESOLVERS)


def _broker(mqtt: Mqtt) -> Peer:
    return Peer("broker", mqtt.host, _resolve(mqtt.host, BrokerError))


def _browsers(configuration: Configuration) -> tuple[Peer, ...]:
    web = configuration.web
    if web is None or mqtt_settings.is_loopback(web.host):
        return ()
    networks = tuple(str(network) for network in UNIT_ALLOWS if not network.is_loopback)
    return (Peer("browsers", web.host, networks),)


def _with_resolvers(found: list[Peer], resolvers: Path) -> tuple[Peer, ...]:
    if any(not _is_address(peer.host) and not mqtt_settings.is_loopback(peer.host) for peer in found):
        found += [Peer("resolver", server, _remote([server])) for server in _nameservers(resolvers)]
    return tuple(found)


def _resolve(host: str, error_type: Callable[[str], EdgefaceError]) -> tuple[str, ...]:
    """The addresses of a host, without those of this machine."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise error_type(f"{cleaned(host)} cannot be resolved: {reason}") from error
    return _remote([str(one[4][0]) for one in found])


def _remote(texts: list[str]) -> tuple[str, ...]:
    """The addresses without zones, duplicates and loopback, in order."""
    plain = [ipaddress.ip_address(text.partition("%")[0]) for text in texts]
    return tuple(dict.fromkeys(str(address) for address in plain if not address.is_loopback))


def _nameservers(path: Path) -> list[str]:
    """The addresses on the nameserver lines of resolv.conf(5); none if the file does not exist."""
    try:
        text = read_at_most(path, _MAX_RESOLV_CONF_BYTES).decode("ascii", "replace")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({system_reason(error)})") from error
    words = [line.split() for line in text.splitlines()]
    servers = [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"]
    return [server for server in servers if _is_address(server)]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _is_private(text: str) -> bool:
    network = ipaddress.ip_network(text)
    return any(network.version == one.version and network.subnet_of(one) for one in UNIT_ALLOWS)  # type: ignore[arg-type]
