"""Probes and negative templates in gallery.db: sealed, found, forgotten, expired."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edgeface.core import sqlite
from edgeface.core.errors import GalleryError, VaultError
from edgeface.core.types import Probe
from edgeface.gallery.corrections import CAPACITY
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.negatives import Negative
from edgeface.gallery.snapshot import Template
from edgeface.gallery.unknowns import Unknown
from tests.support.embeddings import unit

MODEL, OTHER = "test-model:01234567", "test-model:89abcdef"
EVENT = "01JDPZ6M8W3V5Q7R9T1X2Y4Z6A"


def probe(event: str = EVENT, seed: int = 5, person: str | None = "alice", unknown: str | None = None) -> Probe:
    return Probe(event, "porch", 100.0, person, unknown, unit(seed))


def negative(event: str = EVENT, seed: int = 5, wall: float = 200.0) -> Negative:
    return Negative(event, "porch", wall, unit(seed))


@pytest.fixture(name="gallery")
def _gallery(tmp_path: Path) -> Iterator[Gallery]:
    opened = Gallery.open(tmp_path, MODEL)
    for seed, person in enumerate(("alice", "bob")):
        opened.enroll(person, person.title(), [Template(unit(seed), MODEL, "photo", 1.0)], 1.0)
    yield opened
    opened.close()


def count(gallery: Gallery, table: str) -> int:
    with closing(sqlite3.connect(gallery.path)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - a test's table


def test_a_probe_is_found_by_its_event_and_by_nothing_else(gallery: Gallery) -> None:
    gallery.store_probes([probe(), probe("E2", 6, None, "u-7f3a")])
    found = gallery.probe(EVENT)
    assert found is not None
    assert (found.event, found.camera, found.wall, found.person, found.unknown) == (
        EVENT,
        "porch",
        100.0,
        "alice",
        None,
    )
    assert np.array_equal(found.embedding, unit(5))
    assert (gallery.probe("E3"), gallery.probe(EVENT.lower())) == (None, None)
    with closing(Gallery.open(gallery.path.parent, OTHER)) as other:
        assert other.probe(EVENT) is None


def test_nothing_of_a_correction_is_in_plain_text(gallery: Gallery) -> None:
    gallery.store_probes([probe()])
    gallery.deny("alice", negative())
    written = b"".join(path.read_bytes() for path in gallery.path.parent.glob("gallery.db*"))
    assert all(text not in written for text in (EVENT.encode(), b"porch", unit(5).tobytes()[:32]))


def test_a_row_that_was_moved_does_not_open(gallery: Gallery) -> None:
    gallery.deny("alice", negative())
    gallery.store_probes([probe(), probe("E2", 6)])
    with closing(sqlite3.connect(gallery.path)) as intruder, intruder:
        intruder.execute("UPDATE negatives SET person = (SELECT tag FROM people WHERE tag != person)")
        intruder.execute("UPDATE probes SET sealed = (SELECT sealed FROM probes WHERE seq = 2) WHERE seq = 1")
    for read in (gallery.snapshot, lambda: gallery.probe(EVENT), lambda: gallery.negatives("bob")):
        with pytest.raises(VaultError, match="altered"):
            read()


def test_only_the_newest_probes_are_kept(gallery: Gallery) -> None:
    gallery.store_probes([probe(f"E{n}") for n in range(CAPACITY + 2)])
    last = CAPACITY + 1
    assert [n for n in (0, 1, 2, 3, last) if gallery.probe(f"E{n}") is not None] == [2, 3, last]


def test_a_probe_of_someone_who_was_erased_meanwhile_is_not_stored(gallery: Gallery) -> None:
    gallery.store_unknowns([Unknown("u-0001", unit(9), (unit(9),), 2, 1, 1.0, 1.0, "porch")])
    gallery.remove(["bob"])
    gallery.remove(["u-0001"])
    gallery.store_probes([probe("E1", 1, "bob"), probe("E2", 9, None, "u-0001"), probe("E3", 9, None, "u-0002")])
    assert [event for event in ("E1", "E2", "E3") if gallery.probe(event)] == ["E3"]


def test_storing_probes_is_no_change_for_a_daemon_and_a_correction_is(gallery: Gallery) -> None:
    gallery.snapshot()
    with closing(Gallery.open(gallery.path.parent, MODEL)) as other:
        other.store_probes([probe()])
        assert not gallery.changed()
        change = other.deny("alice", negative())
        assert gallery.changed()
    assert (change.kind, change.facts) == ("corrected", {"person": "alice", "event": EVENT})
    assert gallery.snapshot().denied(unit(5)) == {"alice"}
    assert gallery.remove_negative("alice", EVENT, 3.0).facts == {"person": "alice", "event": EVENT}
    assert gallery.changed()
    assert gallery.snapshot().denied(unit(5)) == frozenset()


def test_a_negative_template_belongs_to_one_person(gallery: Gallery) -> None:
    gallery.deny("alice", negative())
    gallery.deny("bob", negative("E2", 6))
    assert [[one.event for one in gallery.negatives(who)] for who in ("alice", "bob", "carol")] == [[EVENT], ["E2"], []]
    with pytest.raises(GalleryError, match="bob: no negative template from the event 01J"):
        gallery.remove_negative("bob", EVENT, 3.0)
    with pytest.raises(GalleryError, match="no one is enrolled with this id"):
        gallery.deny("carol", negative())
    assert count(gallery, "negatives") == 2


def test_a_new_enrollment_keeps_the_negative_templates(gallery: Gallery) -> None:
    gallery.deny("alice", negative())
    gallery.replace("alice", "Alice", [Template(unit(7), MODEL, "photo", 2.0)], 2.0, ignored=False)
    assert [one.event for one in gallery.negatives("alice")] == [EVENT]


def test_a_person_who_is_forgotten_takes_probes_and_negative_templates_along(gallery: Gallery) -> None:
    like_alice, other = Negative("E4", "porch", 3.0, unit(0)), negative("E5", 6)
    gallery.store_probes([probe("E1", 5), probe("E2", 0, "bob"), probe("E3", 6, "bob")])
    gallery.deny("alice", negative())
    gallery.deny("bob", like_alice)
    gallery.deny("bob", other)
    assert {(row.table, row.embedding.tobytes()) for row in gallery.traces(["alice"], 0.5)} == {
        ("probes", unit(5).tobytes()),
        ("probes", unit(0).tobytes()),
        ("negatives", unit(0).tobytes()),
    }
    gallery.remove(["alice"], 0.5)
    assert [event for event in ("E1", "E2", "E3") if gallery.probe(event)] == ["E3"]
    assert [one.event for one in gallery.negatives("bob")] == ["E5"]
    assert count(gallery, "negatives") == 1


def test_an_unknown_who_is_forgotten_takes_them_along(gallery: Gallery) -> None:
    gallery.store_unknowns([Unknown("u-0001", unit(9), (unit(9),), 2, 1, 1.0, 1.0, "porch")])
    gallery.store_probes([probe("E1", 8, None, "u-0001"), probe("E2", 9, "bob"), probe("E3", 6, "bob")])
    gallery.deny("bob", negative("E2", 9))
    gallery.remove(["u-0001"], 0.5)
    assert [event for event in ("E1", "E2", "E3") if gallery.probe(event)] == ["E3"]
    assert gallery.negatives("bob") == []


def test_the_negative_templates_follow_a_merge(gallery: Gallery) -> None:
    gallery.deny("alice", Negative("E1", "porch", 3.0, unit(0)))
    gallery.deny("bob", Negative("E2", "porch", 3.0, unit(0)))
    gallery.remove(["alice"], 0.5, into="bob")
    assert {one.event for one in gallery.negatives("bob")} == {"E1", "E2"}
    assert count(gallery, "negatives") == 2


@pytest.mark.parametrize(
    ("before", "kept"), [((0.0, 0.0), 2), ((101.0, 0.0), 1), ((0.0, 201.0), 1), ((101.0, 201.0), 0)]
)
def test_what_is_too_old_goes(gallery: Gallery, before: tuple[float, float], kept: int) -> None:
    gallery.store_probes([probe()])
    gallery.deny("alice", negative())
    assert gallery.expire(0.0, 0.0, *before) == 2 - kept
    assert count(gallery, "probes") + count(gallery, "negatives") == kept


def test_a_file_of_0_1_gets_the_tables_and_a_copy_that_is_only_read_too(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = gallery.path.parent
    with closing(sqlite3.connect(gallery.path)) as old:
        old.executescript(
            "DROP TABLE probes; DROP TABLE negatives; DROP TABLE factors; DROP TABLE attempts; DROP TABLE alike;"
            " DROP INDEX by_generation; ALTER TABLE unknowns DROP COLUMN generation; PRAGMA user_version = 2"
        )
        for (trigger,) in old.execute("SELECT name FROM sqlite_master WHERE name LIKE 'version%'").fetchall():
            old.execute(f"DROP TRIGGER {trigger}")
        old.executescript("DROP INDEX by_version; ALTER TABLE people DROP COLUMN version")
        old.execute("ALTER TABLE state DROP COLUMN unfinished")

    def full(*_: object) -> sqlite3.Connection:
        raise GalleryError("cannot be written (is the disk full?)")

    with monkeypatch.context() as patched:
        patched.setattr(sqlite, "open_database", full)
        with closing(Gallery.open(folder, MODEL)) as copy:
            assert (copy.negatives("alice"), copy.probe(EVENT), copy.snapshot().denials) == ([], None, None)
            with pytest.raises(GalleryError, match="cannot be written"):
                copy.store_probes([probe()])
    with closing(Gallery.open(folder, MODEL)) as upgraded:
        upgraded.deny("alice", negative())
        assert len(upgraded.negatives("alice")) == 1
