from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.embeddings import unit

if TYPE_CHECKING:
    from tests.support.fleet_device import Device


def test_a_device_has_the_people_of_its_site(device: Device) -> None:
    alice = device.centre.put("alice", unit(1))
    device.centre.put("bob", unit(2), consent="2026-01-01", expires="2099-01-01")
    device.done()
    assert device.matched == {"alice", "bob"}
    device.centre.put("alice", unit(3), alice, name="Alice B.")
    device.done()
    with device.gallery() as gallery:
        assert gallery.person("alice").name == "Alice B."
        assert gallery.person("bob").expires == "2099-01-01"
        found = gallery.snapshot().match(unit(3))
        assert found is not None
        assert found.person == "alice"
    device.centre.forget(alice)
    device.done()
    assert device.stored == {"bob"}
    assert [one.seq for one in device.centre.receipts] == [2, 3, 4]
