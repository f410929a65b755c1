"""A large gallery is read in a thread of its own; the vision thread only takes over what was read."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from edgeface.core import sqlite
from edgeface.core.clock import SystemClock
from edgeface.core.errors import GalleryError, VaultError
from edgeface.daemon import snapshot_reader
from edgeface.daemon.snapshot_reader import SnapshotReader
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import GallerySnapshot, Moment, Template, day

MODEL = "test-model:01234567"
NOON = 1_800_000_000.0
DAY = 86_400.0


@pytest.fixture(name="gallery")
def _gallery(tmp_path: Path) -> Iterator[Gallery]:
    with closing(Gallery.open(tmp_path, MODEL)) as opened:
        with opened.transaction():
            for n in range(10):
                opened.enroll(f"p-{n}", None, [Template(np.eye(16, dtype=np.float32)[n], MODEL, "photo", 1.0)], NOON)
        opened.snapshot(NOON)
        yield opened


@pytest.fixture(name="reader")
def _reader(tmp_path: Path) -> Iterator[SnapshotReader]:
    with closing(SnapshotReader(tmp_path, MODEL, Moment(day(NOON)), large=5)) as made:
        yield made


def answered(reader: SnapshotReader, gallery: Gallery, wall: float) -> GallerySnapshot:
    clock = SystemClock()
    assert reader.newest(gallery, wall) is None
    until = clock.monotonic() + 10
    while (found := reader.newest(gallery, wall)) is None:
        assert clock.monotonic() < until
        clock.sleep(0.01)
    assert not reader.ready
    return found


def newest(reader: SnapshotReader, gallery: Gallery) -> GallerySnapshot:
    """The next snapshot, read at once or by the thread."""
    clock = SystemClock()
    until = clock.monotonic() + 10
    while (found := reader.newest(gallery, NOON)) is None:
        assert clock.monotonic() < until
        clock.sleep(0.01)
    return found


def test_what_another_thread_has_read_is_taken_over(reader: SnapshotReader, gallery: Gallery, tmp_path: Path) -> None:
    before = gallery.base
    with closing(Gallery.open(tmp_path, MODEL)) as other:
        other.rename("p-3", "New name", NOON)
        assert gallery.changed()
        found = answered(reader, gallery, NOON)
        assert found.name("p-3") == "New name"
        assert before is not None
        assert found.people[4] is before.people[4]
        assert (gallery.base, gallery.changed()) == (found, False)
        # What changes while it is read is noticed afterwards.
        other.rename("p-3", "Third name", NOON)
        assert reader.newest(gallery, NOON) is None
        other.rename("p-4", "Fourth name", NOON)
        until = SystemClock().monotonic() + 10
        while (gallery.changed() or gallery.base is found) and SystemClock().monotonic() < until:
            reader.newest(gallery, NOON)
        assert gallery.base is not None
        assert [gallery.base.name(who) for who in ("p-3", "p-4")] == ["Third name", "Fourth name"]


def test_the_day_is_that_of_the_question(reader: SnapshotReader, gallery: Gallery) -> None:
    gallery.consent("p-1", NOON, None, day(NOON + DAY))
    assert answered(reader, gallery, NOON).enrolled == 10
    assert answered(reader, gallery, NOON + DAY).enrolled == 9


def test_a_row_that_was_altered_is_reported_and_read_again(reader: SnapshotReader, gallery: Gallery) -> None:
    sealed = gallery._db.execute("SELECT sealed FROM templates WHERE seq = 3").fetchone()
    gallery._db.execute("UPDATE templates SET sealed = zeroblob(length(sealed)) WHERE seq = 3")
    with pytest.raises(VaultError, match="altered"):
        answered(reader, gallery, NOON)
    with pytest.raises(VaultError, match="altered"):
        answered(reader, gallery, NOON)
    gallery._db.execute("UPDATE templates SET sealed = ? WHERE seq = 3", sealed)
    assert answered(reader, gallery, NOON).enrolled == 10


def test_what_changes_only_unknowns_is_news_with_the_same_snapshot(reader: SnapshotReader, gallery: Gallery) -> None:
    base, before = gallery.base, gallery.generation
    with gallery.transaction():
        assert gallery.base is base
    assert answered(reader, gallery, NOON) is base
    assert gallery.generation == before + 1


def test_a_copy_in_memory_is_not_mistaken_for_the_file(
    reader: SnapshotReader, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:

        def full(*_: object) -> NoReturn:
            raise GalleryError("gallery.db: cannot be written: is the disk full?")

        patched.setattr(sqlite, "open_database", full)
        gallery.rename("p-3", "New name", NOON)
        with pytest.raises(GalleryError, match="is the disk full"):
            answered(reader, gallery, NOON)
    assert answered(reader, gallery, NOON).name("p-3") == "New name"
    gallery.rename("p-3", "Third name", NOON)
    assert answered(reader, gallery, NOON).name("p-3") == "Third name"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_end_of_the_reading_thread_is_no_silence(
    reader: SnapshotReader, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> NoReturn:
        raise ZeroDivisionError

    monkeypatch.setattr(snapshot_reader, "_read", broken)
    with pytest.raises(RuntimeError, match="has ended"):
        answered(reader, gallery, NOON)


def test_nothing_is_taken_over_while_nothing_changes(reader: SnapshotReader, gallery: Gallery) -> None:
    clock = SystemClock()
    for _ in range(20):
        assert reader.newest(gallery, NOON) is None
        assert not reader.ready
        clock.sleep(0.01)


def test_a_small_gallery_is_read_at_once(gallery: Gallery, tmp_path: Path) -> None:
    gallery.rename("p-3", "New name", NOON)
    with closing(SnapshotReader(tmp_path, MODEL, Moment(day(NOON)), large=11)) as reader:
        found = reader.newest(gallery, NOON)
    assert found is not None
    assert found.name("p-3") == "New name"


@pytest.mark.parametrize("large", [5, 100])
def test_the_end_of_a_lease_makes_a_new_snapshot_without_a_write(tmp_path: Path, gallery: Gallery, large: int) -> None:
    gallery.put([replace(gallery.person("p-3"), site="house")])
    leased = frozenset({"house"})
    gallery.leases = lambda _: leased
    with closing(SnapshotReader(tmp_path, MODEL, gallery.moment(NOON), large=large)) as reader:
        assert "p-3" in newest(reader, gallery).rows
        leased = frozenset()
        found = newest(reader, gallery)
        assert len(found.people) == 9
        assert "p-3" not in found.rows
        leased = frozenset({"house"})
        assert "p-3" in newest(reader, gallery).rows
