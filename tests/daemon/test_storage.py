"""The thread that writes gallery.db: nothing waits for it, and nothing is lost while the disk refuses."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edgeface.core.types import Probe
from edgeface.daemon.storage import MAX_PROBES, MAX_THUMBNAILS, GalleryWriter, Unsaved
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.thumbnails import Thumbnail
from edgeface.gallery.unknowns import Unknown, UnknownChanges
from tests.support.disks import full_disk
from tests.support.embeddings import unit
from tests.support.slack import Slack

MODEL = "test-model:01234567"


def unsaved(seed: int = 1, last: float = 100.0) -> Unsaved:
    unknown = Unknown(f"u-{seed:04x}", unit(seed), (unit(seed),), 2, 1, last, last, "porch")
    probe = Probe(f"E{seed}", "porch", last, None, unknown.id, unit(seed))
    return Unsaved(UnknownChanges((unknown,)), (Thumbnail(unknown.id, last, b"picture"),), (probe,))


@pytest.fixture(name="writer")
def _writer(tmp_path: Path) -> Iterator[GalleryWriter]:
    Gallery.open(tmp_path, MODEL).close()
    made = GalleryWriter(tmp_path, MODEL)
    yield made
    made.close(5.0)


def test_what_was_offered_is_stored_together(writer: GalleryWriter, tmp_path: Path) -> None:
    writer.offer(unsaved())
    assert writer.wait(30.0)
    assert not writer.waiting
    with closing(Gallery.open(tmp_path, MODEL)) as gallery:
        assert [one.id for one in gallery.unknowns()] == ["u-0001"]
        assert gallery.pictures("u-0001") == [(100.0, b"picture")]
        assert gallery.probe("E1") is not None


def test_no_one_waits_while_the_disk_does(writer: GalleryWriter, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "gallery.db", isolation_level=None)) as busy:
        busy.execute("BEGIN IMMEDIATE")
        with Slack() as slack:
            for seed in range(MAX_PROBES + 50):
                writer.offer(unsaved(seed))
                assert writer.waiting
        assert slack.worst < 4.0
        assert not writer.wait(0.1)
        assert len(writer.waiting.unknowns.seen) == MAX_PROBES + 50
        assert len(writer.waiting.thumbnails) == MAX_THUMBNAILS
        assert len(writer.waiting.probes) == MAX_PROBES
        busy.execute("ROLLBACK")
    assert writer.wait(30.0)
    with closing(Gallery.open(tmp_path, MODEL)) as gallery:
        assert len(gallery.unknowns()) == MAX_PROBES + 50


def test_what_the_disk_refuses_is_kept_and_tried_again(writer: GalleryWriter, tmp_path: Path) -> None:
    with full_disk():
        writer.offer(unsaved(1))
        assert not writer.wait(5.0)
        assert "the disk is full" in str(writer.problem)
        assert [one.id for one in writer.waiting.unknowns.seen] == ["u-0001"]
    with closing(Gallery.open(tmp_path, MODEL)) as gallery:
        assert gallery.unknowns() == []
        writer.offer(unsaved(1, 200.0))
        assert writer.wait(30.0)
        assert writer.problem is None
        assert [(one.id, one.sightings) for one in gallery.unknowns()] == [("u-0001", 2)]


def test_what_waits_is_written_at_the_end(tmp_path: Path) -> None:
    writer = GalleryWriter(tmp_path, MODEL)
    writer.offer(unsaved())
    writer.close(5.0)
    assert not writer.alive
    with closing(Gallery.open(tmp_path, MODEL)) as gallery:
        assert [one.id for one in gallery.unknowns()] == ["u-0001"]


def test_a_thread_that_has_nothing_to_do_ends_at_once(tmp_path: Path) -> None:
    before = threading.active_count()
    writer = GalleryWriter(tmp_path, MODEL)
    writer.close(5.0)
    assert threading.active_count() == before
    assert list(tmp_path.iterdir()) == []
