"""Erasing a person, while the daemon runs."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from edgeface.access import passes
from edgeface.access.pass_book import PassBook
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.journal.journal import Journal
from edgeface.people.erasure import erase_person
from edgeface.security.vault import open_vault

MODEL = "test-model:01234567"


@pytest.fixture(name="gallery")
def _gallery(tmp_path: Path) -> Iterator[Gallery]:
    with closing(Gallery.open(tmp_path, MODEL)) as opened:
        opened.enroll("alice", "Alice", [Template(np.eye(8, dtype=np.float32)[0], MODEL, "photo", 1.0)], 1.0)
        yield opened


class Seen:
    """A gallery; while it removes a person, a camera sees them once more."""

    def __init__(self, gallery: Gallery, journal: Journal) -> None:
        self._gallery, self._journal = gallery, journal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gallery, name)

    def remove_person(self, *arguments: Any) -> Any:
        assert self._journal.record("match", 3.0, {"person": "alice"})
        return self._gallery.remove_person(*arguments)


def test_a_match_during_the_erasure_is_emptied_too(gallery: Gallery, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with closing(Journal(path)) as journal:
        assert journal.record("match", 2.0, {"person": "alice"})
        erase_person(cast("Gallery", Seen(gallery, journal)), path, "alice", 4.0, alike=0.5)
        assert [(entry.row.kind, entry.redacted) for entry in journal.rows()] == [
            ("match", True),
            ("match", True),
            ("deleted", False),
        ]
        assert journal.about("alice") == []


def test_the_passes_of_a_person_end_with_them(gallery: Gallery, tmp_path: Path) -> None:
    book = PassBook(tmp_path, open_vault(tmp_path))
    for person in ("alice", "bob"):
        book.add(passes.new(person, (), "front", 1.0, 7), 1.0)
    erase_person(gallery, tmp_path / "journal.db", "alice", 4.0, alike=0.5)
    assert [one.person for one in book.passes()] == ["bob"]
