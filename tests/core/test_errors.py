from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edgeface.core.errors import GalleryError, system_reason
from edgeface.core.sqlite import translated


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_every_full_disk_has_the_same_words(number: int) -> None:
    assert system_reason(OSError(number, os.strerror(number))) == "the disk is full"
    with pytest.raises(GalleryError, match=r"gallery\.db: .*the disk is full"), translated(Path("gallery.db")):
        raise OSError(number, os.strerror(number))


def test_a_database_on_a_full_disk_has_them_too(tmp_path: Path) -> None:
    file = tmp_path / "gallery.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE one (what BLOB)")
        connection.execute("PRAGMA max_page_count = 2")
        with pytest.raises(GalleryError, match=r"cannot be written \(the disk is full\)"), translated(file):
            connection.execute("INSERT INTO one VALUES (zeroblob(100000))")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.EACCES, "Permission denied"), "Permission denied"),
        (OSError("timed out"), "timed out"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_other_errors_have_the_words_of_the_system(error: OSError, text: str) -> None:
    assert system_reason(error) == text
