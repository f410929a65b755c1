"""What devices follow, and how they wait for it."""

import threading
import time

import pytest

from edgeface.centre.answers import Answers
from edgeface.core.errors import ChangedError, FleetError, UnknownError
from edgeface.fleet import messages, sealing
from tests.support.centre import MODEL, SITE, Centre, entry


def test_a_device_follows_in_pages_of_5000(centre: Centre) -> None:
    centre.store.put_all(SITE, [entry(n, embeddings={}) for n in range(5_000)], "admin")
    centre.store.put_all(SITE, [entry(n) for n in range(5_000, 5_004)], "admin")
    first = centre.store.changes(SITE, MODEL, 0)
    assert first is not None
    assert (len(first.rows), first.seq, first.more, first.digest, first.count) == (5_000, 5_000, True, None, None)
    # Whoever changes between two pages comes with the last one.
    centre.store.forget(SITE, centre.person("person-1"), "admin")
    centre.store.put(SITE, entry(8, name="Changed"), "admin")
    device = centre.joined()
    device.apply(first)
    rest = centre.store.changes(SITE, MODEL, device.seq)
    assert rest is not None
    assert ([row.seq for row in rest.rows], rest.more) == ([5_001, 5_002, 5_003, 5_004, 5_005, 5_006], False)
    device.apply(rest)
    assert device.ids == {"person-8", "person-5000", "person-5001", "person-5002", "person-5003"}
    assert len(device.people) == 5_003


def test_below_the_floor_and_above_the_latest_change_a_device_lists_again(centre: Centre) -> None:
    centre.store.put_all(SITE, [entry(n) for n in range(5)], "admin")
    centre.store.upkeep.raise_floor(SITE, 3)
    assert [centre.store.changes(SITE, MODEL, after) is None for after in (0, 2, 3, 5, 6)] == [
        True,
        True,
        False,
        False,
        True,
    ]
    centre.store.upkeep.raise_floor(SITE, 1)
    assert centre.store.site(SITE).floor == 3
    centre.store.upkeep.raise_floor(SITE, 1000)
    assert centre.store.site(SITE).floor == 5
    device = centre.joined()
    device.follow()
    assert len(device.ids) == 5


def test_a_change_before_the_wait_is_seen_at_once(centre: Centre) -> None:
    centre.store.put(SITE, entry(1), "admin")
    start = time.monotonic()
    assert centre.store.wait(SITE, 0, 30)
    assert time.monotonic() - start < 10
    assert not centre.store.wait(SITE, 1, 0.05)
    assert not centre.store.wait("yard", 0, 0.05)


def test_a_change_of_another_process_wakes_everyone_who_waits(centre: Centre) -> None:
    seen: list[tuple[str, int]] = []
    end = centre.store.on_change(lambda site, seq: seen.append((site, seq)))
    woken: list[bool] = []
    threads = [threading.Thread(target=lambda: woken.append(centre.store.wait(SITE, 0, 30))) for _ in range(20)]
    for thread in threads:
        thread.start()
    with Centre(centre.conninfo, centre.folders, centre.clock) as other:
        other.store.put(SITE, entry(1), "admin")
    for thread in threads:
        thread.join(30)
    assert woken == [True] * 20
    assert seen[-1] == (SITE, 1)
    end()


def test_a_change_is_seen_without_a_notification(centre: Centre) -> None:
    assert not centre.store.wait(SITE, 0, 0.05)
    with centre.store._database.changing() as transaction:
        transaction.execute("UPDATE sites SET seq = 1")
    assert centre.store.wait(SITE, 0, 30)


def test_whoever_waits_returns_when_the_store_closes(centre: Centre) -> None:
    woken: list[bool] = []
    thread = threading.Thread(target=lambda: woken.append(centre.store.wait(SITE, 0, 300)))
    thread.start()
    time.sleep(0.1)
    centre.store.close()
    thread.join(30)
    assert woken == [False]


