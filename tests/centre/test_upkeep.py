"""What the centre does by itself."""

from edgeface.centre import upkeep
from edgeface.centre.records import Periods
from edgeface.centre.upkeep import Done
from edgeface.core.clock import DAY
from edgeface.gallery.snapshot import day
from tests.support.centre import MODEL, NOW, SITE, Centre, entry


def run(centre: Centre, *, synced: bool = True, **periods: int) -> Done | None:
    return centre.store.upkeep.run(Periods(**periods), synced=synced)


def test_people_are_forgotten_on_the_day_on_which_their_consent_ends(centre: Centre) -> None:
    centre.store.add_site("annex")
    centre.store.put_all(SITE, [entry(n, expires=day(NOW + (n - 2) * DAY)) for n in range(5)], "admin")
    centre.store.put("annex", entry(1, expires="2026-01-01"), "admin")
    keys = centre.keyring.keys()
    assert run(centre, synced=False) == Done(waited=True)
    assert centre.store.site(SITE).count == 5
    assert run(centre, grace_days=2) == Done(people=2)
    done = run(centre)
    assert done == Done(people=2)
    assert str(done) == "2 people forgotten whose consent has ended"
    assert [one.id for one in centre.store.people(SITE)] == ["person-3", "person-4"]
    assert centre.store.people("annex") == ()
    assert len(centre.keyring.keys().keys() & keys.keys()) == 2
    assert {one.by for one in centre.store.history(SITE, 5, 9)} == {"expiry"}
    assert str(run(centre)) == "nothing to do"


def test_the_history_ends_and_who_is_younger_follows_on(centre: Centre) -> None:
    device = centre.joined()
    centre.store.put_all(SITE, [entry(1), entry(2), entry(3)], "admin")
    centre.store.forget(SITE, centre.person("person-1"), "admin")
    device.follow()
    centre.clock.epoch += 61 * DAY
    centre.store.put(SITE, entry(4), "admin")
    assert run(centre, history_days=0) == Done()
    assert run(centre) == Done(sites=1)
    assert run(centre) == Done()
    assert centre.store.site(SITE).floor == 4
    assert centre.store.changes(SITE, MODEL, 3) is None
    assert centre.store.changes(SITE, MODEL, device.seq) is not None
    assert [one.seq for one in centre.store.history(SITE, 0, 9)] == [4, 5]
    device.follow()
    assert device.ids == {"person-2", "person-3", "person-4"}


def test_old_codes_and_months_of_events_go(centre: Centre) -> None:
    centre.store.make_code([SITE], "front", "admin")
    centre.store.upkeep.make_partitions()
    assert run(centre, event_months=1) == Done()
    centre.clock.epoch += 70 * DAY
    assert run(centre, event_months=1) == Done(months=2, codes=1)


def test_only_one_of_several_centres_does_it(centre: Centre) -> None:
    centre.store.put(SITE, entry(1, expires="2026-01-01"), "admin")
    with (
        Centre(centre.conninfo, centre.folders, centre.clock) as other,
        other.store._database.alone(upkeep._LOCK) as first,
    ):
        assert first
        assert run(centre) is None
        assert centre.store.site(SITE).count == 1
    assert run(centre) == Done(people=1)


def test_many_are_forgotten_by_one_write_of_the_keyring(centre: Centre) -> None:
    centre.store.put_all(SITE, [entry(n) for n in range(50)], "admin")
    device = centre.joined()
    device.follow()
    people = [one.person for one in centre.store.people(SITE)]
    gone = centre.store.forget(SITE, people[3], "admin")
    before = centre.keyring.counter
    # Also who was forgotten before, and someone twice.
    numbers = centre.store.forget_all(SITE, [*people[:40], people[0]], "admin")
    assert centre.keyring.counter == before + 1
    assert numbers[3] == gone
    assert numbers[0] == numbers[-1]
    assert sorted({*numbers} - {gone}) == list(range(52, 91))
    assert len(centre.keyring.keys()) == 10
    device.follow()
    assert len(device.ids) == 10
