"""The client's address, behind proxies that are trusted and those that are not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from edgeface.config import loader
from edgeface.config.configuration import Web
from edgeface.core.errors import ConfigError
from edgeface.web.http.clients import Proxies, source
from edgeface.web.http.forwarded import Forwarded

if TYPE_CHECKING:
    from starlette.types import Scope

TRUSTED = ("192.168.1.2", "10.1.0.0/16", "fd00::/64")

PROXIES = Proxies(TRUSTED)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.168.1.2", ["203.0.113.7"], "203.0.113.7"),
        ("192.168.1.2", ["1.1.1.1, 203.0.113.7"], "203.0.113.7"),
        ("192.168.1.2", ["1.1.1.1", "203.0.113.7"], "203.0.113.7"),
        ("192.168.1.2", ["1.1.1.1, 203.0.113.7, 10.1.9.9"], "203.0.113.7"),
        ("::ffff:192.168.1.2", ["203.0.113.7:4711"], "203.0.113.7"),
        ("fd00::5", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("fd00::5", ["2001:db8::1"], "2001:db8::1"),
        ("192.168.1.2", [], "192.168.1.2"),
        ("192.168.1.2", [""], "192.168.1.2"),
        ("192.168.1.2", ["203.0.113.7, unknown"], "192.168.1.2"),
        ("192.168.1.2", ["203.0.113.7, <script>, 10.1.0.1"], "10.1.0.1"),
        ("192.168.1.2", ["10.1.0.1, 10.1.0.2"], "10.1.0.1"),
        ("192.168.1.2", [", ".join(["10.1.0.1"] * 1000)], "10.1.0.1"),
        ("192.168.1.3", ["203.0.113.7"], "192.168.1.3"),
        ("testclient", ["203.0.113.7"], "testclient"),
    ],
)
def test_the_client_is_the_right_most_address_that_is_no_trusted_proxys(
    peer: str, forwarded: list[str], client: str
) -> None:
    assert PROXIES.client(peer, forwarded) == client
    seen: list[Any] = []

    async def inner(scope: Scope, *_: Any) -> None:
        seen.append(scope["client"])

    headers = [(b"x-forwarded-for", one.encode()) for one in forwarded]
    scope: Any = {"type": "http", "client": (peer, 1), "headers": headers, "path": "/", "scheme": "http"}
    unused: Any = None
    asyncio.run(Forwarded(inner, settings=Web(trusted_proxies=TRUSTED))(scope, unused, unused))
    assert seen == [(client, 1)]


def test_without_proxies_the_header_is_never_read() -> None:
    assert Proxies().client("127.0.0.1", ["203.0.113.7"]) == "127.0.0.1"


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("10.0.0.5", "10.0.0.5"),
        ("::ffff:10.0.0.5", "10.0.0.5"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_a_network_of_ipv6_counts_as_one_client(host: str, counted: str) -> None:
    assert source((host, 1)) == counted
    assert source(None) == ""


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0", "10.0.0", "proxy.lan"])
def test_a_network_that_is_none_or_everyone_is_refused(network: str) -> None:
    text = f"cameras: {{porch: {{type: opencv, source: 0}}}}\nweb:\n  trusted_proxies: ['{network}']\n"
    with pytest.raises(ConfigError, match=r"^c:3: web\.trusted_proxies"):
        loader.parse(text.encode(), "c")
    assert loader.parse(text.replace(network, "10.0.0.0/8").encode(), "c")