def test_many_callers_share_one_answer_until_something_changes(centre: Centre) -> None:
    centre.store.put_all(SITE, [entry(n) for n in range(3)], "admin")
    first = centre.store.snapshot_body(SITE, MODEL, "front")
    assert centre.store.snapshot_body(SITE, MODEL, "front") is first
    changed = centre.store.changes_body(SITE, MODEL, "front", 2)
    assert changed is not None
    assert len(messages.Rows.read(changed).rows) == 1
    assert centre.store.changes_body(SITE, MODEL, "front", 2) is changed
    centre.store.forget(SITE, centre.person("person-1"), "admin")
    assert len(messages.Rows.read(centre.store.snapshot_body(SITE, MODEL, "front")).rows) == 2
    again = centre.store.changes_body(SITE, MODEL, "front", 2)
    assert again is not None
    assert len(messages.Rows.read(again).rows) == 2
    centre.store.new_epoch(SITE, "admin")
    assert messages.Rows.read(centre.store.snapshot_body(SITE, MODEL, "front")).epoch == centre.store.site(SITE).epoch
    centre.store.upkeep.raise_floor(SITE, 4)
    assert centre.store.changes_body(SITE, MODEL, "front", 2) is None


def test_answers_take_a_bounded_amount_of_memory() -> None:
    answers = Answers(most_bytes=100)
    for after in range(20):
        assert answers.get(SITE, MODEL, after, 1, lambda: bytes(30)) == bytes(30)
    assert len(answers._answers) == 3
    answers.drop(SITE, 1)
    assert answers._answers == {}


def test_an_epoch_that_is_over_opens_nothing_new(centre: Centre) -> None:
    device = centre.joined()
    centre.store.put(SITE, entry(1), "admin")
    before = centre.store.epoch_key(SITE, device.device)
    old = sealing.unwrap_epoch(device.sealing.private_bytes_raw(), SITE, before.epoch, before.wrapped)
    assert centre.store.new_epoch(SITE, "admin") == before.epoch + 1
    rows = centre.store.snapshot(SITE, MODEL)
    (row,) = rows.rows
    assert row.key is not None
    for epoch in (rows.epoch, before.epoch):
        with pytest.raises(FleetError):
            sealing.unwrap_key(old, SITE, epoch, row.person, row.key)
    device.follow()
    assert device.ids == {"person-1"}


def test_a_device_of_another_site_gets_no_epoch_key(centre: Centre) -> None:
    device = centre.joined()
    centre.store.add_site("tower")
    with pytest.raises(UnknownError, match="door-1: not a device of tower"):
        centre.store.epoch_key("tower", device.device)


def test_a_receipt_gives_a_lease_if_it_is_the_centres_set(centre: Centre) -> None:
    device = centre.joined()
    centre.store.put_all(SITE, [entry(1), entry(2)], "admin")
    lease = centre.store.applied(device.device, SITE, device.receipt())
    assert (lease.seconds, lease.now) == (30 * 86_400, int(centre.clock.wall() * 1000))
    assert [one.state for one in centre.store.proof(SITE).devices] == ["behind"]
    device.follow()
    for wrong in ({"digest": "0" * 64}, {"count": 3}, {"seq": 1}, {"seq": 7}):
        with pytest.raises(ChangedError, match="another set of people"):
            centre.store.applied(device.device, SITE, device.receipt(**wrong))
        (proof,) = centre.store.proof(SITE).devices
        assert proof.state == "differs"
    forged = device.receipt().model_copy(update={"at": 2})
    with pytest.raises(FleetError, match="not signed by the device"):
        centre.store.applied(device.device, SITE, forged)
    centre.clock.sleep(86_400)
    centre.store.applied(device.device, SITE, device.receipt())
    site = centre.store.proof(SITE)
    assert site.outstanding == ()
    (proof,) = site.devices
    assert (proof.seq, proof.count, proof.lease_ends) == (2, 2, centre.clock.wall() + 30 * 86_400)
    assert proof.signature == device.receipt().signature
    centre.store.forget(SITE, centre.person("person-1"), "admin")
    (outstanding,) = centre.store.proof(SITE).outstanding
    assert (outstanding.device, outstanding.state) == ("door-1", "behind")
