"""Erasing a person, while the daemon runs."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from edgeface.access import passes
from edgeface.access.pass_list import PassList
from edgeface.config.configuration import Configuration
from edgeface.core import sqlite
from edgeface.core.errors import GalleryError
from edgeface.core.types import Probe
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.gallery.unknowns import Unknown
from edgeface.journal import removal
from edgeface.journal.journal import Journal
from edgeface.people.erasure import erase_all
from edgeface.people.retention import expire
from edgeface.people.service import PeopleService
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

    def remove(self, *arguments: Any) -> Any:
        assert self._journal.record("match", 3.0, {"person": "alice"})
        return self._gallery.remove(*arguments)


def sealed_rows(gallery: Gallery) -> set[bytes]:
    return {row for (row,) in gallery._db.execute("SELECT sealed FROM people UNION SELECT sealed FROM templates")}


def test_several_are_erased_together_or_none_with_one_search(tmp_path: Path) -> None:
    service = PeopleService(Configuration.model_construct(cameras={}, data=tmp_path))
    model = embedder_name()
    with closing(Gallery.open(tmp_path, model)) as gallery:
        faces = np.eye(192, dtype=np.float32)
        for n in range(20):
            gallery.enroll(f"person-{n:02}", f"Name of {n}", [Template(faces[n], model, "photo", 1.0)], 1.0)
        gallery.link("person-01", ["person-02", "person-12"])
        gallery.store_unknowns([Unknown("u-0001", faces[30], (faces[30],), 2, 1, 1.0, 1.0, "porch")])
        gallery.store_unknowns([Unknown("u-0002", faces[3], (faces[3],), 2, 1, 1.0, 1.0, "porch")])
        gallery.store_probes([Probe("E1", "porch", 1.0, "person-19", None, faces[4])])
    with closing(Journal(tmp_path / "journal.db")) as journal:
        assert journal.record("match", 2.0, {"person": "person-03"})
    with pytest.raises(GalleryError, match="nobody: no one is enrolled"):
        service.erase("person-00", "nobody")
    with pytest.raises(GalleryError, match="u-9999: no such unknown"):
        service.erase("person-00", "u-9999")
    who = [f"person-{n:02}" for n in range(10)]
    with closing(Gallery.open(tmp_path, model)) as gallery:
        sealed = sealed_rows(gallery)
    proof = service.erase(*who, "u-0001", "person-00")
    assert (proof.traces, proof.files > 0) == ((), True)
    left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    with closing(Gallery.open(tmp_path, model)) as gallery, closing(Journal(tmp_path / "journal.db")) as journal:
        # u-0002 and the probe look like someone who was erased.
        assert (gallery.unknowns(), gallery.probe("E1")) == ([], None)
        assert {"u-0001", "u-0002"} <= {f"u-{n:04}" for n in range(9) if f"u-{n:04}" in gallery.retired_ids()}
        assert [one.id for one in gallery.people()] == [f"person-{n}" for n in range(10, 20)]
        assert gallery.person("person-12").look_alikes == ()
        assert [tag for one in who if (tag := gallery.tag(one)) in left] == []
        assert [one for one in sealed - sealed_rows(gallery) if one in left] == []
        assert not gallery.unfinished
        rows = [(entry.row.kind, entry.redacted) for entry in journal.rows()]
        assert rows == [("match", True), *[("deleted", False)] * 10]


@pytest.mark.parametrize("early", [True, False])
def test_an_erasure_that_was_cut_off_is_finished_at_the_next_start(
    gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, early: bool
) -> None:
    path = tmp_path / "journal.db"
    with closing(Journal(path)) as journal:
        assert journal.record("match", 2.0, {"person": "alice"})
    sealed = gallery._db.execute("SELECT sealed FROM templates").fetchone()[0]

    class CutError(Exception):
        pass

    def cut_off(*_: object) -> None:
        raise CutError

    with monkeypatch.context() as patched:
        patched.setattr(*((removal, "erase") if early else (sqlite, "erase")), cut_off)
        with pytest.raises(CutError):
            erase_all(gallery, path, ["alice"], 4.0, alike=0.5)
    gallery.close()
    with closing(Gallery.open(tmp_path, MODEL)) as again:
        assert (again.unfinished, again.knows("alice")) == (True, early)
        expire(again, Configuration.model_construct(cameras={}, data=tmp_path), 5.0, synced=False, alike=0.5)
        assert not again.unfinished
        left = b"".join(file.read_bytes() for file in tmp_path.iterdir())
        assert (sealed[:200] in left) == early
        assert again._db.execute("PRAGMA freelist_count").fetchone() == (0,)


def test_a_match_during_the_erasure_is_emptied_too(gallery: Gallery, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with closing(Journal(path)) as journal:
        assert journal.record("match", 2.0, {"person": "alice"})
        erase_all(cast("Gallery", Seen(gallery, journal)), path, ["alice"], 4.0, alike=0.5)
        assert [(entry.row.kind, entry.redacted) for entry in journal.rows()] == [
            ("match", True),
            ("match", True),
            ("deleted", False),
        ]
        assert journal.about("alice") == []


def test_the_passes_of_a_person_end_with_them(gallery: Gallery, tmp_path: Path) -> None:
    pass_list = PassList(tmp_path, open_vault(tmp_path))
    for person in ("alice", "bob"):
        pass_list.add(passes.new(person, (), "front", 1.0, 7), 1.0)
    erase_all(gallery, tmp_path / "journal.db", ["alice"], 4.0, alike=0.5)
    assert [one.person for one in pass_list.passes()] == ["bob"]


def test_what_was_written_before_an_unknown_was_enrolled_is_emptied_with_the_person(
    gallery: Gallery, tmp_path: Path
) -> None:
    with closing(Journal(tmp_path / "journal.db")) as journal:
        for unknown in ("u-aaaa", "u-bbbb", "u-cccc"):
            assert journal.record("unknown", 1.0, {"unknown": unknown})
        assert journal.record("merged", 2.0, {"unknown": "u-aaaa", "merged": "u-bbbb"})
        assert journal.record("enrolled", 3.0, {"person": "alice", "unknown": "u-aaaa"})
        erase_all(gallery, tmp_path / "journal.db", ["alice"], 4.0, alike=0.9)
        rows = journal.rows(kinds=("unknown", "merged", "enrolled"))
        assert [row.redacted for row in rows] == [True, True, False, True, True]
        assert journal.verify().fault is None
