import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgeface.centre.keys.keyring import Keyring
from edgeface.centre.records import Entry, Repaired
from edgeface.centre.store import Store
from edgeface.centre.tables import events
from edgeface.core.errors import ChangedError, FleetError, GalleryError, UnknownError
from edgeface.fleet import digest
from edgeface.fleet.facts import to_mean
from tests.support.centre import MODEL, OTHER_MODEL, SITE, Centre, embedding, entry
from tests.support.clock import FixedClock
from tests.support.postgres import Postgres


def test_a_device_has_what_was_put(centre: Centre) -> None:
    device = centre.joined()
    assert centre.store.put(SITE, entry(1), "admin") == 1
    assert centre.store.put_all(SITE, [entry(2), entry(3, groups=("staff",), consent="2026-01-01")], "admin") == (2, 3)
    device.follow()
    assert device.ids == {"person-1", "person-2", "person-3"}
    facts = device.people[centre.person("person-3")][1]
    assert facts is not None
    assert (facts.name, facts.groups, facts.consent, facts.version) == ("Person 3", ("staff",), "2026-01-01", 3)
    assert facts.mean == to_mean(embedding(3))


def test_facts_change_and_the_template_stays(centre: Centre) -> None:
    device = centre.joined()
    centre.store.put(SITE, entry(1), "admin")
    centre.store.put(SITE, Entry(id="person-1", name="Anna"), "admin")
    device.follow()
    (facts,) = [facts for _, facts in device.people.values()]
    assert facts is not None
    assert (facts.name, facts.version, facts.mean) == ("Anna", 2, to_mean(embedding(1)))
    assert [one.name for one in centre.store.people(SITE)] == ["Anna"]
    centre.store.put(SITE, entry(1, person=centre.person("person-1"), id="anna"), "admin")
    assert [one.id for one in centre.store.people(SITE)] == ["anna"]
    assert centre.store.means(SITE, MODEL).keys() == {"anna"}


def test_rows_of_two_models_lie_side_by_side(centre: Centre) -> None:
    device = centre.joined()
    centre.store.put(SITE, entry(1, embeddings={MODEL: embedding(1), OTHER_MODEL: embedding(2, 512)}), "admin")
    centre.store.put(SITE, entry(2, embeddings={OTHER_MODEL: embedding(3, 512)}), "admin")
    device.follow()
    assert device.ids == {"person-1"}
    # Who has no template of the model counts for the digest all the same.
    assert device.last is not None
    assert [(row.key is None, row.sealed is None) for row in device.last.rows] == [(False, False), (False, True)]
    assert device.last.count == 2
    other = centre.joined("door-2")
    other.follow(OTHER_MODEL)
    assert other.ids == {"person-1", "person-2"}
    assert other.digest == device.digest
    # A new template of one model leaves the other one.
    centre.store.put(SITE, entry(1, embeddings={MODEL: embedding(9)}), "admin")
    other.follow(OTHER_MODEL)
    facts = other.people[centre.person("person-1")][1]
    assert facts is not None
    assert facts.mean == to_mean(embedding(2, 512))


def test_the_digest_is_that_of_the_table(centre: Centre) -> None:
    for number in range(20):
        centre.store.put(SITE, entry(number), "admin")
    for number in range(5, 10):
        centre.store.forget(SITE, centre.person(f"person-{number}"), "admin")
    centre.store.put(SITE, entry(1, name="Another"), "admin")
    site = centre.store.site(SITE)
    people = [(one.person, one.seq) for one in centre.store.people(SITE)]
    assert site.digest == digest.of(SITE, people)
    assert (site.count, site.seq) == (15, 26)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"id": "no id!"}, "not an id"),
        ({"name": "two\nlines"}, "name: "),
        ({"name": ""}, "name: "),
        ({"expires": "tomorrow"}, "expires: "),
        ({"embeddings": {"no model": embedding(1)}}, "model: "),
        ({"embeddings": {MODEL: embedding(1) * 2}}, "length one"),
        ({"person": b"short"}, "16 bytes"),
    ],
)
def test_an_entry_that_is_not_valid_changes_nothing(centre: Centre, wrong: dict[str, object], text: str) -> None:
    with pytest.raises(GalleryError, match=text) as error:
        centre.store.put_all(SITE, [entry(1), entry(2, **wrong)], "admin")
    assert "\n" not in str(error.value)
    assert centre.store.site(SITE).seq == 0
    assert centre.keyring.keys() == {}


def test_ids_are_unique_in_a_site_also_between_processes(centre: Centre) -> None:
    with Centre(centre.conninfo, centre.folders, centre.clock) as other:
        centre.store.put(SITE, entry(1), "admin")
        other.store.put(SITE, entry(2), "admin")
        assert centre.store.put(SITE, entry(2, name="Again"), "admin") == 3
        with pytest.raises(ChangedError, match="another person has this id"):
            other.store.put(SITE, entry(1, person=other.person("person-2")), "admin")
        twice = [entry(1), entry(7, person=other.person("person-1"))]
        for entries in ([entry(5), entry(5)], twice, twice[::-1]):
            with pytest.raises(GalleryError, match="two entries are about one person"):
                other.store.put_all(SITE, entries, "admin")
        other.store.add_site("tower")
        assert other.store.put("tower", entry(1), "admin") == 1
        with pytest.raises(ChangedError, match="another site"):
            other.store.put("tower", entry(9, person=other.person("person-1")), "admin")


