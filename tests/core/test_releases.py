"""The way back to an older version: what it can read, the copies from before an update, and the switch."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edgeface import __version__
from edgeface.core import sqlite
from edgeface.core.clock import DAY
from edgeface.core.errors import EdgefaceError, GalleryError
from edgeface.core.installed import releases
from edgeface.core.installed.releases import Release
from edgeface.core.sqlite import BEFORE_UPDATE, Schema
from edgeface.gallery import rows as gallery_rows
from edgeface.journal import rows as journal_rows
from edgeface.security.vault import open_vault


def one(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE people (name TEXT)")
    db.execute("INSERT INTO people VALUES ('first')")


def two(db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO people VALUES ('second')")


def failing(db: sqlite3.Connection) -> None:
    two(db)
    raise sqlite3.OperationalError("disk I/O error")


OLD, NEW = Schema((one,)), Schema((one, two))


def opened(path: Path, schema: Schema) -> None:
    sqlite.open_database(path, schema, "gallery").close()


def names(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return [name for (name,) in db.execute("SELECT name FROM people")]


def databases(data: Path, gallery: int, journal: int) -> None:
    data.mkdir(exist_ok=True)
    for name, version in (("gallery.db", gallery), ("journal.db", journal)):
        with closing(sqlite3.connect(data / name)) as db:
            db.execute(f"PRAGMA user_version = {version}")


def test_the_newest_row_is_what_this_version_writes(tmp_path: Path) -> None:
    assert releases.readable(__version__) == releases.READS[-1][1]
    written = {"gallery.db": gallery_rows.schema(open_vault(tmp_path)).newest, "journal.db": journal_rows.VERSION}
    assert written == releases.READS[-1][1], "a schema has changed: add a row to READS"


@pytest.mark.parametrize(
    ("version", "gallery"),
    [("0.1.0", 2), ("0.1.9", 2), ("0.1.0+deb12", 2), ("0.2.0.dev0", 7), ("0.2.0~dev0+deb13", 7), ("12.0", 7)],
)
def test_a_version_reads_what_the_row_before_it_says(version: str, gallery: int) -> None:
    assert releases.readable(version)["gallery.db"] == gallery


@pytest.mark.parametrize("version", ["", "newest", "0.0.9", "-1.2", "../etc"])
def test_other_words_are_no_version(version: str) -> None:
    with pytest.raises(EdgefaceError, match=r"not a version of edgeface; 0\.1\.0 is the first"):
        releases.readable(version)


def test_a_database_is_copied_before_its_schema_changes(tmp_path: Path) -> None:
    path = tmp_path / "gallery.db"
    opened(path, OLD)
    assert not (tmp_path / BEFORE_UPDATE).exists()
    opened(path, NEW)
    copy = tmp_path / BEFORE_UPDATE / "gallery.db"
    assert (names(path), names(copy)) == (["first", "second"], ["first"])
    assert (copy.stat().st_mode & 0o777, copy.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert sorted(file.name for file in copy.parent.iterdir()) == ["gallery.db"]
    before = copy.read_bytes()
    opened(path, NEW)
    assert copy.read_bytes() == before


def test_the_copy_has_what_is_still_in_the_log(tmp_path: Path) -> None:
    path = tmp_path / "gallery.db"
    with closing(sqlite.open_database(path, OLD, "gallery")) as db:
        db.execute("INSERT INTO people VALUES ('in the log')")
        assert (tmp_path / "gallery.db-wal").stat().st_size
        opened(path, NEW)
    assert names(tmp_path / BEFORE_UPDATE / "gallery.db") == ["first", "in the log"]


def test_a_later_update_replaces_the_copy(tmp_path: Path) -> None:
    path = tmp_path / "gallery.db"
    opened(path, OLD)
    opened(path, NEW)
    opened(path, Schema((one, two, two)))
    assert names(tmp_path / BEFORE_UPDATE / "gallery.db") == ["first", "second"]


def test_without_room_for_the_copy_nothing_changes(tmp_path: Path) -> None:
    path = tmp_path / "gallery.db"
    opened(path, OLD)
    (tmp_path / BEFORE_UPDATE).write_text("a file in its place")
    with pytest.raises(GalleryError, match="before-update"):
        opened(path, NEW)
    assert names(path) == ["first"]


def test_a_link_in_place_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "data" / "gallery.db", tmp_path / "elsewhere"
    path.parent.mkdir()
    elsewhere.mkdir()
    opened(path, OLD)
    (path.parent / BEFORE_UPDATE).symlink_to(elsewhere)
    with pytest.raises(GalleryError, match="before-update: Not a directory"):
        opened(path, NEW)
    assert list(elsewhere.iterdir()) == []
    assert names(path) == ["first"]


def test_an_update_that_fails_leaves_the_database_and_its_copy(tmp_path: Path) -> None:
    path = tmp_path / "gallery.db"
    opened(path, OLD)
    with pytest.raises(GalleryError):
        opened(path, Schema((one, failing)))
    assert names(path) == names(tmp_path / BEFORE_UPDATE / "gallery.db") == ["first"]


def test_what_an_older_version_cannot_read_is_named_and_what_it_can_read_is_not(tmp_path: Path) -> None:
    databases(tmp_path, 7, 2)
    (found,) = releases.obstacles(tmp_path, "0.1.0")
    assert str(found) == "gallery.db has schema 7, and it reads 2 at most"
    assert found.copied is None
    assert releases.obstacles(tmp_path, "0.2.0") == releases.obstacles(tmp_path / "none", "0.1.0") == []


def test_a_copy_counts_only_if_the_older_version_reads_it(tmp_path: Path) -> None:
    databases(tmp_path, 8, 3)
    databases(tmp_path / BEFORE_UPDATE, 7, 3)
    assert releases.day_of(releases.obstacles(tmp_path, "0.1.0")) is None
    (found,) = releases.obstacles(tmp_path, "0.2.0")
    os.utime(tmp_path / BEFORE_UPDATE / "gallery.db", (DAY, DAY))
    assert found.copied is not None
    assert releases.day_of(releases.obstacles(tmp_path, "0.2.0")) == "1970-01-02"


def test_the_copies_take_the_place_of_the_databases(tmp_path: Path) -> None:
    databases(tmp_path, 7, 3)
    databases(tmp_path / BEFORE_UPDATE, 2, 2)
    for name in ("gallery.db-wal", "gallery.db-shm"):
        (tmp_path / name).write_bytes(b"of the newer file")
    releases.put_back(tmp_path, releases.obstacles(tmp_path, "0.1.0"))
    assert releases.obstacles(tmp_path, "0.1.0") == []
    assert sorted(file.name for file in tmp_path.iterdir()) == ["gallery.db", "journal.db"]


def test_the_copies_are_deleted_after_thirty_days(tmp_path: Path) -> None:
    releases.expire(tmp_path, 1e9)
    databases(tmp_path / BEFORE_UPDATE, 2, 2)
    os.utime(tmp_path / BEFORE_UPDATE / "gallery.db", (0, 0))
    os.utime(tmp_path / BEFORE_UPDATE / "journal.db", (DAY, DAY))
    link = tmp_path / BEFORE_UPDATE / "link"
    link.symlink_to("nowhere")
    os.utime(link, (DAY, DAY), follow_symlinks=False)
    releases.expire(tmp_path, 31 * DAY)
    assert (tmp_path / BEFORE_UPDATE).exists()
    releases.expire(tmp_path, 31 * DAY + 1)
    assert not (tmp_path / BEFORE_UPDATE).exists()


def release(service: Path, name: str, script: str) -> Path:
    program = service / "releases" / name / "bin" / "edgeface"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program.parent.parent


def test_the_release_that_is_not_running_is_the_previous_one(tmp_path: Path) -> None:
    old = release(tmp_path, "20260101-000000", "echo edgeface 0.1.0")
    release(tmp_path, "20260201-000000", "echo edgeface 0.2.0")
    (tmp_path / "current").symlink_to("releases/20260201-000000")
    found = releases.previous(tmp_path)
    assert found == Release(old, "0.1.0")
    releases.switch(tmp_path, found)
    assert (tmp_path / "current").readlink() == Path("releases/20260101-000000")
    assert releases.previous(tmp_path).version == "0.2.0"


def test_without_another_release_or_with_a_broken_one_there_is_no_way_back(tmp_path: Path) -> None:
    release(tmp_path, "20260201-000000", "echo edgeface 0.2.0")
    (tmp_path / "current").symlink_to("releases/20260201-000000")
    with pytest.raises(EdgefaceError, match="there is no previous release"):
        releases.previous(tmp_path)
    release(tmp_path, "20260101-000000", "echo cannot load libpython; exit 127")
    with pytest.raises(EdgefaceError, match=r"does not start.*\(cannot load libpython\)"):
        releases.previous(tmp_path)
