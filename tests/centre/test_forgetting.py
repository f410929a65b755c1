"""Forgotten: in no copy of the keyring, in no row, and never again."""

import sqlite3
from pathlib import Path

import pytest

from edgeface.centre.consistency import GAP
from edgeface.centre.records import Repaired
from edgeface.centre.tables import events
from edgeface.core.errors import ChangedError, FleetError, GoneError
from edgeface.fleet.facts import to_mean
from edgeface.gallery.snapshot import to_blob
from tests.support.centre import MODEL, NOW, OTHER_MODEL, SITE, Centre, cut, embedding, entry
from tests.support.postgres import Postgres


def sealed_rows(centre: Centre, person: bytes) -> int:
    with centre.store._database.reading() as transaction:
        rows = transaction.execute(
            "SELECT sealed FROM people WHERE person = %s AND sealed IS NOT NULL"
            " UNION ALL SELECT sealed FROM templates WHERE person = %s",
            (person, person),
        ).fetchall()
    return len(rows)


def found(files: list[Path], needles: list[bytes]) -> list[str]:
    """The files with any of the bytes."""
    return [str(path) for path in files if any(needle in path.read_bytes() for needle in needles)]


def test_a_forgotten_person_is_gone_everywhere(centre: Centre) -> None:
    device = centre.joined()
    centre.store.put_all(SITE, [entry(n) for n in range(5)], "admin")
    device.follow()
    person = centre.person("person-2")
    key = centre.keyring.keys_of([person])[person]
    keyring_files = [path for folder in centre.folders for path in folder.iterdir()]
    assert len(found(keyring_files, [key])) == 2
    assert centre.store.forget(SITE, person, "admin") == 6
    assert found([path for folder in centre.folders for path in folder.iterdir()], [key]) == []
    assert sealed_rows(centre, person) == 0
    assert "person-2" not in {one.id for one in centre.store.people(SITE)}
    assert person not in {row.person for row in centre.store.snapshot(SITE, MODEL).rows}
    device.follow()
    assert person not in device.people
    assert device.last is not None
    assert [(row.person, row.key, row.sealed) for row in device.last.rows] == [(person, None, None)]
    with pytest.raises(GoneError):
        centre.store.put(SITE, entry(2, person=person), "admin")
    # Twice is no error and no change; the same id may come again, as another person.
    assert centre.store.forget(SITE, person, "admin") == 6
    centre.store.put(SITE, entry(2), "admin")
    assert centre.person("person-2") != person


def test_a_forgotten_person_stays_so_after_their_row_is_deleted(centre: Centre) -> None:
    centre.store.put_all(SITE, [entry(1), entry(2)], "admin")
    person = centre.person("person-1")
    centre.store.forget(SITE, person, "admin")
    centre.store.upkeep.raise_floor(SITE, 3)
    with pytest.raises(GoneError):
        centre.store.put(SITE, entry(1, person=person), "admin")
    assert [one.id for one in centre.store.people(SITE)] == ["person-2"]


def test_a_key_without_a_row_is_swept_at_the_start(centre: Centre) -> None:
    with cut(centre) as store:
        store.put(SITE, entry(1), "admin")
    (key,) = centre.keyring.keys().values()
    with centre.reopened() as again:
        assert again.store.migrate() == Repaired(keys=1, people=0)
        assert again.keyring.keys() == {}
        assert found([path for folder in centre.folders for path in folder.iterdir()], [key]) == []
        assert again.store.put(SITE, entry(1), "admin") == 1


def test_a_row_without_a_key_is_gone_at_the_start(centre: Centre) -> None:
    centre.store.put_all(SITE, [entry(1), entry(2)], "admin")
    person = centre.person("person-1")
    with cut(centre) as store:
        store.forget(SITE, person, "admin")
    assert sealed_rows(centre, person) == 2
    with centre.reopened() as again:
        assert again.store.migrate() == Repaired(keys=0, people=1)
        assert sealed_rows(again, person) == 0
        device = again.joined()
        device.follow()
        assert device.ids == {"person-2"}


@pytest.mark.parametrize("read", ["snapshot", "changes", "forget", "put"])
def test_a_row_without_a_key_is_gone_also_before_the_next_start(centre: Centre, read: str) -> None:
    centre.store.put_all(SITE, [entry(1), entry(2)], "admin")
    device = centre.joined()
    person = centre.person("person-1")
    with cut(centre) as store:
        store.forget(SITE, person, "admin")
    if read == "snapshot":
        device.apply(centre.store.snapshot(SITE, MODEL))
    elif read == "forget":
        assert centre.store.forget(SITE, person, "admin") == 3
    elif read == "put":
        with pytest.raises(GoneError):
            centre.store.put(SITE, entry(1, person=person), "admin")
    device.follow()
    assert device.ids == {"person-2"}
    assert centre.store.site(SITE).count == 1
    assert centre.store.migrate() == Repaired(keys=0, people=0)


