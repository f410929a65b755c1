"""The gallery as it is followed without writing to it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from edgeface.core.errors import GalleryError, VaultError
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.recognition_service.gallery_reader import GalleryReader
from tests.support.embeddings import unit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODEL = "test-model:01234567"


@pytest.fixture(name="gallery")
def _gallery(tmp_path: Path) -> Iterator[Gallery]:
    with closing(Gallery.open(tmp_path / "data", MODEL)) as opened:
        add(opened, "alice", 1)
        yield opened


def add(gallery: Gallery, person: str, seed: int) -> None:
    gallery.enroll(person, None, [Template(unit(seed), MODEL, "photo", 1.0)], 1.0)


def ids(reader: GalleryReader, wall: float = 1.0) -> list[str] | None:
    found = reader.newest(wall)
    return None if found is None else [one.id for one in found.people]


def test_changes_are_seen_once(gallery: Gallery) -> None:
    with closing(GalleryReader(gallery.path.parent, MODEL)) as reader:
        assert ids(reader) == ["alice"]
        assert ids(reader) is None
        add(gallery, "bob", 2)
        assert ids(reader) == ["alice", "bob"]
        gallery.remove(["alice"])
        assert ids(reader) == ["bob"]
        assert ids(reader) is None


def test_who_expires_goes_at_midnight(gallery: Gallery) -> None:
    gallery.consent("alice", 1.0, expires="1970-01-03")
    with closing(GalleryReader(gallery.path.parent, MODEL)) as reader:
        assert ids(reader, 86_400.0) == ["alice"]
        assert ids(reader, 2 * 86_400.0 - 1) is None
        assert ids(reader, 2 * 86_400.0) == []


def test_a_file_that_was_put_in_its_place_is_opened(gallery: Gallery, tmp_path: Path) -> None:
    with closing(GalleryReader(gallery.path.parent, MODEL)) as reader:
        assert ids(reader) == ["alice"]
        gallery.empty_log()
        shutil.copy(gallery.path, tmp_path / "copy.db")
        with closing(sqlite3.connect(tmp_path / "copy.db")) as copy, copy:
            copy.execute("DELETE FROM people")
        (tmp_path / "copy.db").replace(gallery.path)
        assert ids(reader) == []


def test_a_folder_that_is_read_only_is_followed_as_well(
    gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write everywhere, so the answer of the system is replaced."""
    volume = tmp_path / "volume"

    def publish() -> None:
        gallery.empty_log()
        shutil.copytree(
            gallery.path.parent, volume, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*-wal", "*-shm")
        )

    publish()
    monkeypatch.setattr(os, "access", lambda _, mode: mode != os.W_OK)
    with closing(GalleryReader(volume, MODEL)) as reader:
        assert ids(reader) == ["alice"]
        assert ids(reader) is None
        add(gallery, "bob", 2)
        publish()
        assert ids(reader) == ["alice", "bob"]
        assert not list(volume.glob("*-wal")) + list(volume.glob("*-shm"))


def test_a_gallery_that_is_not_there_or_of_another_key_is_an_error(gallery: Gallery, tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="no gallery here yet"):
        GalleryReader(tmp_path, MODEL)
    with closing(Gallery.open(tmp_path / "other", MODEL)) as other:
        other.empty_log()
    gallery.empty_log()
    shutil.copy(gallery.path, tmp_path / "other" / "gallery.db")
    with pytest.raises(VaultError, match="sealed with key"):
        GalleryReader(tmp_path / "other", MODEL)


def test_a_file_of_an_older_edgeface_is_not_changed(gallery: Gallery) -> None:
    gallery.empty_log()
    with closing(sqlite3.connect(gallery.path)) as db, db:
        db.execute("PRAGMA user_version = 6")
    with pytest.raises(GalleryError, match="written by an older edgeface"):
        GalleryReader(gallery.path.parent, MODEL)
    with closing(sqlite3.connect(gallery.path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (6,)
