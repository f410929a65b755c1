"""Events of devices as they are stored: once, sealed, by month, and readable until the person is forgotten."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from edgeface.centre.records import EventQuery, Stored
from edgeface.centre.tables.event_rows import subject
from edgeface.core.clock import DAY
from tests.centre.test_forgetting import found
from tests.support.audit_rows import audit_row, match
from tests.support.centre import NOW, SITE, Centre, entry

if TYPE_CHECKING:
    from tests.support.postgres import Postgres

ALICE = entry(1, id="alice", name="Alice Unmistakable")


@pytest.fixture
def joined(centre: Centre) -> Centre:
    """A centre with a device and a person who was enrolled two months ago."""
    centre.joined("front")
    now, centre.clock.epoch = centre.clock.epoch, centre.clock.epoch - 60 * DAY
    centre.store.put(SITE, ALICE, "admin")
    centre.clock.epoch = now
    return centre


def facts(centre: Centre, **query: Any) -> list[Any]:
    return [one.facts for one in centre.store.events(EventQuery(**query))]


def raw(centre: Centre) -> list[tuple[Any, ...]]:
    with centre.store._database.reading() as transaction:
        return transaction.execute(
            "SELECT tableoid::regclass::text, device, id, sites, kind, camera, door, person, sealed FROM events"
            " ORDER BY at, id"
        ).fetchall()


def test_a_row_is_stored_once_however_often_it_comes(joined: Centre) -> None:
    rows = [audit_row(match(n)) for n in range(3)]
    assert joined.store.add_events(rows) == Stored(3, 0, 0)
    assert joined.store.add_events([*rows, rows[0], audit_row(match(3))]) == Stored(1, 4, 0)
    assert [one["seq"] for one in facts(joined)] == [3, 2, 1, 0]


def test_a_row_that_is_25_days_late_lies_in_its_month(joined: Centre) -> None:
    joined.store.upkeep.make_partitions()
    old = match(1, at=NOW - 25 * DAY)
    assert joined.store.add_events([audit_row(old), audit_row(match(2))]) == Stored(2, 0, 0)
    assert joined.store.add_events([audit_row(old)]) == Stored(0, 1, 0)
    assert [row[0] for row in raw(joined)] == ["events_2026_11", "events_2026_11"]
    older = match(3, at=NOW - 50 * DAY)
    assert joined.store.add_events([audit_row(older)]) == Stored(1, 0, 0)
    assert [row[0] for row in raw(joined)] == ["events_2026_10", "events_2026_11", "events_2026_11"]
    assert facts(joined, until=NOW - 20 * DAY) == [old, older]


@pytest.mark.parametrize("at", [3_600.0, NOW + 300 * DAY])
def test_a_row_of_a_clock_that_is_wrong_by_far_is_kept_without_a_time(joined: Centre, at: float) -> None:
    odd = audit_row({"v": 1, "event_type": "started", "version": "1"}, at=at)
    assert joined.store.add_events([odd]) == Stored(1, 0, 0)
    assert joined.store.add_events([odd]) == Stored(0, 1, 0)
    assert [row[0] for row in raw(joined)] == ["events_undated"]
    assert len(facts(joined)) == 1


def test_nothing_personal_is_in_clear_and_forgetting_leaves_only_that_something_happened(
    joined: Centre, postgres: Postgres
) -> None:
    stranger = {"v": 1, "event_type": "unknown", "camera": "porch", "person": None, "unknown": "u-unmistakable"}
    joined.store.add_events([audit_row(match(1)), audit_row(stranger, at=NOW - 1)])
    person = joined.person("alice")
    assert [row[7] for row in raw(joined)] == [None, person]
    sealed = raw(joined)[1][8]
    postgres.execute("CHECKPOINT")
    searched = [*postgres.files(), postgres.root / "log"]
    assert found(searched, [sealed])
    assert found(searched, [b"Alice Unmistakable", b'"alice"', b"u-unmistakable", b"0.7123"]) == []
    key = joined.keyring.keys_of([person])[person]
    joined.store.forget(SITE, person, "admin")
    assert [(row[4], row[7], row[8] is None) for row in raw(joined)] == [
        ("unknown", None, False),
        ("match", None, True),
    ]
    assert facts(joined) == [None, stranger]
    assert facts(joined, person="alice") == []
    assert found([path for folder in joined.folders for path in folder.iterdir()], [key]) == []


def test_a_late_row_about_someone_who_was_forgotten_says_nothing_of_them(joined: Centre) -> None:
    joined.store.forget(SITE, joined.person("alice"), "admin")
    joined.store.add_events([audit_row(match(1))])
    joined.store.put(SITE, ALICE, "admin")
    # Someone else with the same id now: a row from before their enrollment is not theirs.
    joined.store.add_events([audit_row(match(2, at=NOW - DAY)), audit_row(match(3, at=NOW + 1))])
    assert [one and one["seq"] for one in facts(joined)] == [3, None, None]
    assert [one["seq"] for one in facts(joined, person="alice")] == [3]


def test_rows_of_strange_and_revoked_devices_are_refused(joined: Centre) -> None:
    joined.joined("stolen")
    joined.store.revoke("stolen", "admin")
    rows = [audit_row(match(1), device="stranger"), audit_row(match(2), device="stolen"), audit_row(match(3))]
    assert joined.store.add_events(rows) == Stored(1, 0, 2)
    assert joined.store.add_events(rows[:2]) == Stored(0, 0, 2)
    assert [row[1] for row in raw(joined)] == ["front"]


def test_the_same_id_of_two_devices_is_two_rows(joined: Centre) -> None:
    joined.joined("back")
    rows = [audit_row(match(1)), audit_row(match(1), device="back")]
    assert joined.store.add_events(rows) == Stored(2, 0, 0)
    assert joined.store.events(EventQuery(device="back"))[0].facts == match(1)


def test_a_query_selects_and_goes_on_where_the_last_one_ended(joined: Centre) -> None:
    grant = {"v": 1, "event_type": "granted", "door": "gate", "person": "alice", "score": 0.7}
    rows = [audit_row(match(n)) for n in range(5)] + [audit_row(grant, at=NOW - 10)]
    joined.store.add_events(rows)
    assert facts(joined, door="gate") == [grant]
    assert len(facts(joined, camera="porch")) == 5
    assert len(facts(joined, person="alice", since=NOW - 10)) == 6
    assert facts(joined, person="bob") == facts(joined, device="back") == facts(joined, sites=("annex",)) == []
    first = joined.store.events(EventQuery(sites=(SITE,), limit=4))
    rest = joined.store.events(EventQuery(sites=(SITE,), limit=4, before=first[-1].key))
    assert [one.id for one in (*first, *rest)] == [one.id for one in joined.store.events(EventQuery())]
    assert (len(first), len(rest)) == (4, 2)


def test_the_key_of_a_site_outlives_a_restart(joined: Centre) -> None:
    started = {"v": 1, "event_type": "started", "version": "1"}
    joined.store.add_events([audit_row(started)])
    (key,) = joined.keyring.keys_of([subject(SITE)]).values()
    with joined.reopened() as again:
        assert again.store.migrate().keys == 0
        assert again.keyring.keys_of([subject(SITE)]) == {subject(SITE): key}
        again.store.add_events([audit_row(started, at=NOW + 5)])
        assert facts(again) == [started, started]


def test_a_row_that_was_altered_is_an_error_and_not_someone_elses(joined: Centre) -> None:
    joined.store.add_events([audit_row(match(1))])
    with joined.store._database.changing() as transaction:
        transaction.execute("UPDATE events SET device = 'back'")
    with pytest.raises(Exception, match="a sealed event does not fit"):
        joined.store.events(EventQuery())
    assert json.loads(audit_row(match(1)).facts) == match(1)


def test_events_go_by_whole_months_and_those_without_a_time_by_their_arrival(joined: Centre) -> None:
    odd = audit_row({"v": 1, "event_type": "started", "version": "1"}, at=3_600.0)
    joined.store.add_events([audit_row(match(n, at=NOW - n * 30 * DAY)) for n in range(4)])
    joined.store.add_events([odd])
    for received, names in (
        (NOW, ["events_undated", "events_2026_10", "events_2026_10", "events_2026_11"]),
        (NOW - 40 * DAY, ["events_2026_10", "events_2026_10", "events_2026_11"]),
    ):
        with joined.store._database.changing() as transaction:
            transaction.execute("UPDATE events_undated SET received = to_timestamp(%s)", (received,))
        joined.store.upkeep.drop_events(1)
        assert [row[0] for row in raw(joined)] == names
    assert joined.store.upkeep.drop_events(1) == ()
