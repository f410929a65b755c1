"""The address of a client, read from X-Forwarded-For only where a trusted proxy has written it."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    Network = ipaddress.IPv4Network | ipaddress.IPv6Network
    Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_MAX_HOPS = 32
"""Entries of X-Forwarded-For that are read, from the right."""
_IPV6_PREFIX = 64
"""A single machine may use every address of its network of this size."""


class Proxies:
    """The addresses whose X-Forwarded-For is believed."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """`networks` are addresses or networks, such as 192.168.1.2 or fd00::/64."""
        self._networks: tuple[Network, ...] = tuple(ipaddress.ip_network(one, strict=False) for one in networks)

    def __contains__(self, host: str) -> bool:
        address = parsed(host)
        return address is not None and any(
            address.version == network.version and address in network for network in self._networks
        )

    def client(self, peer: str, forwarded: Iterable[str]) -> str:
        """The right-most address in the X-Forwarded-For headers that is no proxy's; `peer` unless it is a proxy.

        What stands left of that address was written by the client, and may be anything.
        """
        client = peer
        hops = ",".join(forwarded).split(",")[-_MAX_HOPS:]
        while client in self and hops:
            address = parsed(_without_port(hops.pop().strip()))
            if address is None:
                break
            client = str(address)
        return client


def source(client: tuple[str, int] | None) -> str:
    """What requests are counted by: an IPv4 address, the /64 of an IPv6 address, or the text if it is no address."""
    host = "" if client is None else client[0]
    address = parsed(host)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))
    return host if address is None else str(address)


def parsed(host: str) -> Address | None:
    """An address without its zone; IPv4 inside IPv6 as IPv4; None if the text is no address."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
