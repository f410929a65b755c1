"""Whom the service has to reach, as a drop-in that keeps systemd's firewall shut for everybody else."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edgeface import config, credentials, door_settings
from edgeface.cameras.gstreamer import GstreamerCamera
from edgeface.cameras.opencv import OpencvCamera
from edgeface.errors import BrokerError, CameraError, ConfigError, EdgefaceError
from edgeface.files import read_at_most
from edgeface.listing import say
from edgeface.names import cleaned

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from edgeface.settings import Configuration, Mqtt
    from edgeface.types import Camera

DROP_IN = "/etc/systemd/system/{unit}.service.d/egress.conf"
"""Where systemd looks for it."""

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

_HEADER = """\
# Who {unit}.service may speak with, by `edgeface egress`; make it again when an address or the configuration changes.
# It holds in both directions.
[Service]
IPAddressDeny=
IPAddressDeny=any
# In the place of what the unit itself allows.
IPAddressAllow=
IPAddressAllow=localhost
"""

_ADVICE = """\
written: {path}
1. systemctl daemon-reload && systemctl restart {unit}
2. systemctl show -p IPAddressAllow {unit} shows what holds; without the file the unit's own list does"""


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody on the network whom the service has to reach."""

    what: str
    """The broker, a camera or a resolver, in words."""
    host: str
    """As it is configured: a name or an address."""
    addresses: tuple[str, ...]
    """Other machines' addresses, or networks; none where it is this machine."""


def run_egress(arguments: argparse.Namespace) -> int:
    """`edgeface egress`: print the drop-in, or put it to where systemd looks for it."""
    unit = "edgeface" if arguments.door is None else "edgeface-door"
    found = _of_door(arguments.door) if arguments.door is not None else peers(config.load(arguments.config))
    text = drop_in(found, unit)
    if arguments.write is None:
        say(text.rstrip("\n"))
        return 0
    path = Path(arguments.write or DROP_IN.format(unit=unit))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _put(path, text)
    except OSError as error:
        raise EdgefaceError(f"{path}: cannot be written ({error.strerror}); root can: sudo edgeface egress") from error
    say(_ADVICE.format(path=path, unit=unit))
    return 0


def peers(configuration: Configuration, resolvers: Path = RESOLVERS) -> tuple[Peer, ...]:
    """Whom this configuration needs; names are resolved now.

    BrokerError or CameraError when a name cannot be resolved. Resolvers come after those, and only where names are
    used; last, where other machines may open the page, those of the private networks.
    """
    found = [] if configuration.mqtt is None else [_broker(configuration.mqtt)]
    for name, camera in configuration.cameras.items():
        found += [Peer(f"camera {name}", host, _resolved(host, CameraError)) for host in _hosts(camera)]
    return (*_with_resolvers(found, resolvers), *_browsers(configuration))


def drop_in(found: tuple[Peer, ...], unit: str = "edgeface") -> str:
    """The unit's drop-in: this machine, and nobody but these."""
    lines = [_HEADER.format(unit=unit)]
    for peer in found:
        where = peer.host if peer.addresses else f"{peer.host}, on this machine"
        lines.append(f"# {cleaned(peer.what)}: {cleaned(where)}\n")
        lines += [f"IPAddressAllow={address}\n" for address in peer.addresses]
    return "".join(lines)


def outside(found: tuple[Peer, ...]) -> tuple[Peer, ...]:
    """Those whom the units that ship do not let through: on the internet."""
    return tuple(peer for peer in found if any(not _private(address) for address in peer.addresses))


def _of_door(path: Path) -> tuple[Peer, ...]:
    return _with_resolvers([_broker(door_settings.load(path).mqtt)], RESOLVERS)


def _broker(mqtt: Mqtt) -> Peer:
    return Peer("broker", mqtt.host, _resolved(mqtt.host, BrokerError))


def _browsers(configuration: Configuration) -> tuple[Peer, ...]:
    web = configuration.web
    if web is None or credentials.is_loopback(web.host):
        return ()
    networks = tuple(str(network) for network in UNIT_ALLOWS if not network.is_loopback)
    return (Peer("whoever opens the page", web.host, networks),)


def _with_resolvers(found: list[Peer], resolvers: Path) -> tuple[Peer, ...]:
    if any(not _is_address(peer.host) and not credentials.is_loopback(peer.host) for peer in found):
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


def _put(path: Path, text: str) -> None:
    """Write the file whole or not at all; like every unit, everybody may read it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_text(text)
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
