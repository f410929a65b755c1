"""docs/mosquitto/bridge.conf between two real brokers, both with the shipped access list."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.mqtt.test_acl import SHIPPED, Client, shipped
from tests.support.broker import until
from tests.support.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgeface.demo.mosquitto import Mosquitto

pytestmark = pytest.mark.broker
ROW, FORGED, NUMBER = "edgeface/front/audit", "edgeface/other/audit", "edgeface/sites/tower/seq"


def bridge(authority: Authority, port: int) -> list[str]:
    """The shipped lines with this test's paths, without those of the whole broker: the Mosquitto fixture sets them."""
    text = (SHIPPED / "bridge.conf").read_text().partition("\npersistence")[0]
    certificate, key = authority.client("edgeface-site-tower")
    paths = {"centre-ca.pem": authority.ca, "edgeface-site-tower.pem": certificate, "edgeface-site-tower.key": key}
    text = re.sub(r"/etc/mosquitto/edgeface/(\S+)", lambda found: str(paths[found[1]]), text)
    text = text.replace("centre.example.org:8883", f"127.0.0.1:{port}")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_events_go_up_once_and_change_numbers_come_down(make_broker: Callable[..., Mosquitto], tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    acl = re.sub(r"^#(user edgeface-site|topic write edgeface/front/audit|topic read edgeface/sites)", r"\1",
                 (SHIPPED / "acl").read_text(), flags=re.MULTILINE)  # fmt: skip
    for name in ("above", "below"):
        (tmp_path / name).mkdir()
    above = make_broker(*shipped(tmp_path / "above", authority, acl))
    local = "\nuser edgeface-other\ntopic write edgeface/other/#\nuser reader\ntopic read edgeface/sites/#\n"
    below = make_broker(*shipped(tmp_path / "below", authority, acl + local), *bridge(authority, above.port))
    centre = Client(above.port, authority.context("edgeface-centre"), "edgeface-centre")
    device = Client(below.port, authority.context("edgeface-front"), "edgeface-front")
    other = Client(below.port, authority.context("edgeface-other"), "edgeface-other")
    reader = Client(below.port, authority.context("reader"), "reader")
    clients = (centre, device, other, reader)
    try:
        assert all(client.ready.wait(30) for client in clients)
        device.publish(ROW, "one")
        # Its site may write for `front` only, whoever has the broker of the site.
        other.publish(FORGED, "forged")
        centre.publish(NUMBER, "17", retain=True)
        until(lambda: (NUMBER, "17") in reader.heard, 20)
        until(lambda: (ROW, "one") in centre.heard, 20)
        # Away and back: nothing is lost, and nothing comes twice.
        above.stop()
        until(centre.gone.is_set)
        device.publish(ROW, "two")
        above.start()
        until(lambda: (ROW, "two") in centre.heard, 30)
        device.publish(ROW, "three")
        until(lambda: (ROW, "three") in centre.heard, 20)
        assert [one for one in centre.heard if one[0] != NUMBER] == [(ROW, word) for word in ("one", "two", "three")]
    finally:
        for client in clients:
            client.close()