def test_an_entry_may_name_the_change_that_it_was_made_from(centre: Centre) -> None:
    centre.store.put(SITE, entry(1, seq=0), "admin")
    centre.store.put(SITE, entry(1, seq=1), "admin")
    for seq in (0, 1, 3):
        with pytest.raises(ChangedError, match="was changed meanwhile"):
            centre.store.put(SITE, entry(1, seq=seq), "admin")
    with pytest.raises(ChangedError, match="was changed meanwhile"):
        centre.store.put(SITE, entry(2, seq=2), "admin")


def test_a_site_is_added_once_and_an_unknown_one_is_refused(centre: Centre) -> None:
    before = centre.store.enrolling_key(SITE)
    assert centre.store.add_site(SITE) == centre.store.site(SITE)
    assert centre.store.enrolling_key(SITE) == before
    assert [site.site for site in centre.store.sites()] == [SITE]
    for call in (
        lambda: centre.store.put("yard", entry(1), "admin"),
        lambda: centre.store.snapshot("yard", MODEL),
        lambda: centre.store.changes("yard", MODEL, 0),
        lambda: centre.store.people("yard"),
        lambda: centre.store.forget(SITE, bytes(16), "admin"),
    ):
        with pytest.raises(UnknownError):
            call()


@pytest.mark.parametrize("name", ["../up", "No", "", "a b"])
def test_names_of_sites_and_devices_have_the_form_of_an_id(centre: Centre, name: str) -> None:
    with pytest.raises(GalleryError, match="not an id"):
        centre.store.add_site(name)
    with pytest.raises(GalleryError, match="not an id"):
        centre.store.make_code([SITE], name, "admin")


def test_several_centres_may_start_at_once_on_an_empty_database(postgres: Postgres, tmp_path: Path) -> None:
    conninfo, folders = postgres.create("empty"), (tmp_path / "first", tmp_path / "second")
    Keyring.create(*folders)
    centres = [Centre(conninfo, folders, FixedClock()) for _ in range(4)]
    try:
        with ThreadPoolExecutor(4) as threads:
            assert list(threads.map(lambda one: one.store.migrate(), centres)) == [Repaired(0, 0)] * 4
    finally:
        for one in centres:
            one.close()
        postgres.drop("empty")


def test_a_newer_schema_is_refused_and_left_alone(centre: Centre) -> None:
    with centre.store._database.changing() as transaction:
        transaction.execute("INSERT INTO schema_version VALUES (99, now())")
    with pytest.raises(FleetError, match="written by a newer edgeface \\(schema 99, this one knows 3\\)"):
        centre.store.migrate()


def test_a_keyring_of_another_database_or_an_older_copy_is_refused(centre: Centre, tmp_path: Path) -> None:
    older = [(path, path.read_bytes()) for folder in centre.folders for path in folder.glob("*.db")]
    centre.store.put(SITE, entry(1), "admin")
    centre.close()
    folders = tmp_path / "third", tmp_path / "fourth"
    Keyring.create(*folders)
    with Centre(centre.conninfo, folders, centre.clock) as other, pytest.raises(FleetError, match="another database"):
        other.store.migrate()
    for path, data in older:
        path.write_bytes(data)
    with (
        Centre(centre.conninfo, centre.folders, centre.clock) as other,
        pytest.raises(FleetError, match="keyring is older than the database"),
    ):
        other.store.migrate()


def test_a_database_that_does_not_answer_is_one_clear_line(centre: Centre) -> None:
    store = Store("host=/nonexistent dbname=none user=none password=secret-word", centre.keyring)
    store._database._pool.timeout = 0.2
    try:
        with pytest.raises(FleetError) as error:
            store.sites()
        assert re.fullmatch(
            "the database does not answer: .*/nonexistent/.*: No such file or directory", str(error.value)
        )
        assert "secret-word" not in str(error.value)
    finally:
        store.close()


def test_partitions_of_events_are_made_and_dropped_by_month(centre: Centre) -> None:
    centre.store.make_partitions(3)
    centre.store.make_partitions(3)
    with centre.store._database.changing() as transaction:
        for at, id_ in (("2026-12-31T23:59:59Z", "1"), ("2027-01-01T00:00:00Z", "2")):
            transaction.execute("INSERT INTO events VALUES (%s, 'door-1', %s, '{house}', 'match')", (at, id_))
        assert events.drop_partitions(transaction, 1_798_761_599) == ("events_2026_11",)
        assert events.drop_partitions(transaction, 1_798_761_600) == ("events_2026_12",)
        assert transaction.execute("SELECT id FROM events").fetchall() == [("2",)]
