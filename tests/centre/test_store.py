from tests.support.centre import MODEL, SITE, Centre, entry


def test_a_device_has_what_was_put(centre: Centre) -> None:
    device = centre.joined()
    assert centre.store.put(SITE, entry(1), "admin") == 1
    assert centre.store.put_all(SITE, [entry(2), entry(3)], "admin") == (2, 3)
    device.follow()
    assert device.ids == {"person-1", "person-2", "person-3"}
    centre.store.forget(SITE, centre.person("person-2"), "admin")
    device.follow()
    assert device.ids == {"person-1", "person-3"}
    assert device.last is not None
    assert len(device.last.rows) == 1
    assert centre.store.snapshot(SITE, MODEL).digest == device.last.digest
    assert centre.store.applied(device.device, SITE, device.receipt()).seconds == 30 * 86400