def test_keys_that_were_never_destroyed_and_are_missing_stop_the_start(centre: Centre) -> None:
    centre.store.put_all(SITE, [entry(1), entry(2)], "admin")
    for folder in centre.folders:
        connection = sqlite3.connect(folder / "keyring.db")
        with connection:
            connection.execute("DELETE FROM keys")
        connection.close()
    with pytest.raises(FleetError, match="house: the keyring lacks the keys of 2 people"):
        centre.store.migrate()
    assert centre.store.site(SITE).count == 2


def test_nothing_personal_is_in_clear_in_the_files_of_the_database(centre: Centre, postgres: Postgres) -> None:
    vector = embedding(77)
    names = {"id": "zaphod-unmistakable", "name": "Zaphod Unmistakable", "groups": ("unmistakable-group",)}
    centre.store.put(SITE, entry(77, **names, embeddings={MODEL: vector, OTHER_MODEL: vector}), "admin")
    with centre.store._database.changing() as transaction:
        events.make_partitions(transaction, NOW, 1)
    device = centre.joined()
    device.follow()
    centre.store.applied(device.device, SITE, device.receipt())
    centre.store.put(SITE, entry(77, **names), "admin")
    postgres.execute("CHECKPOINT")
    searched = [*postgres.files(), postgres.root / "log"]
    needles = [b"zaphod-unmistakable", b"Unmistakable", b"unmistakable-group", to_mean(vector), to_blob(vector)]
    # The search itself finds what is there: the name of the site, and a sealed row.
    assert any("/pg_wal/" in name for name in found(searched, [b"house"]))
    with centre.store._database.reading() as transaction:
        row = transaction.execute("SELECT sealed FROM templates", binary=True).fetchone()
    assert row is not None
    assert found(searched, [row[0]])
    assert found(searched, needles) == []
    assert found(searched, [needle[:64] for needle in needles]) == []


def test_a_database_from_a_backup_does_not_bring_back_who_was_forgotten(centre: Centre, postgres: Postgres) -> None:
    centre.store.put_all(SITE, [entry(n) for n in range(5)], "admin")
    device = centre.joined()
    early = centre.joined("door-2")
    early.follow()
    centre.store.applied(early.device, SITE, early.receipt())
    backup = f"backup_{centre.conninfo.split('dbname=')[1].split()[0]}"
    centre.close()
    name = centre.conninfo.split("dbname=")[1].split()[0]
    postgres.create(backup, name)
    with Centre(centre.conninfo, centre.folders, centre.clock) as later:
        device.centre = later
        person = later.person("person-2")
        later.store.forget(SITE, person, "admin")
        later.store.put(SITE, entry(9), "admin")
        later.store.put(SITE, entry(3, name="Changed since"), "admin")
        device.follow()
        later.store.applied(device.device, SITE, device.receipt())
    try:
        with Centre(postgres.conninfo(backup), centre.folders, centre.clock) as restored:
            # The sealed rows are there again, and no key opens them.
            assert sealed_rows(restored, person) == 2
            assert person not in set(restored.keyring.keys())
            restored.store.after_restore()
            assert sealed_rows(restored, person) == 0
            site = restored.store.site(SITE)
            assert site.seq > GAP + device.seq
            assert {one.id for one in restored.store.people(SITE)} == {"person-0", "person-1", "person-3", "person-4"}
            with pytest.raises(GoneError):
                restored.store.put(SITE, entry(2, person=person), "admin")
            # The device signs what it has; the digest says that it is another set.
            with pytest.raises(ChangedError, match="another set of people"):
                restored.store.applied(device.device, SITE, device.receipt())
            proof = {one.device: one.state for one in restored.store.proof(SITE).outstanding}
            assert proof == {"door-1": "differs", "door-2": "behind"}
            device.centre = early.centre = restored
            assert restored.store.changes(SITE, MODEL, device.seq) is None
            for one in (device, early):
                one.follow()
                assert one.ids == {"person-0", "person-1", "person-3", "person-4"}
                restored.store.applied(one.device, SITE, one.receipt())
            assert restored.store.proof(SITE).outstanding == ()
            # Versions rise, so that devices take what was signed before the loss for older.
            assert all(facts is not None and facts.version > GAP for _, facts in device.people.values())
            assert restored.store.migrate() == Repaired(keys=0, people=0)
    finally:
        postgres.drop(backup)


def test_after_a_restore_numbers_go_on_above_the_highest_receipt(centre: Centre) -> None:
    centre.store.put(SITE, entry(1), "admin")
    device = centre.joined()
    device.follow()
    liar = centre.joined("door-2")
    for one, seq in ((device, 5 * GAP), (liar, 1 << 62)):
        with pytest.raises(ChangedError, match="another set of people"):
            centre.store.applied(one.device, SITE, one.receipt(seq=seq))
    centre.store.after_restore()
    assert centre.store.site(SITE).seq == 6 * GAP + 1
