"""Codes, certificates and revocation."""

import pytest

from edgeface.centre.records import JoinCode
from edgeface.core.errors import GoneError, UnknownError
from tests.support.centre import SITE, Centre


def test_a_code_works_once_and_for_15_minutes(centre: Centre) -> None:
    centre.store.add_site("tower")
    secret = centre.store.make_code([SITE, "tower"], "door-1", "admin")
    assert len(secret) == 10
    assert centre.store.take_code(secret) == JoinCode("door-1", (SITE, "tower"))
    for wrong in (secret, bytes(10)):
        with pytest.raises(GoneError, match="the code is unknown"):
            centre.store.take_code(wrong)
    late, used = (centre.store.make_code([SITE], name, "admin") for name in ("door-2", "door-3"))
    centre.clock.sleep(899)
    centre.store.take_code(used)
    centre.clock.sleep(1)
    with pytest.raises(GoneError):
        centre.store.take_code(late)
    with pytest.raises(UnknownError):
        centre.store.make_code(["yard"], "door-1", "admin")


def test_a_new_code_for_a_device_replaces_the_one_before(centre: Centre) -> None:
    before = centre.store.make_code([SITE], "door-1", "admin")
    centre.store.make_code([SITE], "door-1", "admin")
    with pytest.raises(GoneError):
        centre.store.take_code(before)


def test_a_secret_is_nowhere_in_the_database(centre: Centre) -> None:
    secret = centre.store.make_code([SITE], "door-1", "admin")
    with centre.store._database.reading() as transaction:
        row = transaction.execute("SELECT hash FROM join_codes").fetchone()
    assert row is not None
    assert secret not in row[0]


def test_a_device_is_known_by_its_certificate_until_it_is_revoked(centre: Centre) -> None:
    device = centre.joined().device
    assert centre.store.device_by_fingerprint(device.fingerprint) == device
    assert centre.store.device_by_fingerprint(bytes(32)) is None
    centre.clock.sleep(100)
    centre.store.device_by_fingerprint(device.fingerprint)
    (seen,) = centre.store.devices()
    assert (seen.seen, seen.revoked) == (centre.clock.wall(), None)
    centre.store.revoke("door-1", "admin")
    assert centre.store.device_by_fingerprint(device.fingerprint) is None
    (revoked,) = centre.store.devices()
    assert revoked.revoked == centre.clock.wall()
    centre.clock.sleep(100)
    centre.store.revoke("door-1", "admin")
    assert centre.store.devices() == (revoked,)
    with pytest.raises(UnknownError, match="door-1: no such device"):
        centre.store.renew_device("door-1", bytes(32), 1.0)
    with pytest.raises(UnknownError, match="door-9: no such device"):
        centre.store.revoke("door-9", "admin")


def test_the_certificate_before_holds_until_the_new_one_is_used(centre: Centre) -> None:
    first, second = centre.joined().device.fingerprint, b"2" * 32
    centre.store.renew_device("door-1", second, 2.0)
    assert centre.store.device_by_fingerprint(first) is not None
    renewed = centre.store.device_by_fingerprint(second)
    assert renewed is not None
    assert (renewed.fingerprint, renewed.certificate_ends) == (second, 2.0)
    assert centre.store.device_by_fingerprint(first) is None


def test_the_certificate_in_use_outlives_answers_that_were_lost(centre: Centre) -> None:
    first = centre.joined().device.fingerprint
    for lost in (b"2", b"3", b"4"):
        assert centre.store.device_by_fingerprint(first) is not None
        centre.store.renew_device("door-1", lost * 32, 2.0)
    assert centre.store.device_by_fingerprint(b"3" * 32) is None
    assert centre.store.device_by_fingerprint(b"4" * 32) is not None
    assert centre.store.device_by_fingerprint(first) is None


def test_a_device_that_joins_again_replaces_itself(centre: Centre) -> None:
    before = centre.joined()
    centre.store.applied(before.device, SITE, before.receipt())
    after = centre.joined()
    assert centre.store.devices() == (after.device,)
    assert after.device.receipt_key != before.device.receipt_key
    assert [one.state for one in centre.store.proof(SITE).devices] == ["never"]
